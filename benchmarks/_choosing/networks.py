"""The cells, and the network around each: two blocks of equally many parameters."""

from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import Cell, cells
from rnnjax.layers import RNN, Dense, Embedding, Layer, Pointwise, Pool, Sequential, Skip

from .problem import Problem

WIDTH = 24  # features between blocks
BLOCK = 4000  # parameters of a block, about
LARGEST = 400  # units

# From a number of units; all other options are a cell's defaults.
CELLS: dict[str, Callable[[int], Cell]] = {
    "Elman": cells.Elman,
    "Jordan": lambda units: cells.Jordan(units, units),
    "IndRNN": cells.IndRNN,
    "LSTM": cells.LSTM,
    "ProjectedLSTM": lambda units: cells.ProjectedLSTM(units, (units + 1) // 2),
    "GRU": cells.GRU,
    "ResetBeforeGRU": cells.ResetBeforeGRU,
    "RHN": cells.RHN,
    "MinGRU": cells.MinGRU,
    "LRU": lambda units: cells.LRU(units, WIDTH),
    "EchoState": lambda units: cells.EchoState(units, WIDTH),
}
GATED = ("LSTM", "ProjectedLSTM", "GRU", "ResetBeforeGRU", "RHN", "MinGRU")


class Relu(Pointwise[tuple[()]]):
    """The rectifier, elementwise."""

    def init(self, key, input_size, *, dtype: Any = jnp.float32):
        return ()

    def transform(self, params, xs):
        return jax.nn.relu(xs)


def block(cell: str, number: int) -> Layer:
    """A recurrent layer of so many units and one that mixes its outputs, added to the inputs."""
    return Skip(Sequential((RNN(CELLS[cell](number)), Dense(WIDTH), Relu())))


@cache
def units(cell: str) -> int:
    """The number of units that brings a block nearest to its number of parameters."""

    def parameters(number: int) -> int:
        layer = block(cell, number)
        shapes = jax.eval_shape(lambda key: layer.init(key, WIDTH), jax.random.key(0))
        return sum(a.size for a in jax.tree.leaves(shapes))

    above = bisect_left(range(LARGEST), BLOCK, lo=2, key=parameters)
    return min(above - 1, above, key=lambda number: abs(parameters(number) - BLOCK))


def network(cell: str, problem: Problem) -> Layer:
    """The network of a cell: inputs or tokens to `WIDTH` features, two blocks, and a readout."""
    if problem.vocabulary is None:
        encoder = (Dense(WIDTH), Relu())
    else:
        encoder = (Embedding(problem.vocabulary, WIDTH),)
    blocks = (block(cell, units(cell)),) * 2
    pool = () if problem.every_step else (Pool("last"),)
    return Sequential((*encoder, *blocks, *pool, Dense(problem.outputs)))
