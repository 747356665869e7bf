"""Flax Linen: `nn.RNN` of every cell that applies."""

from collections.abc import Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp
from _case import Case

from rnnjax.cells import ElmanParams, GRUParams, LSTMParams

from . import Peer

CELLS = {
    "LSTM": (nn.LSTMCell, nn.OptimizedLSTMCell),
    "GRU": (nn.GRUCell,),
    "Elman": (nn.SimpleCell,),
}


def peers(case: Case) -> Iterator[Peer]:
    """Every cell, step by step and eight steps in one turn of the loop."""
    for cell in CELLS.get(case.cell, ()):
        for unroll in (1, 8):
            yield _peer(case, cell(case.hidden), unroll)


def _peer(case: Case, cell, unroll: int) -> Peer:
    def run(theirs, xs, lengths, reverse):
        rnn = nn.RNN(cell, time_major=True, unroll=unroll, reverse=reverse, keep_order=True)
        return rnn.apply({"params": {"cell": theirs}}, xs, seq_lengths=lengths)

    def step(theirs, carry, x):
        if case.cell == "LSTM":
            (c, h), _ = cell.apply({"params": theirs}, (carry.c, carry.h), x)
            return carry._replace(h=h, c=c)
        return cell.apply({"params": theirs}, carry, x)[0]

    convert = {
        "LSTM": (_lstm, _from_lstm),
        "GRU": (_gru, _from_gru),
        "Elman": (_elman, _from_elman),
    }
    name = f"{type(cell).__name__}, unroll={unroll}"
    return Peer(name, run, step, *convert[case.cell])


def _lstm(params: LSTMParams) -> dict:
    w_x, w_h, b = (jnp.split(a, 4, axis=-1) for a in jax.tree.leaves(params))
    cell = {f"i{gate}": {"kernel": w} for gate, w in zip("ifgo", w_x, strict=True)}
    for gate, w, bias in zip("ifgo", w_h, b, strict=True):
        cell[f"h{gate}"] = {"kernel": w, "bias": bias}
    return cell


def _from_lstm(cell: dict) -> LSTMParams:
    return LSTMParams(*(_join(cell, *names) for names in _names("ifgo", bias="h")))


def _gru(params: GRUParams) -> dict:
    w_x, w_h, b = (jnp.split(a, 3, axis=-1) for a in jax.tree.leaves(params)[:3])
    cell: dict = {f"h{gate}": {"kernel": w} for gate, w in zip("rzn", w_h, strict=True)}
    cell["hn"]["bias"] = params.b_hn
    for gate, w, bias in zip("rzn", w_x, b, strict=True):
        cell[f"i{gate}"] = {"kernel": w, "bias": bias}
    return cell


def _from_gru(cell: dict) -> GRUParams:
    joined = (_join(cell, *names) for names in _names("rzn", bias="i"))
    return GRUParams(*joined, b_hn=cell["hn"]["bias"])


def _elman(params: ElmanParams) -> dict:
    return {"i": {"kernel": params.w_x, "bias": params.b}, "h": {"kernel": params.w_h}}


def _from_elman(cell: dict) -> ElmanParams:
    return ElmanParams(cell["i"]["kernel"], cell["h"]["kernel"], cell["i"]["bias"])


def _names(gates: str, *, bias: str) -> Iterator[tuple[list[str], str]]:
    for side, entry in (("i", "kernel"), ("h", "kernel"), (bias, "bias")):
        yield [side + gate for gate in gates], entry


def _join(cell: dict, names: list[str], entry: str):
    return jnp.concatenate([cell[name][entry] for name in names], axis=-1)
