"""The sequential method: the loop that fits the cell, in segments where memory asks for it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from .._core import Cell, StagedCell
from ._controls import Controls
from ._loop import Loop, in_chunks, plain_loop
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
    steps = jax.tree.leaves(xs)[0].shape[0]
    staged = isinstance(cell, StagedCell) and floats and steps and not method.forward_mode
    loop = Loop(reverse, method.unroll, record)
    run = partial(staged_loop if staged else plain_loop, cell, loop)
    segment = method.segment(steps)
    if segment == steps:
        return run(params, xs, carry, fresh, controls)
    return _in_segments(run, segment, loop, params, xs, carry, fresh, controls)


def _in_segments(run, segment, loop, params, xs, carry, fresh, controls):
    """Runs segment by segment; the gradient keeps the carry before each and runs it again."""

    @partial(jax.checkpoint, prevent_cse=False)
    def body(carry, inputs):
        xs, controls = inputs
        carry, ys, carries = run(params, xs, carry, fresh, controls)
        return carry, (ys, carries)

    carry, (ys, carries) = in_chunks(body, carry, (xs, controls), loop, segment)
    return carry, ys, carries
