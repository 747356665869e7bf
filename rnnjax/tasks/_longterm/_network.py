"""The networks of `longterm`, and their answers at every step."""

from functools import partial
from typing import Any

import jax
import numpy as np

from ... import cells
from ...data import Batch
from ...initializers import chrono
from ...layers import GLU, RNN, Dense, Dropout, Embedding, Layer, LayerNorm, Pool, Sequential, Skip
from ._problem import Problem

LINEAR = ("LRU", "MinGRU")


def network(
    problem: Problem, cell: str, hidden: int, layers: int, dropout: float, radius: float
) -> Sequential:
    """A network that answers at the end, or at every step.

    A linear cell has no nonlinearity in time, so a gate stands in front of it and behind it.

    Args:
        problem: what to learn.
        cell: name of the class of the cell.
        hidden: units of a layer.
        layers: number of recurrent layers.
        dropout: rate after every recurrent layer.
        radius: smallest initial modulus of an LRU.
    """
    noise = (Dropout(dropout),) if dropout else ()
    if cell in LINEAR:
        lru = cells.LRU(hidden, hidden, min_radius=radius, max_radius=0.9999)
        one = lru if cell == "LRU" else cells.MinGRU(hidden)
        block = (Skip(Sequential((LayerNorm(), RNN(one), GLU(hidden), *noise))),)
    else:
        block = (RNN(getattr(cells, cell)(hidden)), *noise)
    first: tuple[Layer, ...] = (GLU(hidden),) if cell in LINEAR else ()
    if problem.input_size is None:
        first = (Embedding(problem.outputs, hidden),)
    pool = () if problem.at_every_step else (Pool("last"),)
    return Sequential((*first, *block * layers, *pool, Dense(problem.outputs)))


def initial(model: Sequential, key: jax.Array, problem: Problem, use_chrono: bool) -> Any:
    """The parameters to start from; with chrono initialization LSTMs remember for all steps."""
    params = list(model.init(key, problem.input_size))
    for k, layer in enumerate(model.layers):
        if use_chrono and isinstance(layer, RNN) and isinstance(layer.cell, cells.LSTM):
            b = params[k].b
            drawn = chrono(problem.steps)(jax.random.fold_in(key, k), b.shape, b.dtype)
            params[k] = params[k]._replace(b=drawn)
    return tuple(params)


@partial(jax.jit, static_argnames="model")
def _answers(model: Sequential, params: Any, batch: Batch) -> jax.Array:
    return model.apply(params, batch.inputs, mask=batch.mask)[1]


def answers(model: Sequential, params: Any, batch: Batch) -> np.ndarray:
    """The outputs `[B, T, K]` if the network had to answer after every step."""
    kept = [k for k, layer in enumerate(model.layers) if not isinstance(layer, Pool)]
    steps = Sequential(tuple(model.layers[k] for k in kept))
    return np.asarray(_answers(steps, tuple(params[k] for k in kept), batch))
