"""What the tests of the native loop share: where it runs, a user's cell, and comparisons."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from cases import assert_close, random_like

from rnnjax import Cell, explain, scan
from rnnjax.engine import Loop, NativeLoop, initial_carry
from rnnjax.engine.native._compiler import obstacle

# Without a compiler every loop is XLA's, and the tests must pass; CI has a compiler.
needs_compiler = pytest.mark.skipif(
    obstacle() is not None, reason=f"no loop is compiled here: {obstacle()}"
)


class Own(Cell):
    """A user's staged cell, to be derived from: h' = tanh(x w_x + h w_h + b)."""

    size: int = 5
    output_size = property(lambda self: self.size)

    def shapes(self, inputs):
        return {"w_x": (inputs, self.size), "w_h": (self.size, self.size), "b": (self.size,)}

    def init(self, key, input_size, *, dtype=jnp.float32):
        shapes = self.shapes(input_size)
        keys = dict(zip(shapes, jax.random.split(key, len(shapes)), strict=True))
        return {name: jax.random.normal(keys[name], shapes[name], dtype) for name in shapes}

    def init_carry(self, weights, batch_shape=()):
        return jnp.zeros((*batch_shape, self.size))

    def project(self, weights, xs):
        return xs @ weights["w_x"]

    def recur(self, weights, carry, z):
        return z + carry @ weights["w_h"]

    def update(self, weights, carry, s):
        return jnp.tanh(s + weights["b"])

    def readout(self, weights, carry, x):
        return carry


def draw(cell, *batch, steps=4, inputs=3, dtype=jnp.float64):
    """Random parameters, inputs and carry."""
    shapes = jax.eval_shape(lambda: cell.init(jax.random.key(0), inputs, dtype=dtype))
    params = jax.tree.map(lambda a: a / 2, random_like(1, shapes, dtype))
    xs = random_like(2, jax.ShapeDtypeStruct((steps, *batch, inputs), dtype))
    weights = jax.eval_shape(lambda: cell.prepare(params, batch_shape=batch))
    carry = jax.eval_shape(lambda: initial_carry(cell, weights, batch))
    return params, xs, random_like(3, carry, dtype)


def total(tree):
    """A number that depends on every entry of `tree`, and not linearly."""
    return sum(jnp.sum(jnp.sin(a)) for a in jax.tree.leaves(tree))


def pulled(cell, method, **signals):
    """The function of the results of a scan, and the gradients of a weighting of all of them."""

    @jax.jit
    def run(params, xs, carry):
        scanned = partial(scan, cell, method=method, **signals)
        out, pull = jax.vjp(scanned, params, xs, carry)
        return out, pull(random_like(4, out))

    return run


def why_not(cell, *args, method=None, **signals) -> list[Any]:
    """For each recurrence of a cell the obstacle to the native loop, or `None`."""
    method = NativeLoop() if method is None else method
    chosen = explain(cell, *args, method=method, **signals).recurrences
    return [dict(choice.ruled_out).get("NativeLoop") for choice in chosen]


def assert_native(cell, *args, **signals):
    """There is no obstacle, also none that shows only when the loop is compiled."""
    assert set(why_not(cell, *args, **signals)) == {None}


def compare(cell, args, method=None, **signals):
    """A native loop and the loop of XLA give the same values and gradients; returns them."""
    method = method or NativeLoop()
    found = pulled(cell, method, **signals)(*args)
    assert_native(cell, *args, method=method, **signals)
    checkpoint = method.checkpoint
    expected = pulled(cell, Loop(checkpoint=checkpoint), **signals)(*args)
    assert_close(found, expected, args[1].dtype)
    return found
