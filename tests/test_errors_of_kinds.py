"""Numbers of the wrong kind are refused: lengths that wrap, weights of integers, raw parameters."""

# pyright: reportArgumentType=false, reportIncompatibleMethodOverride=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import LSTM
from rnnjax.cells import LRU

T, B, F = 5, 2, 3
KEY = jax.random.key(0)
CELL = LSTM(4)
PARAMS = CELL.init(KEY, F)
XS = np.ones((T, B, F), np.float32)


@pytest.mark.parametrize("lengths", [np.array([6, 2]), np.array([2**32 + 1, 2]), [-1, 2]])
def test_known_lengths_are_checked_under_jit(lengths):
    with pytest.raises(ValueError, match="expected lengths"):
        jax.jit(lambda xs: rnnjax.scan(CELL, PARAMS, xs, lengths=lengths))(XS)


@pytest.mark.parametrize("kind", ["int8", "int32", "uint8", "bool", "complex64"])
def test_parameters_of_another_kind_are_refused_but_not_those_that_init_makes(kind):
    with pytest.raises(ValueError, match=r"like float32\[.*, got " + kind):
        rnnjax.scan(CELL, jax.tree.map(lambda a: jnp.ones(a.shape, kind), PARAMS), XS)
    if kind != "complex64":
        with pytest.raises(ValueError, match="expected w to be a float array"):
            weights = jax.tree.map(lambda a: jnp.ones(a.shape, kind), PARAMS)
            CELL.step(weights, CELL.init_carry(PARAMS, (B,)), XS[0])

    class Wired(rnnjax.Cell):
        hidden_size: int

        def init(self, key, input_size, *, dtype=jnp.float32):
            return {"w_x": jnp.ones((input_size, self.hidden_size), dtype), "n": jnp.ones(2, kind)}

        def init_carry(self, weights, batch_shape=()):
            return jnp.zeros((*batch_shape, self.hidden_size))

        def update(self, weights, carry, x):
            return carry + x @ weights["w_x"]

    assert rnnjax.scan(Wired(2), Wired(2).init(KEY, F), XS)[1].shape == (T, B, 2)


def test_weights_that_were_not_prepared_are_refused():
    cell = LRU(4, F)
    params = cell.init(KEY, F)
    with pytest.raises(ValueError, match=r"in LRUWeights, got LRUParams; weights are cell.prepare"):
        cell.step(params, cell.init_carry(cell.prepare(params)), XS[0, 0])
