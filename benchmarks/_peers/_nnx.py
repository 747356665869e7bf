"""Flax NNX: `nnx.RNN` of every cell that applies.

Its `GRUCell` has no bias inside the reset product, so ours is zero where the two are compared.
"""

from collections.abc import Iterator
from functools import lru_cache

import jax
import jax.numpy as jnp
from _case import Case
from flax import nnx

from rnnjax.cells import ElmanParams, GRUParams, LSTMParams

from . import Peer, identity

CELLS = {
    "LSTM": (nnx.LSTMCell, nnx.OptimizedLSTMCell),
    "GRU": (nnx.GRUCell,),
    "Elman": (nnx.SimpleCell,),
}


def peers(case: Case) -> Iterator[Peer]:
    """Every cell, step by step and eight steps in one turn of the loop."""
    for cell in CELLS.get(case.cell, ()):
        for unroll in (1, 8):
            yield _peer(case, cell, unroll)


def _peer(case: Case, cell, unroll: int) -> Peer:
    lstm = case.cell == "LSTM"

    def run(theirs, xs, lengths, reverse):
        module = nnx.merge(_structure(cell, xs.shape[-1], case.hidden), nnx.State(theirs))
        rnn = nnx.RNN(module, time_major=True, unroll=unroll, reverse=reverse, keep_order=True)
        zeros = jnp.zeros((*xs.shape[1:-1], case.hidden), xs.dtype)
        return rnn(xs, initial_carry=(zeros, zeros) if lstm else zeros, seq_lengths=lengths)

    def step(theirs, carry, x):
        module = nnx.merge(_structure(cell, x.shape[-1], case.hidden), nnx.State(theirs))
        if not lstm:
            return module(carry, x)[0]
        (c, h), _ = module((carry.c, carry.h), x)
        return carry._replace(h=h, c=c)

    convert = {
        nnx.LSTMCell: (_lstm, _from_lstm, identity),
        nnx.OptimizedLSTMCell: (_optimized, _from_optimized, identity),
        nnx.GRUCell: (_gru, _from_gru, _without_b_hn),
        nnx.SimpleCell: (_elman, _from_elman, identity),
    }
    return Peer(f"{cell.__name__}, unroll={unroll}", run, step, *convert[cell])


@lru_cache
def _structure(cell, inputs: int, hidden: int):
    return nnx.graphdef(nnx.eval_shape(lambda: cell(inputs, hidden, rngs=nnx.Rngs(0))))


GATES = ("i", "f_", "g", "o")


def _lstm(params: LSTMParams) -> dict:
    w_x, w_h, b = (jnp.split(a, 4, axis=-1) for a in jax.tree.leaves(params))
    cell = {f"i{gate}": {"kernel": w} for gate, w in zip(GATES, w_x, strict=True)}
    for gate, w, bias in zip("ifgo", w_h, b, strict=True):
        cell[f"h{gate}"] = {"kernel": w, "bias": bias}
    return cell


def _from_lstm(cell: dict) -> LSTMParams:
    blocks = (
        [cell[f"i{gate}"]["kernel"] for gate in GATES],
        [cell[f"h{gate}"]["kernel"] for gate in "ifgo"],
        [cell[f"h{gate}"]["bias"] for gate in "ifgo"],
    )
    return LSTMParams(*(jnp.concatenate(gates, axis=-1) for gates in blocks))


def _optimized(params: LSTMParams) -> dict:
    return {
        "dense_i": {"kernel": params.w_x},
        "dense_h": {"kernel": params.w_h, "bias": params.b},
    }


def _from_optimized(cell: dict) -> LSTMParams:
    dense_i, dense_h = cell["dense_i"], cell["dense_h"]
    return LSTMParams(dense_i["kernel"], dense_h["kernel"], dense_h["bias"])


def _gru(params: GRUParams) -> dict:
    return _elman(ElmanParams(params.w_x, params.w_h, params.b))


def _from_gru(cell: dict) -> GRUParams:
    return GRUParams(*_from_elman(cell), b_hn=None)


def _without_b_hn(params: GRUParams) -> GRUParams:
    assert params.b_hn is not None
    return params._replace(b_hn=jnp.zeros_like(params.b_hn))


def _elman(params: ElmanParams) -> dict:
    return {
        "dense_i": {"kernel": params.w_x, "bias": params.b},
        "dense_h": {"kernel": params.w_h},
    }


def _from_elman(cell: dict) -> ElmanParams:
    dense_i, dense_h = cell["dense_i"], cell["dense_h"]
    return ElmanParams(dense_i["kernel"], dense_h["kernel"], dense_i["bias"])
