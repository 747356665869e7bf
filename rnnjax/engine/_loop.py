"""The plain loop, which serves every cell, and a loop that overwrites what it reads."""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax

from .._core import Cell, frozen
from ._controls import Controls, hold, restart

# Since 0.12 XLA:CPU keeps optimisation barriers until after fusion, so that it sees a row read
# before it is overwritten. Before that, it copies the whole buffer at every step to be safe.
_OVERWRITES_IN_PLACE = jax.__version_info__ >= (0, 12)


@frozen
class Loop:
    """How a loop over time runs.

    Args:
        reverse: whether from the last step to the first.
        unroll: steps in one turn of the compiled loop.
        record: whether to return the carry after every step.

    Example:
        >>> Loop().reverse
        False
    """

    reverse: bool = False
    unroll: int = 1
    record: bool = False


def plain_loop(
    cell: Cell, loop: Loop, params: Any, xs: Any, carry: Any, fresh: Any, controls: Controls
) -> tuple[Any, Any, Any]:
    """Scans `cell.step`; returns the final carry, the outputs, and the recorded carries."""

    def body(carry, inputs):
        x, now = inputs
        carry = restart(now, fresh, carry)
        new, y = hold(now, carry, *cell.step(params, carry, x))
        return new, (y, new if loop.record else None)

    carry, (ys, carries) = lax.scan(
        body, carry, (xs, controls), reverse=loop.reverse, unroll=loop.unroll
    )
    return carry, ys, carries


def overwriting_loop(
    body: Callable, carry: Any, rows: Any, xs: Any, *, reverse: bool, unroll: int
) -> tuple[Any, tuple[Any, Any]]:
    """`lax.scan(body, carry, (rows, xs))` that saves a buffer of the size of `rows`.

    `body(carry, (row, x))` returns `(carry, (row, y))`; the new rows are written over the old
    ones, which no longer live once they were read. A fresh buffer of this size costs more
    time than the arithmetic on it.
    """
    steps = jax.tree.leaves(rows)[0].shape[0]
    if not (_OVERWRITES_IN_PLACE and steps and _returns_like_rows(body, carry, rows, xs)):
        return lax.scan(body, carry, (rows, xs), reverse=reverse, unroll=unroll)

    def overwriting_body(state, x):
        t, carry, rows = state
        row = jax.tree.map(lambda a: lax.dynamic_index_in_dim(a, t, keepdims=False), rows)
        carry, (row, y) = body(carry, (row, x))
        rows = jax.tree.map(lambda a, r: lax.dynamic_update_index_in_dim(a, r, t, 0), rows, row)
        return (t - 1 if reverse else t + 1, carry, rows), y

    start = steps - 1 if reverse else 0
    (_, carry, rows), ys = lax.scan(
        overwriting_body, (start, carry, rows), xs, length=steps, reverse=reverse, unroll=unroll
    )
    return carry, (rows, ys)


def _returns_like_rows(body: Callable, carry: Any, rows: Any, xs: Any) -> bool:
    """Whether the rows that `body` returns fit where those that it reads stand."""
    row, x = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), (rows, xs))
    _, (new, _) = jax.eval_shape(body, carry, (row, x))
    return jax.tree.structure(new) == jax.tree.structure(row) and new == row
