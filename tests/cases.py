"""The table of cells: every row goes through all laws. A new cell needs one row here."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from rnnjax import (
    GRU,
    LSTM,
    Cell,
    Elman,
    Jordan,
    ProjectedLSTM,
    Residual,
    Stack,
    StagedCell,
    frozen,
)


class Case(NamedTuple):
    id: str
    cell: Cell
    input_size: Any


class LeakyParams(NamedTuple):
    w: Array
    leak: Array


@frozen
class Leaky(Cell):
    """A user's cell: `h' = sigmoid(leak) h + x w, y = tanh(h')`."""

    size: int
    output_size = property(lambda self: self.size)

    def init(self, key, input_size, *, dtype=jnp.float32):
        w = jax.random.normal(key, (input_size, self.size), dtype)
        return LeakyParams(w, jnp.zeros(self.size, dtype))

    def init_carry(self, params, batch_shape=()):
        return _zeros(params.w, *batch_shape, self.size)

    def step(self, params, carry, x):
        carry = jax.nn.sigmoid(params.leak) * carry + x @ params.w
        return carry, jnp.tanh(carry)


class Pulse(NamedTuple):
    level: Array
    trace: Array


class ClocksCarry(NamedTuple):
    slow: Array
    fast: Pulse


@frozen
class Clocks(Cell):
    """A user's cell in which input, parameters, carry and output are all trees.

    level' = tanh(u w_u + slow w_s),  trace' = trace / 2 + level' v w_v
    slow'  = cos(slow) + trace',      y = {"sum": level' + slow', "product": trace' slow}
    """

    size: int
    output_size = property(lambda self: {"sum": self.size, "product": self.size})

    def init(self, key, input_size, *, dtype=jnp.float32):
        sizes = {"u": input_size["u"], "v": input_size["v"], "s": self.size}
        keys = dict(zip(sizes, jax.random.split(key, 3), strict=True))
        return {k: jax.random.normal(keys[k], (sizes[k], self.size), dtype) for k in sizes}

    def init_carry(self, params, batch_shape=()):
        zeros = _zeros(params["s"], *batch_shape, self.size)
        return ClocksCarry(slow=zeros, fast=Pulse(level=zeros, trace=zeros + 1))

    def step(self, params, carry, x):
        level = jnp.tanh(x["u"] @ params["u"] + carry.slow @ params["s"])
        trace = carry.fast.trace / 2 + level * (x["v"] @ params["v"])
        slow = jnp.cos(carry.slow) + trace
        y = {"sum": level + slow, "product": trace * carry.slow}
        return ClocksCarry(slow, Pulse(level, trace)), y


class GatedParams(NamedTuple):
    w_x: Array
    w_h: Array
    leak: Array
    gain: Array
    start: Array


class GatedCarry(NamedTuple):
    h: Array
    c: Array


@frozen
class Gated(StagedCell):
    """A user's staged cell: `recur` is not linear in `z`, and `gate` has parameters.

    z = x w_x,  s = tanh(z) (h w_h) + z
    c' = sigmoid(leak) c + tanh(s),  h' = gain sin(c'),  y = h' + s

    It starts from c = `start`, a parameter.
    """

    size: int
    output_size = property(lambda self: self.size)

    def init(self, key, input_size, *, dtype=jnp.float32):
        key_x, key_h = jax.random.split(key)
        return GatedParams(
            w_x=jax.random.normal(key_x, (input_size, self.size), dtype),
            w_h=jax.random.normal(key_h, (self.size, self.size), dtype),
            leak=jnp.zeros(self.size, dtype),
            gain=jnp.ones(self.size, dtype),
            start=jnp.zeros(self.size, dtype),
        )

    def init_carry(self, params, batch_shape=()):
        zeros = _zeros(params.w_h, *batch_shape, self.size)
        return GatedCarry(h=zeros, c=zeros + params.start)

    def project(self, params, xs):
        return xs @ params.w_x

    def recur(self, params, carry, z):
        return jnp.tanh(z) * (carry.h @ params.w_h) + z

    def gate(self, params, carry, s):
        c = jax.nn.sigmoid(params.leak) * carry.c + jnp.tanh(s)
        h = params.gain * jnp.sin(c)
        return GatedCarry(h, c), h + s


def _zeros(like, *shape):
    return jnp.zeros(shape, jnp.promote_types(like.dtype, jnp.float32))


CASES = [
    Case("Elman", Elman(4), 3),
    Case("Elman-relu", Elman(4, activation="relu"), 3),
    Case("Jordan", Jordan(4, 2, output_activation="sigmoid"), 3),
    Case("LSTM", LSTM(4), 3),
    Case("ProjectedLSTM", ProjectedLSTM(4, 2), 3),
    Case("GRU", GRU(4), 3),
    Case("GRU-reset-before", GRU(4, reset_after=False), 3),
    Case("Stack", Stack((LSTM(3), GRU(4, reset_after=False), Elman(2))), 3),
    Case("Stack-Residual", Stack((Elman(4), Residual(LSTM(4)))), 3),
    Case("Residual", Residual(GRU(4)), 4),
    Case("Leaky", Leaky(4), 3),
    Case("Clocks", Clocks(4), {"u": 3, "v": 2}),
    Case("Gated", Gated(4), 3),
]

TOLERANCE = {"bfloat16": 5e-2, "float32": 1e-5, "float64": 1e-11}

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def random_like(seed: int, tree: Any, dtype: Any = None) -> Any:
    """A tree of different random numbers in the place of every array (or shape) of `tree`."""
    draw = np.random.default_rng(seed).standard_normal
    return jax.tree.map(lambda a: jnp.asarray(draw(a.shape), dtype or a.dtype), tree)


def random_params(case: Case, *, seed: int = 0) -> Any:
    """Parameters in float64, without a zero."""
    shapes = jax.eval_shape(lambda: case.cell.init(jax.random.key(0), case.input_size))
    return jax.tree.map(lambda a: a / 2, random_like(seed, shapes, jnp.float64))


def random_inputs(case: Case, *lead: int) -> Any:
    """Inputs `[*lead, features]` in float64."""
    draw = np.random.default_rng(1).standard_normal
    return jax.tree.map(lambda size: jnp.asarray(draw((*lead, size))), case.input_size)


def random_carry(case: Case, params: Any, *batch: int, seed: int = 2) -> Any:
    return random_like(seed, case.cell.init_carry(params, batch))


def at(tree: Any, index: Any) -> Any:
    """`a[index]` of every array."""
    return jax.tree.map(lambda a: a[index], tree)


def stacked(trees: Sequence, axis: int = 0) -> Any:
    """One tree of many: their arrays along a new axis."""
    return jax.tree.map(lambda *arrays: jnp.stack(arrays, axis), *trees)


def assert_close(actual: Any, expected: Any, dtype: Any = jnp.float64) -> None:
    """Equal structure and shapes, and values within the tolerance of `dtype`."""
    chex.assert_trees_all_equal_shapes(actual, expected)
    wide = jax.tree.map(lambda a: np.asarray(a, np.float64), (actual, expected))
    tolerance = TOLERANCE[jnp.dtype(dtype).name]
    chex.assert_trees_all_close(*wide, rtol=tolerance, atol=tolerance)
