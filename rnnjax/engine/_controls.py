"""Masks and resets: which steps count, and before which the carry starts afresh."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int


class Controls(NamedTuple):
    """What the engine does at a step besides the cell's own work; `None` stands for nothing.

    Attributes:
        mask: true where the step counts, `[T, *batch]`.
        resets: true where the carry starts afresh before the step, `[T, *batch]`.

    Example:
        >>> Controls(mask=jnp.array([True, False])).resets is None
        True
    """

    mask: Bool[Array, "time *batch"] | None = None
    resets: Bool[Array, "time *batch"] | None = None


def valid_steps(
    steps: int,
    lengths: Int[Array, "*batch"] | None = None,
    mask: Bool[Array, "time *batch"] | None = None,
) -> Bool[Array, "time *batch"] | None:
    """The mask `[T, *batch]` that `lengths` and `mask` say together; `None` if all is valid.

    Example:
        >>> valid_steps(3, jnp.array([1, 3])).astype(int)
        Array([[1, 1],
               [0, 1],
               [0, 1]], dtype=int32)
    """
    if lengths is None:
        return mask
    within = jnp.arange(steps).reshape(-1, *[1] * lengths.ndim) < lengths
    return within if mask is None else within & mask


def merge(steps: int, lengths: Any, mask: Any, resets: Any) -> Controls:
    """The controls that the user's arguments amount to.

    A masked step is as if it were not there, and so is its reset.
    """
    mask = valid_steps(steps, lengths, mask)
    if mask is not None and resets is not None:
        resets = resets & mask
    return Controls(mask, resets)


def restart(now: Controls, fresh: Any, carry: Any) -> Any:
    """The carry to enter a step with: `fresh` where there is a reset."""
    return carry if now.resets is None else where(now.resets, fresh, carry)


def hold(now: Controls, carry: Any, new: Any, y: Any) -> tuple[Any, Any]:
    """The carry and output to leave a step with: where it is masked, the old one and zeros."""
    if now.mask is None:
        return new, y
    return where(now.mask, new, carry), where(now.mask, y, zeros_like(y))


def previous_resets(
    resets: Bool[Array, "time *batch"], mask: Bool[Array, "time *batch"] | None
) -> Bool[Array, "time *batch"]:
    """The resets of the backward direction, for those of the forward one.

    A document that starts before step `t` ends, seen from its end, after step `t`: the
    backward direction starts afresh before the valid step that precedes `t`.

    Example:
        >>> resets = jnp.array([False, False, False, True])
        >>> previous_resets(resets, mask=jnp.array([True, True, False, True]))
        Array([False,  True, False, False], dtype=bool)
    """
    mask = jnp.ones_like(resets) if mask is None else mask

    def body(later, now):
        reset, valid = now
        return jnp.where(valid, reset, later), later & valid

    return lax.scan(body, jnp.zeros_like(resets[0]), (resets, mask), reverse=True)[1]


def where(condition: Bool[Array, "*lead"], chosen: Any, other: Any) -> Any:
    """`jnp.where` leaf by leaf, the condition standing for the leading axes of each."""

    def choose(a, b):
        return jnp.where(jnp.expand_dims(condition, range(condition.ndim, a.ndim)), a, b)

    return jax.tree.map(choose, chosen, other)


def zeros_like(tree: Any) -> Any:
    """A tree of zeros."""
    return jax.tree.map(jnp.zeros_like, tree)
