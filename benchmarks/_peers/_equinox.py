"""Equinox: its two cells, `vmap`ped over the batch, in `jax.lax.scan`. They know no lengths."""

from collections.abc import Iterator
from operator import attrgetter

import equinox as eqx  # pyright: ignore[reportMissingImports]
import jax
import jax.numpy as jnp
from _case import Case

from rnnjax.cells import GRUParams, LSTMParams

from . import Peer


def peers(case: Case) -> Iterator[Peer]:
    """The cell as it comes."""
    lstm = case.cell == "LSTM"

    def step(cell, carry, x):
        if not lstm:
            return jax.vmap(cell)(x, carry)
        h, c = jax.vmap(cell)(x, (carry.h, carry.c))
        return carry._replace(h=h, c=c)

    def run(cell, xs, lengths, reverse):
        del lengths
        zeros = jnp.zeros((xs.shape[1], case.hidden), xs.dtype)
        state = (zeros, zeros) if lstm else zeros

        def one(state, x):
            state = jax.vmap(cell)(x, state)
            return state, state[0] if lstm else state

        return jax.lax.scan(one, state, xs, reverse=reverse)[1]

    if lstm:
        yield Peer("LSTMCell", run, step, _lstm, _from_lstm, lengths=False)
    elif case.cell == "GRU":
        yield Peer("GRUCell", run, step, _gru, _from_gru, lengths=False)


def _lstm(params: LSTMParams):
    cell = _empty(eqx.nn.LSTMCell, params, gates=4)
    new = (params.w_x.T, params.w_h.T, params.b)
    return eqx.tree_at(attrgetter("weight_ih", "weight_hh", "bias"), cell, new)


def _from_lstm(cell) -> LSTMParams:
    return LSTMParams(cell.weight_ih.T, cell.weight_hh.T, cell.bias)


def _gru(params: GRUParams):
    cell = _empty(eqx.nn.GRUCell, params, gates=3)
    new = (params.w_x.T, params.w_h.T, params.b, params.b_hn)
    where = attrgetter("weight_ih", "weight_hh", "bias", "bias_n")
    return eqx.tree_at(where, cell, new)


def _from_gru(cell) -> GRUParams:
    return GRUParams(cell.weight_ih.T, cell.weight_hh.T, cell.bias, cell.bias_n)


def _empty(cell, params, gates: int):
    inputs, columns = params.w_x.shape
    return cell(inputs, columns // gates, key=jax.random.key(0))
