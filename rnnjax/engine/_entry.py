"""How a step is entered and left, where it may be masked or begin with a reset."""

from typing import Any, NamedTuple

from jaxtyping import Array, Bool

from .._masks import valid_steps
from .._shapes import check_update
from .._trees import where


class Masks(NamedTuple):
    """The masks and resets of all steps; `None` where there are none."""

    valid: Bool[Array, "time *batch"] | None = None  # where the step counts
    resets: Bool[Array, "time *batch"] | None = None  # where the carry starts afresh before it


class Start(NamedTuple):
    """The carries, other than the last one, with which a step may begin."""

    fresh: Any  # after a reset
    safe: Any = None  # at a masked step: the one that enters the row's first valid step
    after_safe: Any = None  # the carry after that step


def make_masks(steps: int, lengths: Any, mask: Any, resets: Any) -> Masks:
    """The masks of the user's signals; the reset of a masked step does not count."""
    valid = valid_steps(steps, lengths, mask)
    if valid is not None and resets is not None:
        resets = resets & valid
    return Masks(valid, resets)


def enter(now: Masks, start: Start, carry: Any) -> tuple[Any, Any]:
    """The carry to hold at a step, and the carry to compute with."""
    held = carry if now.resets is None else where(now.resets, start.fresh, carry)
    return held, held if now.valid is None else where(now.valid, held, start.safe)


def leave(now: Masks, held: Any, new: Any) -> Any:
    """The carry after a step."""
    check_update(held, new)
    return new if now.valid is None else where(now.valid, new, held)
