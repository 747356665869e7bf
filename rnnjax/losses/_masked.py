"""Masks from lengths, and sums over the entries that a mask keeps."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .. import _masks
from .._checks import Shape, check_array, check_positive
from .._numerics import carry_dtype


def valid_steps(lengths: Int[ArrayLike, "*batch"], steps: int) -> Bool[Array, "*batch time"]:
    """The mask that is true at the first `lengths` of `steps` steps.

    Args:
        lengths: number of valid steps of each sequence.
        steps: number of steps T, with the padding.

    Raises:
        ValueError: if lengths are no integers, negative or beyond `steps`.

    Examples:
        >>> valid_steps([1, 3], steps=3).astype(int)
        Array([[1, 0, 0],
               [1, 1, 1]], dtype=int32)
    """
    steps, lengths = check_positive("steps", steps, least=0), check_array("lengths", lengths)
    _masks.check_signals(steps, lengths.shape, lengths, time_major=False)
    mask = _masks.valid_steps(steps, lengths)
    return jnp.moveaxis(mask, 0, -1)  # pyright: ignore[reportArgumentType]


def masked_sum(
    loss: Callable[..., Array], mask: Any, *arrays: Array
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """The sum of `loss(*arrays)` over the entries that a mask keeps, and their number.

    Masked entries are zeroed before `loss` sees them: NaN there would reach the gradient as
    `0 * NaN`. The axes of losses and mask are the first axes of the smallest array.
    """
    axes = min((a.shape for a in arrays), key=len)
    mask = as_mask(mask, axes)
    kept = (jnp.where(as_wide(mask, a), a, jnp.zeros((), a.dtype)) for a in arrays)
    losses = check_array("the losses", loss(*map(at_least_float32, kept)))
    least, shape = max(mask.ndim, min(1, len(axes))), jnp.shape(losses)
    if shape != axes[: len(shape)] or len(shape) < least:
        raise ValueError(
            f"expected losses of shape {list(axes)}, or at least its first {least} axes, got "
            f"{list(shape)}; does the function take the mean itself?"
        )
    keep = jnp.broadcast_to(as_wide(mask, losses), shape)
    return jnp.where(keep, losses, jnp.zeros((), losses.dtype)).sum(), keep.sum()


def as_mask(mask: Any, axes: Shape, *, whole: bool = False) -> Bool[Array, "..."]:
    """A mask of the given axes or, unless it must be `whole`, of the first ones."""
    if mask is None:
        return jnp.ones(axes if whole else (), bool)
    mask = check_array("mask", mask)
    if mask.dtype != jnp.bool_ or mask.shape != (axes if whole else axes[: mask.ndim]):
        raise ValueError(
            f"expected a bool mask of shape {list(axes)}{'' if whole else ', or its first axes'}, "
            f"got {mask.dtype}{list(mask.shape)}; does it need .astype(bool)?"
        )
    return mask


def as_wide(mask: Array, a: Array) -> Array:
    """The mask with axes of one entry at its end, as many as `a` has more."""
    return mask.reshape(mask.shape + (1,) * (a.ndim - mask.ndim))


def at_least_float32(a: Array) -> Array:
    """Floats in the dtype to accumulate in; any other array as it is."""
    return a.astype(carry_dtype(a.dtype)) if jnp.issubdtype(a.dtype, jnp.floating) else a
