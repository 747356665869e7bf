"""The path of a cell through its carries, and functions of every step at once."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree

from .._arguments import as_inputs, cast_params, fit_carry, steps_and_batch
from .._core import Cell
from .._masks import clean, stop_where_nothing_counts, valid_steps
from .._trees import inexact, replace_inexact
from ..cells import Record
from ..engine import scan


class Trajectory(NamedTuple):
    """The carries and inputs of every step.

    A step that is not valid has the carry and the input of the first valid step of its row.
    """

    weights: PyTree  # as `Cell.prepare` returns them
    start: PyTree  # the carry to start from, `[*batch, …]`
    carries: PyTree  # before each step, `[T, *batch, …]`
    xs: PyTree  # `[T, *batch, …]`
    valid: Bool[Array, "time *batch"]


def check_cell(cell: Any) -> None:
    """Raises a `ValueError` unless `cell` is one."""
    if not isinstance(cell, Cell):
        raise ValueError(
            f"expected a cell, such as LSTM(8), got {cell!r}; recurrent_part cuts a model at one"
        )


def trajectory(cell: Cell, params: PyTree, xs: PyTree, carry: PyTree, lengths: Any) -> Trajectory:
    """Run a cell, with the arguments of `scan`."""
    check_cell(cell)
    xs = as_inputs(xs)
    _, (_, after) = scan(Record(cell), params, xs, carry, lengths=lengths)
    steps, batch = steps_and_batch(cell, xs)
    weights = cell.prepare(cast_params(jax.tree.map(jnp.asarray, params)))
    carry = fit_carry(cell, weights, jax.tree.map(jnp.asarray, carry), batch)
    carries = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b])[:steps], carry, after)
    valid = valid_steps(steps, None if lengths is None else jnp.asarray(lengths))
    if valid is None or not steps:
        return Trajectory(weights, carry, carries, xs, jnp.ones((steps, *batch), bool))
    carries, xs = clean(valid, (carries, xs))
    return Trajectory(stop_where_nothing_counts(valid, weights), carry, carries, xs, valid)


def over(axes: int, function: Callable) -> Callable:
    """Map a function over a number of leading axes."""
    for _ in range(axes):
        function = jax.vmap(function)
    return function


def as_vector(carry: PyTree) -> tuple[Float[Array, "d"], Callable[[Float[Array, "d"]], PyTree]]:
    """The real numbers in a carry as one vector, and the way back.

    A complex number is two real ones. Leaves without a derivative, such as a count of steps or a
    random key, are left as they are on the way back.
    """
    arrays = inexact(carry)
    vector, unravel = ravel_pytree([(a.real, a.imag) if jnp.iscomplexobj(a) else a for a in arrays])

    def back(vector):
        parts = unravel(vector)
        return replace_inexact(carry, [lax.complex(*p) if type(p) is tuple else p for p in parts])

    return vector, back


def map_of_carries(cell: Cell, weights: PyTree, carry: PyTree, x: PyTree) -> tuple[Callable, Array]:
    """A step as a function from the old carry to the new one, both vectors; and the old one."""
    vector, back = as_vector(carry)
    return lambda v: as_vector(cell.step(weights, back(v), x)[0])[0], vector
