"""Losses of classes and of numbers."""

from collections.abc import Sequence
from math import log
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .._checks import check_number, check_rate
from .._numerics import along
from ._masked import masked_sum
from ._mean import Masked, MeanLoss
from ._targets import as_reals, fitting, fitting_classes, fitting_probabilities, spoil


@MeanLoss
def cross_entropy(
    logits: Float[ArrayLike, "*batch classes"],
    targets: Int[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
    *,
    label_smoothing: float = 0.0,
) -> tuple[ArrayLike, ArrayLike]:
    """Mean negative log-likelihood of the target classes, in nats.

    Under `jit` a target that is no class makes it NaN.

    Args:
        logits: unnormalised log-probabilities, classes last.
        targets: the class of each prediction.
        mask: true where a prediction counts; by default everywhere.
        label_smoothing: share of each target that is spread evenly over all classes.

    Raises:
        ValueError: if shapes do not fit together, or a target is no class.

    Examples:
        >>> cross_entropy(jnp.zeros((3, 4)), jnp.array([0, 1, 2]))
        Array(1.3862944, dtype=float32)

    Reference:
        Label smoothing: C. Szegedy et al., Rethinking the Inception architecture for computer
        vision, CVPR 2016.
    """
    share = check_rate("label_smoothing", label_smoothing)
    logits, targets, wrong = fitting_classes(logits, targets, mask)

    def losses(logits, targets):
        hard = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        if not share:
            return spoil(hard, wrong)
        even = -jax.nn.log_softmax(logits).mean(-1)
        return spoil((1 - share) * hard + share * even, wrong)

    return masked_sum(losses, mask, logits, targets)


@MeanLoss
def binary_cross_entropy(
    logits: Float[ArrayLike, "*batch"],
    targets: ArrayLike,
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """Mean negative log-likelihood of truth values, in nats.

    Under `jit` a target that is neither a truth value nor a probability makes it NaN.

    Args:
        logits: log-odds of true.
        targets: truth values or probabilities, of the same shape.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together, or a target is below 0 or above 1.

    Examples:
        >>> binary_cross_entropy(jnp.zeros(3), jnp.array([True, False, True]))
        Array(0.6931472, dtype=float32)
    """
    logits, targets, wrong = fitting_probabilities(logits, targets, mask)

    def losses(logits, targets):
        return spoil(optax.sigmoid_binary_cross_entropy(logits, targets), wrong)

    return masked_sum(losses, mask, logits, targets)


@MeanLoss
def frame_loss(
    logits: Float[ArrayLike, "*batch keys"],
    targets: Float[ArrayLike, "*batch keys"],
    mask: Bool[ArrayLike, "*batch"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """Mean negative log-likelihood of a frame, in nats, summed over its keys.

    The literature on polyphonic music reports this number. It is exact for keys that are
    independent, as of `layers.Dense`, and for those of `layers.NADE`.

    Args:
        logits: log-odds that a key sounds.
        targets: 1 where it sounds, else 0.
        mask: true where a frame counts; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together, or a target is below 0 or above 1.

    Examples:
        >>> frame_loss(jnp.zeros((5, 88)), jnp.ones((5, 88))).round(2)
        Array(61., dtype=float32)
    """
    total, entries = binary_cross_entropy.total(logits, targets, mask)
    return total, entries / max((1, *jnp.shape(targets)[-1:]))


@MeanLoss
def squared_error(
    predictions: Float[ArrayLike, "*batch"],
    targets: Float[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """Mean squared error: `Masked(optax.squared_error)`.

    Args:
        predictions: one for each target.
        targets: true values.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together.

    Examples:
        >>> squared_error(jnp.array([1.0, 5.0]), jnp.array([0.0, 2.0]))
        Array(5., dtype=float32)
    """
    return Masked(optax.squared_error).total(predictions, targets, mask)


@MeanLoss
def quantile_loss(
    predictions: Float[ArrayLike, "*batch quantiles"],
    targets: Float[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
    *,
    quantiles: Sequence[float] = (0.1, 0.5, 0.9),
) -> tuple[ArrayLike, ArrayLike]:
    """Mean pinball loss, least where predictions are quantiles of the targets.

    Args:
        predictions: one for each quantile, on an axis of its own after the axes of the targets.
        targets: true values.
        mask: true where a prediction counts; by default everywhere.
        quantiles: levels between 0 and 1.

    Raises:
        ValueError: if shapes do not fit together, or quantiles are equal or out of range.

    Examples:
        >>> quantile_loss(jnp.zeros((2, 1)), jnp.array([1.0, -1.0]), quantiles=(0.9,))
        Array(0.5, dtype=float32)

    Reference:
        R. Koenker, G. Bassett, Regression quantiles, Econometrica 46, 1978.
    """
    predictions, targets = fitting(predictions, targets, features=1)
    several = quantiles if isinstance(quantiles, list | tuple) else np.atleast_1d(quantiles)
    levels = [check_number("a quantile", level) for level in several]
    distinct = len({level for level in levels if 0 < level < 1})
    if not len(levels) == distinct == predictions.shape[-1]:
        raise ValueError(
            f"expected different quantiles between 0 and 1, one for each of the "
            f"{predictions.shape[-1]} predictions on the last axis, got {quantiles!r}"
        )

    def losses(predictions, targets):
        level = along(jnp.asarray(levels, predictions.dtype), predictions)
        error = targets[..., None] - predictions
        return jnp.maximum(level * error, (level - 1) * error).mean(-1)

    return masked_sum(losses, mask, predictions, targets)


def bits(nats: float) -> float:
    """Nats as bits, `nats / log 2`; from a mean cross-entropy, bits per character.

    Raises:
        ValueError: if they are no real numbers.

    Examples:
        >>> round(bits(1.3862944), 4)
        2.0
    """
    number: Any = nats if isinstance(nats, int | float) else as_reals("nats", nats)
    return number / log(2)


def perplexity(nats: Float[ArrayLike, "*batch"]) -> Float[Array, "*batch"]:
    """`exp` of a mean cross-entropy in nats.

    Raises:
        ValueError: if they are no real numbers.

    Examples:
        >>> perplexity(1.3862944)
        Array(4., dtype=float32, weak_type=True)
    """
    return jnp.exp(as_reals("nats", nats))
