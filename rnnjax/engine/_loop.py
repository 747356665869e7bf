"""The plain loop, which serves every cell, and the pieces of the fast one."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .._core import Cell, frozen
from ._controls import Controls, hold, restart


@frozen
class Loop:
    """How a loop over time runs.

    Args:
        reverse: whether from the last step to the first.
        unroll: steps in one turn of the compiled loop.
        record: whether to return the carry after every step.
        precision: of the products, as in `jax.default_matmul_precision`; `None` leaves it.

    Example:
        >>> Loop(reverse=True).first(steps=5), Loop(reverse=True).after(4)
        (4, 3)
    """

    reverse: bool = False
    unroll: int = 1
    record: bool = False
    precision: str | None = None

    def first(self, steps: int) -> int:
        """The step to begin with."""
        return steps - 1 if self.reverse else 0

    def after(self, t: Any) -> Any:
        """The step that follows `t`."""
        return t - 1 if self.reverse else t + 1

    def reversed(self) -> "Loop":
        """The loop in the other direction."""
        return dataclasses.replace(self, reverse=not self.reverse)

    def precisely(self) -> AbstractContextManager:
        """The context in which to trace what the loop computes."""
        if self.precision is None:
            return nullcontext()
        return jax.default_matmul_precision(self.precision)

    def scan(self, body: Callable, carry: Any, xs: Any) -> tuple[Any, Any]:
        """`lax.scan` in this direction."""
        return lax.scan(body, carry, xs, reverse=self.reverse, unroll=self.unroll)


def plain_loop(
    cell: Cell, loop: Loop, params: Any, xs: Any, carry: Any, fresh: Any, controls: Controls
) -> tuple[Any, Any, Any]:
    """Scans `cell.step`; returns the final carry, the outputs, and the recorded carries."""

    def body(carry, inputs):
        x, now = inputs
        carry = restart(now, fresh, carry)
        new, y = hold(now, carry, *cell.step(params, carry, x))
        return new, (y, new if loop.record else None)

    with loop.precisely():
        carry, (ys, carries) = loop.scan(body, carry, (xs, controls))
    return carry, ys, carries


def scan_ahead(body: Callable, carry: Any, rows: Any, xs: Any, loop: Loop) -> tuple[Any, Any, Any]:
    """`loop.scan(body, carry, (rows, xs))`, in which a row is read one step before its use.

    `body(carry, (row, x))` returns `(carry, (new, y))`; returned are the last carry, the rows
    and the stacked `y`. Unless `new` is `None`, it is written over the row.

    XLA:CPU fuses the read of a row with what uses it, and does not vectorise `exp` or `tanh`
    over elements whose address it works out anew for each of them: such gates take six times
    as long. What is part of the loop's state is not fused with its use. And as the next row is
    read from the rows already written, they need not be copied. All reads are slices in the
    body, because `vmap` of what a scan slices would move its axes about.
    """
    steps = jax.tree.leaves(rows)[0].shape[0]

    def ahead(state, _):
        t, carry, rows, row = state
        carry, (new, y) = body(carry, (row, read_row(xs, t)))
        rows = rows if new is None else write_row(rows, t, new)
        # The barrier tells XLA that the next row is read last, and need not be kept apart.
        t, carry = lax.optimization_barrier((loop.after(t), carry))
        return (t, carry, rows, read_row(rows, jnp.clip(t, 0, steps - 1))), y

    first = loop.first(steps)
    state = vary((jnp.asarray(first), carry, rows, read_row(rows, first)), (carry, rows))
    state, ys = lax.scan(ahead, state, None, steps, reverse=loop.reverse, unroll=loop.unroll)
    return state[1], state[2], ys


def in_chunks(body: Callable, carry: Any, xs: Any, loop: Loop, size: int) -> tuple[Any, Any]:
    """`loop.scan` over chunks of `size` steps of `xs`, the last of which may be shorter.

    `body` is given the chunk's part of `xs`, and returns as many entries of outputs.
    """
    steps = jax.tree.leaves(xs)[0].shape[0]
    chunks, rest = divmod(steps, size)
    whole = chunks * size
    if size >= steps:
        return body(carry, xs)

    def of_chunks(carry):
        split = jax.tree.map(lambda a: a[:whole].reshape(chunks, size, *a.shape[1:]), xs)
        carry, ys = lax.scan(body, carry, split, reverse=loop.reverse)
        return carry, jax.tree.map(lambda a: a.reshape(whole, *a.shape[2:]), ys)

    def of_rest(carry):
        return body(carry, jax.tree.map(lambda a: a[whole:], xs))

    if not rest:
        return of_chunks(carry)
    if loop.reverse:
        carry, last = of_rest(carry)
        carry, ys = of_chunks(carry)
    else:
        carry, ys = of_chunks(carry)
        carry, last = of_rest(carry)
    return carry, jax.tree.map(lambda a, b: lax.concatenate([a, b], 0), ys, last)


def even_chunk(steps: int, most: int) -> int:
    """A number of steps, at most about `most`, into which `steps` divide evenly if they can.

    An uneven chunk at the end costs a copy of the inputs and a second compiled body.

    Example:
        >>> even_chunk(1000, 32), even_chunk(997, 32), even_chunk(10, 32)
        (25, 32, 10)
    """
    most = min(max(most, 1), steps)
    even = next(size for size in range(most, 0, -1) if not steps % size)
    return even if 2 * even >= most else most


def vary(tree: Any, like: Any) -> Any:
    """A tree of which each leaf counts as varying between devices if any leaf of `like` does.

    Inside `jax.shard_map` that is part of an array's type. A loop must leave with the types that
    it entered with, and a gradient must have its primal's; elsewhere nothing varies.
    """

    def varying(a):
        return jax.typeof(a).manual_axis_type.varying

    axes = frozenset().union(*map(varying, jax.tree.leaves(like)))

    def cast(a):
        missing = tuple(axes - varying(a))
        return lax.pcast(jnp.asarray(a), missing, to="varying") if missing else a

    return jax.tree.map(cast, tree)


def read_row(rows: Any, t: Any) -> Any:
    """Entry `t` of the leading axis."""
    return jax.tree.map(lambda a: lax.dynamic_index_in_dim(a, t, keepdims=False), rows)


def write_row(rows: Any, t: Any, row: Any) -> Any:
    """The rows with `row` as entry `t` of the leading axis."""
    return jax.tree.map(lambda a, r: lax.dynamic_update_index_in_dim(a, r, t, 0), rows, row)
