"""What counts: masks from lengths, and means over what a mask keeps."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .._numerics import carry_dtype


def valid_steps(lengths: Int[ArrayLike, "*batch"], steps: int) -> Bool[Array, "*batch time"]:
    """The mask that is true at the first `lengths` of `steps` steps.

    Args:
        lengths: number of valid steps of each sequence.
        steps: number of steps T, with the padding.

    Examples:
        >>> valid_steps([1, 3], steps=3).astype(int)
        Array([[1, 0, 0],
               [1, 1, 1]], dtype=int32)
    """
    return jnp.arange(steps) < jnp.asarray(lengths)[..., None]


def masked_mean(loss: Callable[..., Array], mask: Any, *arrays: Array) -> Float[Array, ""]:
    """The mean of the entries of `loss(*arrays)` that the mask keeps; 0 if there are none.

    The axes of the mask are the first axes of every array. What it drops is 0 before `loss`
    sees it, too: NaN there would reach the gradient as `0 * NaN`.

    Examples:
        >>> masked_mean(jnp.square, jnp.array([True, False]), jnp.array([3.0, jnp.nan]))
        Array(9., dtype=float32)
    """
    arrays = tuple(at_least_float32(a) for a in arrays)
    if mask is None:
        losses = loss(*arrays)
        return losses.sum() / max(losses.size, 1)
    mask = jnp.asarray(mask)
    axes = min((a.shape for a in arrays), key=len)
    if mask.dtype != jnp.bool_ or mask.shape != axes[: mask.ndim]:
        raise ValueError(
            f"expected a bool mask of shape {list(axes)}, or of its first axes, got "
            f"{mask.dtype}{list(mask.shape)}; does it need .astype(bool)?"
        )
    losses = loss(*(jnp.where(_as_wide(mask, a), a, 0) for a in arrays))
    keep = jnp.broadcast_to(_as_wide(mask, losses), losses.shape)
    return jnp.where(keep, losses, 0).sum() / jnp.maximum(keep.sum(), 1)


def fitting(predictions: Any, targets: Any, features: int = 0) -> tuple[Array, Array]:
    """Both as arrays: predictions have the axes of the targets, and `features` more.

    Examples:
        >>> logits, targets = fitting(jnp.ones((2, 3)), [0, 1], features=1)
        >>> targets
        Array([0, 1], dtype=int32)
    """
    predictions, targets = jnp.asarray(predictions), jnp.asarray(targets)
    axes = predictions.shape[: predictions.ndim - features]
    if axes != targets.shape or predictions.ndim < features:
        raise ValueError(
            f"expected predictions {list(predictions.shape)} for targets of shape {list(axes)}, "
            f"got targets {list(targets.shape)}; is there an axis of one entry too many?"
        )
    return predictions, targets


def at_least_float32(a: Array) -> Array:
    """Floats in the dtype to accumulate in; anything else as it is."""
    return a.astype(carry_dtype(a.dtype)) if jnp.issubdtype(a.dtype, jnp.floating) else a


def _as_wide(mask: Array, a: Array) -> Array:
    """The mask with axes of one entry at its end, so that it goes with `a`."""
    return mask.reshape(mask.shape + (1,) * (a.ndim - mask.ndim))
