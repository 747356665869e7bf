"""Random arguments for `scan`, and what to look at in its results."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import Leaky, random_like

from rnnjax import LSTM, ResetBeforeGRU, Residual, Stack
from rnnjax.cells import MinGRU
from rnnjax.engine import initial_carry

T, B, F, H = 5, 3, 2, 3

STAGED, PLAIN, LINEAR = LSTM(H), Leaky(H), MinGRU(H)
RESET_BEFORE = ResetBeforeGRU(H)
DEEP = Stack((RESET_BEFORE, Residual(MinGRU(H)), PLAIN))

each_kind = pytest.mark.parametrize(
    "cell", [STAGED, PLAIN, LINEAR, DEEP], ids=["staged", "plain", "linear", "deep"]
)
each_direction = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])


def draw(cell, *batch, steps=T, context=None):
    """Random parameters, inputs and initial carry."""
    shapes = jax.eval_shape(lambda: cell.init(jax.random.key(0), F, dtype=jnp.float64))
    params = random_like(1, shapes)
    xs = random_like(2, jax.ShapeDtypeStruct((steps, *batch, F), jnp.float64))

    def start():
        weights = cell.prepare(params, context=context, batch_shape=batch)
        return initial_carry(cell, weights, batch)

    carry = jax.eval_shape(start)
    return params, xs, random_like(3, carry)


def draw_signals(*batch, seed=0):
    """Random lengths (one of them 0, one T), a mask with gaps, and resets."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, T + 1, batch)
    lengths.flat[0], lengths.flat[-1] = 0, T
    mask, resets = rng.random((T, *batch)) < 0.7, rng.random((T, *batch)) < 0.3
    return {"lengths": lengths, "mask": mask, "resets": resets}


def pulled(run):
    """The function of what `run` returns and the gradients of a random weighting of all of it."""

    @jax.jit
    def values_and_gradients(*args):
        out, vjp = jax.vjp(run, *args)
        return out, vjp(random_like(4, out))

    return values_and_gradients


def pull(run, *args):
    """What `run` returns, and the gradients of a random weighting of all of it."""
    return pulled(run)(*args)


def total(tree):
    """A number that depends on every entry of `tree`, and not linearly."""
    return sum(jnp.sum(jnp.sin(a)) for a in jax.tree.leaves(tree))
