"""The sequential method: the loop that fits the cell, in segments where memory asks for it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .._core import Cell, StagedCell
from ._controls import Controls
from ._loop import Loop, plain_loop
from ._methods import Sequential
from ._staged import staged_loop


def sequential(
    cell: Cell,
    params: Any,
    xs: Any,
    carry: Any,
    fresh: Any,
    controls: Controls,
    *,
    method: Sequential,
    reverse: bool,
    record: bool,
) -> tuple[Any, Any, Any]:
    """Runs one recurrence; returns the final carry, the outputs, and the recorded carries."""
    # An integer in a carry has no gradient that a backward loop could hand on.
    floats = all(jnp.issubdtype(c.dtype, jnp.inexact) for c in jax.tree.leaves(carry))
    staged = isinstance(cell, StagedCell) and floats and not method.forward_mode
    loop = Loop(reverse, method.unroll, record)
    run = partial(staged_loop if staged else plain_loop, cell, loop)
    steps = jax.tree.leaves(xs)[0].shape[0]
    segment = method.segment(steps)
    if segment == steps:
        return run(params, xs, carry, fresh, controls)
    return _in_segments(run, segment, steps, reverse, params, xs, carry, fresh, controls)


def _in_segments(run, segment, steps, reverse, params, xs, carry, fresh, controls):
    """Runs segment by segment; the gradient keeps the carry before each and runs it again."""
    whole = steps - steps % segment

    @partial(jax.checkpoint, prevent_cse=False)
    def body(carry, inputs):
        carry, ys, carries = run(params, inputs[0], carry, fresh, inputs[1])
        return carry, (ys, carries)

    def split(a):
        return a[:whole].reshape(whole // segment, segment, *a.shape[1:])

    def join(a):
        return a.reshape(whole, *a.shape[2:])

    def segments(carry):
        inputs = jax.tree.map(split, (xs, controls))
        carry, outputs = lax.scan(body, carry, inputs, reverse=reverse)
        return carry, jax.tree.map(join, outputs)

    def rest(carry):
        return body(carry, jax.tree.map(lambda a: a[whole:], (xs, controls)))

    if whole == steps:
        carry, (ys, carries) = segments(carry)
        return carry, ys, carries
    if reverse:
        carry, last = rest(carry)
        carry, first = segments(carry)
    else:
        carry, first = segments(carry)
        carry, last = rest(carry)
    ys, carries = jax.tree.map(lambda a, b: lax.concatenate([a, b], 0), first, last)
    return carry, ys, carries
