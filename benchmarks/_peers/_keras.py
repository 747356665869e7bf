"""Keras 3 on JAX: its recurrent layers as pure functions, by `stateless_call`."""

import os
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

import jax.numpy as jnp
from _case import Case

from rnnjax.cells import ElmanParams, GRUParams, LSTMParams, ResetBeforeGRUParams

from . import Peer

os.environ.setdefault("KERAS_BACKEND", "jax")  # Keras reads it when it is imported.
keras: Any = import_module("keras")

if keras.backend.backend() != "jax":
    raise ImportError("keras runs on another backend than JAX")


def peers(case: Case) -> Iterator[Peer]:
    """The layer as it comes."""

    def run(theirs, xs, lengths, reverse):
        layer = _layer(case.cell, xs.shape[-1], case.hidden, reverse)
        valid = None if lengths is None else jnp.arange(len(xs)) < lengths[:, None]
        # The layer is batch-major; XLA drops the transposition, which it undoes.
        xs = jnp.swapaxes(xs, 0, 1)
        ys, _ = layer.stateless_call(theirs, _rest(layer), xs, mask=valid)
        ys = jnp.swapaxes(ys, 0, 1)
        return ys[::-1] if reverse else ys

    def step(theirs, carry, x):
        cell = _layer(case.cell, x.shape[-1], case.hidden, False).cell
        lstm = case.cell == "LSTM"
        states = [carry.h, carry.c] if lstm else [carry]
        (_, states), _ = cell.stateless_call(theirs, _rest(cell), x, states)
        return carry._replace(h=states[0], c=states[1]) if lstm else states[0]

    to_theirs, to_ours = {
        "LSTM": (list, lambda grads: LSTMParams(*grads)),
        "GRU": (_gru, _from_gru),
        "GRU, reset first": (_gru_reset_first, _from_gru_reset_first),
        "Elman": (list, lambda grads: ElmanParams(*grads)),
        "Elman, relu": (list, lambda grads: ElmanParams(*grads)),
    }[case.cell]
    yield Peer("the layer", run, step, to_theirs, to_ours)


@lru_cache
def _layer(cell: str, inputs: int, hidden: int, reverse: bool):
    options: Any = {"return_sequences": True, "go_backwards": reverse}
    layer = {
        "LSTM": lambda: keras.layers.LSTM(hidden, **options),
        "GRU": lambda: keras.layers.GRU(hidden, **options),
        "GRU, reset first": lambda: keras.layers.GRU(hidden, reset_after=False, **options),
        "Elman": lambda: keras.layers.SimpleRNN(hidden, **options),
        "Elman, relu": lambda: keras.layers.SimpleRNN(hidden, activation="relu", **options),
    }[cell]()
    layer.build((None, None, inputs))
    return layer


def _rest(layer) -> list:
    return [variable.value for variable in layer.non_trainable_variables]


def _gru(params: GRUParams) -> list:
    assert params.b_hn is not None
    w_x, w_h, b = (_turn(a) for a in params[:3])
    # It has two biases, of which those of the gates are added.
    gates, n = jnp.split(b, [2 * len(params.b_hn)])
    rows = [jnp.concatenate([gates / 2, last]) for last in (n, params.b_hn)]
    return [w_x, w_h, jnp.stack(rows)]


def _from_gru(grads: list) -> GRUParams:
    w_x, w_h, b = grads
    hidden = len(w_h)
    return GRUParams(_turn(w_x), _turn(w_h), _turn(b[0]), b_hn=b[1, 2 * hidden :])


def _gru_reset_first(params: ResetBeforeGRUParams) -> list:
    w_h = jnp.concatenate([params.w_h, params.w_hn], axis=-1)
    return [_turn(a) for a in (params.w_x, w_h, params.b)]


def _from_gru_reset_first(grads: list) -> ResetBeforeGRUParams:
    w_x, w_h, b = (_turn(a) for a in grads)
    w_h, w_hn = jnp.split(w_h, [2 * len(w_h)], axis=-1)
    return ResetBeforeGRUParams(w_x, w_h, w_hn, b)


def _turn(a):
    """Between blocks r, z, n and z, r, n."""
    first, second, n = jnp.split(a, 3, axis=-1)
    return jnp.concatenate([second, first, n], axis=-1)
