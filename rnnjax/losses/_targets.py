"""Checks of predictions against targets, and of targets against their range.

A target out of range, such as class 10 of 10, must never look like a good prediction. It is
refused where its value is known. Under `jit`, where it is not, it makes the loss NaN.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool

from .._checks import brief, check_array
from .._numerics import carry_dtype
from ._masked import as_mask, as_wide


def fitting(predictions: Any, targets: Any, features: int = 0) -> tuple[Array, Array]:
    """Both as arrays: predictions have the axes of the targets, and `features` more."""
    predictions, targets = as_floats("predictions", predictions), as_reals("targets", targets)
    axes = predictions.shape[: predictions.ndim - features]
    if axes != targets.shape or predictions.ndim < features:
        raise ValueError(
            f"expected predictions {list(predictions.shape)} for targets of shape {list(axes)}, "
            f"got targets {list(targets.shape)}; is there an axis of one entry too many?"
        )
    return predictions, targets


def fitting_classes(
    logits: Any, targets: Any, mask: Any
) -> tuple[Array, Array, Bool[Array, "..."]]:
    """Scores and classes as arrays, and where a target counts and is no class."""
    logits, targets = fitting(logits, targets, features=1)
    targets, count = as_classes("targets", targets), logits.shape[-1]
    expected = f"targets from 0 to {count - 1}, the {count} classes of the predictions"
    cause = "is there padding that the mask does not leave out?"
    return (
        logits,
        targets,
        out_of_range(targets, (targets >= 0) & (targets < count), mask, expected, cause),
    )


def fitting_probabilities(
    logits: Any, targets: Any, mask: Any
) -> tuple[Array, Array, Bool[Array, "..."]]:
    """Both as arrays, and where a target counts and is no truth value or probability."""
    logits, targets = fitting(logits, targets)
    targets = targets.astype(carry_dtype(logits.dtype))
    slack = 0.01  # for rounding
    inside = (targets >= -slack) & (targets <= 1 + slack)
    expected = "targets from 0 to 1, truth values or probabilities"
    return logits, targets, out_of_range(targets, inside, mask, expected, "do they mark no by -1?")


def out_of_range(
    targets: Array, inside: Array, mask: Any, expected: str, cause: str
) -> Bool[Array, "..."]:
    """Where a target counts and is not inside; refuses it if its value is known."""
    wrong = ~inside & as_wide(as_mask(mask, inside.shape), inside)
    if not isinstance(wrong, Tracer) and (bad := np.asarray(wrong)).any():
        raise ValueError(f"expected {expected}, got {np.asarray(targets)[bad][0]}; {cause}")
    return wrong


def spoil(losses: Array, wrong: Array) -> Array:
    """The losses, with NaN for the value and the gradient where a target is wrong."""
    return losses * jnp.where(wrong, jnp.nan, 1).astype(losses.dtype)


def as_classes(name: str, classes: Any) -> Array:
    """Classes as an array, of integers that can hold any number of classes."""
    classes = check_array(name, classes)
    if not jnp.issubdtype(classes.dtype, jnp.integer):
        raise ValueError(
            f"expected {name} to be classes, integers, got {classes.dtype}{list(classes.shape)}; "
            "are they floats or one-hot?"
        )
    return classes.astype(jnp.int32) if classes.dtype.itemsize < 4 else classes


def as_floats(name: str, a: Any) -> Array:
    """An array of real floating numbers."""
    a = check_array(name, a)
    if not jnp.issubdtype(a.dtype, jnp.floating):
        raise ValueError(f"expected {name} to be real floating numbers, got {brief(a)}")
    return a


def as_reals(name: str, a: Any) -> Array:
    """An array of real numbers or truth values."""
    a = check_array(name, a)
    if not any(jnp.issubdtype(a.dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_)):
        raise ValueError(f"expected {name} to be real numbers, got {brief(a)}")
    return a
