"""Loops over time: their direction, their chunks, and how they read and write rows."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .._core import Cell
from .._sharding import match_varying_axes
from .._static import Static


class Time(Static):
    """How a loop runs over time.

    Examples:
        >>> Time(5, reverse=True).first, Time(5, reverse=True).after(4)
        (4, 3)
    """

    steps: Any  # not known before it runs in an artifact for any number of steps
    reverse: bool = False
    unroll: int = 1  # steps in one turn of the compiled loop
    precision: str | None = None  # of products, as in `jax.default_matmul_precision`
    native: bool = False  # whether the loop is compiled from C++

    @property
    def first(self) -> Any:
        """The step to begin with."""
        return self.steps - 1 if self.reverse else 0

    def after(self, t: Any) -> Any:
        """The step that follows `t`."""
        return t - 1 if self.reverse else t + 1

    def reversed(self) -> "Time":
        """Time in the other direction."""
        return replace(self, reverse=not self.reverse)

    def scan(self, body: Callable, carry: Any, xs: Any) -> tuple[Any, Any]:
        """`lax.scan` in this direction."""
        length = None if jax.tree.leaves(xs) else self.steps
        return lax.scan(body, carry, xs, length, reverse=self.reverse, unroll=self.unroll)


def precisely(precision: str | None) -> AbstractContextManager:
    """The context in which products have a precision; `None` leaves it."""
    return jax.default_matmul_precision(precision) if precision else nullcontext()


def at_its_precision(rule: Callable) -> Callable:
    """Traces a rule at the loop's precision: JAX calls it when no context is left."""

    @wraps(rule)
    def wrapped(cell, time, *args):
        with precisely(time.precision):
            return rule(cell, time, *args)

    return wrapped


def scan_ahead(body: Callable, carry: Any, rows: Any, xs: Any, time: Time) -> tuple[Any, Any, Any]:
    """`time.scan(body, carry, (rows, xs))`, in which a row is read one step before its use.

    `body(carry, (row, x))` returns `(carry, (new, y))`; returned are the last carry, the rows
    and the stacked `y`. Unless `new` is `None`, it is written over the row.

    XLA:CPU fuses the read of a row with what uses it, and does not vectorise `exp` or `tanh`
    over elements whose address it works out anew for each of them: such gates take six times
    as long. A part of the loop's state is not fused with its use. And as the next row is
    read from the rows already written, they need not be copied. All reads are slices in the
    body, because `vmap` of what a scan slices would move its axes about.
    """

    def ahead(state, _):
        t, carry, rows, row = state
        carry, (new, y) = body(carry, (row, read_row(xs, t)))
        rows = rows if new is None else write_row(rows, t, new)
        # After the barrier XLA reads the next row last, and keeps no copy of it.
        t, carry = lax.optimization_barrier((time.after(t), carry))
        return (t, carry, rows, read_row(rows, jnp.clip(t, 0, time.steps - 1))), y

    start = (jnp.asarray(time.first), carry, rows, read_row(rows, time.first))
    state = match_varying_axes(start, (carry, rows))
    state, ys = lax.scan(ahead, state, None, time.steps, reverse=time.reverse, unroll=time.unroll)
    return state[1], state[2], ys


def in_chunks(body: Callable, carry: Any, xs: Any, time: Time, size: int) -> tuple[Any, Any]:
    """A scan over chunks of `size` steps of `xs`, the last of which may be shorter.

    `body(carry, xs, time)` is given the chunk's part of `xs`, and returns as many outputs.
    """
    if size >= time.steps:
        return body(carry, xs, time)
    chunks, rest = divmod(time.steps, size)
    whole = chunks * size
    each, last = replace(time, steps=size), replace(time, steps=rest)

    def of_chunks(carry):
        split = jax.tree.map(lambda a: a[:whole].reshape(chunks, size, *a.shape[1:]), xs)
        carry, ys = lax.scan(
            lambda carry, xs: body(carry, xs, each), carry, split, chunks, reverse=time.reverse
        )
        return carry, jax.tree.map(lambda a: a.reshape(whole, *a.shape[2:]), ys)

    def of_rest(carry):
        return body(carry, jax.tree.map(lambda a: a[whole:], xs), last)

    if not rest:
        return of_chunks(carry)
    first, second = (of_rest, of_chunks) if time.reverse else (of_chunks, of_rest)
    carry, one = first(carry)
    carry, two = second(carry)
    pair = (two, one) if time.reverse else (one, two)
    return carry, jax.tree.map(lambda *pair: lax.concatenate(pair, 0), *pair)


def even_chunk(steps: int, most: int) -> int:
    """A number of steps, at most about `most`, into which `steps` divide evenly if they can.

    An uneven chunk at the end costs a copy of the inputs and a second compiled body.

    Examples:
        >>> even_chunk(1000, 32), even_chunk(997, 32), even_chunk(10, 32)
        (25, 32, 10)
    """
    most = min(max(most, 1), steps)
    even = next(size for size in range(most, 0, -1) if not steps % size)
    return even if 2 * even >= most else most


def read_row(rows: Any, t: Any) -> Any:
    """Entry `t` of the leading axis."""
    return jax.tree.map(lambda a: lax.dynamic_index_in_dim(a, t, keepdims=False), rows)


def write_row(rows: Any, t: Any, row: Any) -> Any:
    """The rows with `row` as entry `t` of the leading axis."""
    return jax.tree.map(lambda a, r: lax.dynamic_update_index_in_dim(a, r, t, 0), rows, row)


def batch_of(cell: Cell, xs: Any) -> tuple[int, ...]:
    """The batch axes of inputs `[T, *batch, …]`."""
    a = jax.tree.leaves(xs)[0]
    return a.shape[1 : a.ndim - cell.num_feature_axes]
