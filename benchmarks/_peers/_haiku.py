"""Haiku: `hk.dynamic_unroll` of the three cells. They know no lengths.

`hk.GRU` is the one that resets first, and `hk.VanillaRNN` the one with `relu`.
"""

from collections.abc import Iterator

import haiku as hk  # pyright: ignore[reportMissingImports]
import jax.numpy as jnp
from _case import Case

from rnnjax.cells import ElmanParams, LSTMParams, ResetBeforeGRUParams

from . import Peer


def peers(case: Case) -> Iterator[Peer]:
    """The cell, step by step and eight steps in one turn of the loop."""
    cells = {
        "LSTM": (hk.LSTM, _lstm, _from_lstm),
        "GRU, reset first": (hk.GRU, _gru, _from_gru),
        "Elman, relu": (hk.VanillaRNN, _elman, _from_elman),
    }
    if case.cell in cells:
        cell, to_theirs, to_ours = cells[case.cell]
        for unroll in (1, 8):
            yield _peer(case, cell, to_theirs, to_ours, unroll)


def _peer(case: Case, cell, to_theirs, to_ours, unroll: int) -> Peer:
    def run(theirs, xs, lengths, reverse):
        del lengths

        def unrolled(xs):
            core = cell(case.hidden)
            start = core.initial_state(xs.shape[1])
            return hk.dynamic_unroll(core, xs, start, reverse=reverse, unroll=unroll)[0]

        return hk.without_apply_rng(hk.transform(unrolled)).apply(theirs, xs)

    def step(theirs, carry, x):
        lstm = case.cell == "LSTM"
        state = hk.LSTMState(carry.h, carry.c) if lstm else carry
        one = hk.without_apply_rng(hk.transform(lambda x, state: cell(case.hidden)(x, state)))
        _, state = one.apply(theirs, x, state)
        return carry._replace(h=state.hidden, c=state.cell) if lstm else state

    return Peer(f"{cell.__name__}, unroll={unroll}", run, step, to_theirs, to_ours, lengths=False)


def _lstm(params: LSTMParams) -> dict:
    assert params.b is not None
    w = jnp.concatenate([params.w_x, params.w_h])
    i, f, g, o = jnp.split(params.b, 4)
    # A forget bias of one is added when the cell runs.
    return {"lstm/linear": {"w": _swap(w), "b": jnp.concatenate([i, g, f - 1, o])}}


def _from_lstm(grads: dict) -> LSTMParams:
    w, b = (_swap(grads["lstm/linear"][name]) for name in "wb")
    w_x, w_h = jnp.split(w, [len(w) - w.shape[-1] // 4])
    return LSTMParams(w_x, w_h, b)


def _swap(a):
    """Between blocks i, f, g, o and i, g, f, o."""
    i, second, third, o = jnp.split(a, 4, axis=-1)
    return jnp.concatenate([i, third, second, o], axis=-1)


def _gru(params: ResetBeforeGRUParams) -> dict:
    w_h = jnp.concatenate([params.w_h, params.w_hn], axis=-1)
    return {"gru": {"w_i": _turn(params.w_x), "w_h": _turn(w_h), "b": _turn(params.b)}}


def _from_gru(grads: dict) -> ResetBeforeGRUParams:
    w_x, w_h, b = (_turn_back(grads["gru"][name]) for name in ("w_i", "w_h", "b"))
    w_h, w_hn = jnp.split(w_h, [2 * len(w_h)], axis=-1)
    return ResetBeforeGRUParams(w_x, w_h, w_hn, b)


def _turn(a):
    """From blocks r, z, n to z, r, n, where z is the share of the new: sigmoid(-x)."""
    r, z, n = jnp.split(a, 3, axis=-1)
    return jnp.concatenate([-z, r, n], axis=-1)


def _turn_back(a):
    z, r, n = jnp.split(a, 3, axis=-1)
    return jnp.concatenate([r, -z, n], axis=-1)


def _elman(params: ElmanParams) -> dict:
    assert params.b is not None
    # It has two biases, which are added.
    return {
        "vanilla_rnn/linear": {"w": params.w_x, "b": params.b / 2},
        "vanilla_rnn/linear_1": {"w": params.w_h, "b": params.b / 2},
    }


def _from_elman(grads: dict) -> ElmanParams:
    of_x, of_h = grads["vanilla_rnn/linear"], grads["vanilla_rnn/linear_1"]
    return ElmanParams(of_x["w"], of_h["w"], of_x["b"])
