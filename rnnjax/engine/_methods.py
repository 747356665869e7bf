"""The ways in which a recurrence can be computed, as values."""

from math import isqrt
from typing import Literal

from .._core import frozen, positive
from ._loop import even_chunk


@frozen
class Sequential:
    """One step after the other: a compiled loop, O(T) time.

    Args:
        unroll: how many steps stand in one turn of the compiled loop. More can help where a
            step is tiny, and costs compile time.
        checkpoint: `None` keeps what the gradient needs of every step. An integer keeps only
            the carry at the start of every segment of that many steps, and computes the rest
            again in the backward pass; `"sqrt"` takes segments of about `2 sqrt(T)`, which
            makes the gradient's memory O(sqrt(T)).
        forward_mode: whether forward-mode derivatives (`jax.jvp`, `jax.jacfwd`) are wanted.
            The fast gradient of a staged cell is a rule for reverse mode, and JAX then
            refuses forward mode over it with a `TypeError`; this gives up the rule. Forward
            over reverse (`jax.hessian`) works either way, and so does any other cell.

    Example:
        >>> Sequential(checkpoint="sqrt").unroll
        1
    """

    unroll: int = 1
    checkpoint: int | Literal["sqrt"] | None = None
    forward_mode: bool = False

    def __post_init__(self):
        positive("unroll", self.unroll)
        if self.checkpoint is not None and self.checkpoint != "sqrt":
            if isinstance(self.checkpoint, str):
                raise ValueError(
                    "expected checkpoint to be None, 'sqrt' or a number of steps, "
                    f"got {self.checkpoint!r}"
                )
            positive("checkpoint", self.checkpoint)

    def segment(self, steps: int) -> int:
        """Number of steps between two carries that the gradient keeps; `steps` for no segments."""
        if self.checkpoint is None or not steps:
            return steps
        if self.checkpoint == "sqrt":
            # Twice the root: half as many weight gradients to add up, for hardly more memory.
            return even_chunk(steps, 2 * (isqrt(steps - 1) + 1))
        return min(self.checkpoint, steps)
