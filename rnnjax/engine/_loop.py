"""One step after the other, compiled by XLA: the method for every cell."""

from collections.abc import Callable
from dataclasses import KW_ONLY
from functools import partial
from math import isqrt
from typing import Any, Literal

import jax
import jax.numpy as jnp

from .._checks import check_positive
from .._core import Cell
from ._method import Method, Recurrence
from ._plain import linear_loop, plain_loop, read
from ._staged import staged_loop
from ._time import Time, even_chunk, in_chunks


class Stepwise(Method):
    """Base of the methods that take one step after the other, O(T) time; its field: see `Loop`.

    Examples:
        >>> Loop(checkpoint="sqrt").checkpoint
        'sqrt'
    """

    _: KW_ONLY
    checkpoint: int | Literal["sqrt"] | None = None

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.checkpoint, str) and self.checkpoint != "sqrt":
            raise ValueError(
                "expected checkpoint to be None, 'sqrt' or a number of steps, "
                f"got {self.checkpoint!r}"
            )
        if self.checkpoint not in (None, "sqrt"):
            object.__setattr__(self, "checkpoint", check_positive("checkpoint", self.checkpoint))

    def segments(self, loop: Callable, recurrence: Recurrence, time: Time) -> tuple[Any, Any]:
        """Runs `loop(time, weights, xs, noise, carry, start, masks)` over the segments."""
        weights, xs, noise, carry, start, masks = recurrence

        def segment(time, carry, inputs):
            xs, noise, masks = inputs
            return loop(time, weights, xs, noise, carry, start, masks)

        def recomputed(carry, inputs, time):
            # The gradient keeps only the carry before it.
            return jax.checkpoint(partial(segment, time), prevent_cse=False)(carry, inputs)

        # A number of steps that is only known at run time cannot be divided.
        size = self.segment(time.steps) if isinstance(time.steps, int) else time.steps
        if size is time.steps or size == time.steps:
            return segment(time, carry, (xs, noise, masks))
        return in_chunks(recomputed, carry, (xs, noise, masks), time, size)

    def segment(self, steps: int) -> int:
        """Number of steps between two carries that the gradient keeps; `steps` for no segments."""
        if self.checkpoint is None or not steps:
            return steps
        if self.checkpoint == "sqrt":
            # Twice the root: half as many weight gradients to add up, for hardly more memory.
            return even_chunk(steps, 2 * (isqrt(steps - 1) + 1))
        return min(self.checkpoint, steps)


class Loop(Stepwise):
    """One step after the other: a loop compiled by XLA.

    Args:
        unroll: how many steps one turn of the compiled loop has. More can help where a step is
            tiny, and costs compile time.
        forward_mode: whether forward-mode derivatives (`jax.jvp`, `jax.jacfwd`) are wanted.
            The fast gradient of a staged cell is a rule for reverse mode, over which JAX refuses
            forward mode with a `TypeError`; this gives up the rule. Forward over reverse
            (`jax.hessian`) works either way, and so does any other cell.
        checkpoint: `None` keeps the residuals of every step for the gradient. An integer keeps only
            the carry at the start of every segment of that many steps, and computes the rest
            again in the backward pass; `"sqrt"` takes segments of about `2 sqrt(T)`, which
            makes the gradient's memory O(sqrt(T)).

    Examples:
        >>> Loop(checkpoint="sqrt").unroll
        1
    """

    _: KW_ONLY
    unroll: int = 1
    forward_mode: bool = False

    def obstacle(self, cell, recurrence, steps) -> None:
        return None

    def form(self, cell: Cell, recurrence: Recurrence, steps: Any) -> tuple[str, str]:
        """Which loop runs a cell, and why."""
        if cell.linear and recurrence.xs is not None:
            return "linear loop", "only a h + b is in the loop; the rest is done for all steps"
        if not cell.staged:
            return "plain loop", "the cell has no stages to take out of the loop"
        if self.forward_mode:
            return "plain loop", "the staged gradient is for reverse mode, and forward is wanted"
        if why := obstacle_to_stages(recurrence, steps):
            return "plain loop", why
        return "staged loop", "weight gradients are large products, and so are projections"

    def run(self, cell, recurrence, steps, reverse):
        loop = LOOPS[self.form(cell, recurrence, steps)[0]]
        # A number of steps that is only known at run time cannot be unrolled.
        unroll = self.unroll if isinstance(steps, int) else 1
        time = Time(steps, reverse=reverse, unroll=unroll, precision=self.precision)
        return self.segments(partial(loop, cell), recurrence, time)


def obstacle_to_stages(recurrence: Recurrence, steps: Any) -> str | None:
    """The reason why the loop of a staged cell cannot have the staged gradient, or `None`."""
    if not isinstance(steps, int):
        return "the number of steps is not known while JAX traces, and chunks are made of it"
    if steps < 2:
        return "there are no two steps whose work could be done together"
    if recurrence.xs is None:
        return "there are no inputs to project"
    kinds = {a.dtype for a in jax.tree.leaves(recurrence.carry)}
    if any(jnp.issubdtype(kind, jax.dtypes.extended) for kind in kinds):
        return "a random key in the carry cannot be kept in a buffer"
    return None


def staged(cell, time, weights, xs, noise, carry, start, masks):
    last, carries = staged_loop(cell, time, weights, xs, noise, carry, start, masks)
    return last, read(cell, weights, carries, xs, start, masks)


LOOPS = {"plain loop": plain_loop, "staged loop": staged, "linear loop": linear_loop}
