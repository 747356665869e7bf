"""The path of a cell through its carries, and how to look at every step of it at once."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree

from .._core import Cell
from ..engine import scan
from ..engine._controls import valid_steps, where, zeros_like


def trajectory(
    cell: Cell, params: PyTree, xs: PyTree, carry: PyTree, lengths: Any
) -> tuple[PyTree, PyTree, Bool[Array, "time *batch"]]:
    """The carry that enters each step, the inputs without garbage, and which steps are valid."""
    xs = jax.tree.map(jnp.asarray, xs)
    _, (_, after) = scan(cell, params, xs, carry, lengths=lengths, return_carries=True)
    steps, *batch = jax.tree.leaves(xs)[0].shape[:-1]
    carry = cell.init_carry(params, tuple(batch)) if carry is None else carry
    before = jax.tree.map(
        lambda first, rest: jnp.concatenate([jnp.asarray(first)[None], rest])[:steps], carry, after
    )
    valid = valid_steps(steps, None if lengths is None else jnp.asarray(lengths))
    valid = jnp.ones((steps, *batch), bool) if valid is None else valid
    return before, where(valid, xs, zeros_like(xs)), valid


def over(axes: int, function: Callable) -> Callable:
    """`function` mapped over so many leading axes."""
    for _ in range(axes):
        function = jax.vmap(function)
    return function


def as_vector(carry: PyTree) -> tuple[Float[Array, "d"], Callable[[Float[Array, "d"]], PyTree]]:
    """The real numbers in a carry as one vector, and the way back.

    What is not a real number, such as a count of steps, stays as it is on the way back.
    """
    leaves, tree = jax.tree.flatten(carry)
    real = [jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves]
    vector, unravel = ravel_pytree([a for a, r in zip(leaves, real, strict=True) if r])

    def back(vector):
        numbers = iter(unravel(vector))
        return tree.unflatten(
            [next(numbers) if r else a for a, r in zip(leaves, real, strict=True)]
        )

    return vector, back


def map_of_carries(cell: Cell, params: PyTree, carry: PyTree, x: PyTree) -> tuple[Callable, Array]:
    """A step as a function from the old carry to the new one, both vectors; and the old one."""
    vector, back = as_vector(carry)
    return lambda v: as_vector(cell.step(params, back(v), x)[0])[0], vector
