"""The sequential method: the loop that fits the cell, in segments where memory asks for it."""

from functools import partial
from typing import Any

import jax

from .._core import Cell
from ._choice import route
from ._controls import Controls
from ._loop import Loop, in_chunks
from ._methods import Sequential


def sequential(
    cell: Cell,
    loop: Loop,
    method: Sequential,
    params: Any,
    xs: Any,
    carry: Any,
    fresh: Any,
    controls: Controls,
) -> tuple[Any, Any, Any]:
    """Runs one recurrence; returns the final carry, the outputs, and the recorded carries."""
    steps = jax.tree.leaves(xs)[0].shape[0]
    run = partial(route(cell, carry, steps, method).loop, cell, loop)
    segment = method.segment(steps)
    if segment == steps:
        return run(params, xs, carry, fresh, controls)

    # The gradient keeps the carry before each segment, and runs it again.
    @partial(jax.checkpoint, prevent_cse=False)
    def body(carry, inputs):
        xs, controls = inputs
        carry, ys, carries = run(params, xs, carry, fresh, controls)
        return carry, (ys, carries)

    carry, (ys, carries) = in_chunks(body, carry, (xs, controls), loop, segment)
    return carry, ys, carries
