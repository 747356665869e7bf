"""What training makes small: functions `(predictions, targets, mask=None)` that give a scalar.

Each is a mean over what counts, 0 if nothing does. A mask is true where a prediction counts: its
axes are the first axes of the targets, `[*batch, T]` for a prediction at every step, `[*batch]`
for one a sequence. What stands where it is false, NaN too, reaches neither value nor gradient.
`valid_steps` makes a mask from lengths; `functools.partial` binds an option.
"""

from collections.abc import Sequence
from math import log

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .._numerics import carry_dtype
from ._masked import fitting, masked_mean


def cross_entropy(
    logits: Float[ArrayLike, "*batch classes"],
    targets: Int[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
    *,
    label_smoothing: float = 0.0,
) -> Float[Array, ""]:
    """Mean negative log-likelihood of the target classes, in nats.

    Args:
        logits: unnormalised log-probabilities, classes last.
        targets: the class of each prediction.
        mask: true where a prediction counts; by default everywhere.
        label_smoothing: the share of a target that is spread evenly over all classes.

    Raises:
        ValueError: if the shapes do not fit together.

    Examples:
        >>> cross_entropy(jnp.zeros((3, 4)), jnp.array([0, 1, 2]))
        Array(1.3862944, dtype=float32)

    Reference:
        Label smoothing: C. Szegedy et al., Rethinking the Inception architecture for computer
        vision, CVPR 2016.
    """
    logits, targets = fitting(logits, targets, features=1)

    def losses(logits, targets):
        hard = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        if not label_smoothing:
            return hard
        even = -jax.nn.log_softmax(logits).mean(-1)
        return (1 - label_smoothing) * hard + label_smoothing * even

    return masked_mean(losses, mask, logits, targets)


def binary_cross_entropy(
    logits: Float[ArrayLike, "*batch"],
    targets: ArrayLike,
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> Float[Array, ""]:
    """Mean negative log-likelihood of yes or no, in nats.

    Args:
        logits: log-odds of yes.
        targets: truth values or probabilities, of the same shape.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if the shapes do not fit together.

    Examples:
        >>> binary_cross_entropy(jnp.zeros(3), jnp.array([True, False, True]))
        Array(0.6931472, dtype=float32)
    """
    logits, targets = fitting(logits, targets)
    losses = optax.sigmoid_binary_cross_entropy
    return masked_mean(losses, mask, logits, targets.astype(carry_dtype(logits.dtype)))


def squared_error(
    predictions: Float[ArrayLike, "*batch"],
    targets: Float[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> Float[Array, ""]:
    """Mean squared error.

    Args:
        predictions: as many as targets.
        targets: what they should be.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if the shapes do not fit together.

    Examples:
        >>> squared_error(jnp.array([1.0, 5.0]), jnp.array([0.0, 2.0]))
        Array(5., dtype=float32)
    """
    predictions, targets = fitting(predictions, targets)
    return masked_mean(optax.squared_error, mask, predictions, targets)


def huber(
    predictions: Float[ArrayLike, "*batch"],
    targets: Float[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
    *,
    delta: float = 1.0,
) -> Float[Array, ""]:
    """Mean of half the squared error up to `delta`, and linear beyond: outliers pull less.

    Args:
        predictions: as many as targets.
        targets: what they should be.
        mask: true where a prediction counts; by default everywhere.
        delta: the error at which the loss becomes linear, and the steepest slope.

    Raises:
        ValueError: if the shapes do not fit together.

    Examples:
        >>> huber(jnp.array([1.0, 5.0]), jnp.array([0.0, 2.0]))
        Array(1.5, dtype=float32)

    Reference:
        P. Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics
        35, 1964.
    """
    predictions, targets = fitting(predictions, targets)

    def losses(predictions, targets):
        return optax.huber_loss(predictions, targets, delta=delta)

    return masked_mean(losses, mask, predictions, targets)


def quantile_loss(
    predictions: Float[ArrayLike, "*batch quantiles"],
    targets: Float[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
    *,
    quantiles: Sequence[float] = (0.1, 0.5, 0.9),
) -> Float[Array, ""]:
    """Mean pinball loss, which is least where predictions are quantiles of the targets.

    Args:
        predictions: one for each quantile, on an axis of its own after those of the targets.
        targets: what is to be predicted.
        mask: true where a prediction counts; by default everywhere.
        quantiles: which ones, each between 0 and 1.

    Raises:
        ValueError: if the shapes do not fit together, or a quantile is none.

    Examples:
        >>> quantile_loss(jnp.zeros((2, 1)), jnp.array([1.0, -1.0]), quantiles=(0.9,))
        Array(0.5, dtype=float32)

    Reference:
        R. Koenker, G. Bassett, Regression quantiles, Econometrica 46, 1978.
    """
    predictions, targets = fitting(predictions, targets, features=1)
    if predictions.shape[-1:] != (len(quantiles),) or not all(0 < q < 1 for q in quantiles):
        raise ValueError(
            f"expected quantiles between 0 and 1, one for each of the {predictions.shape[-1]} "
            f"predictions on the last axis, got {quantiles!r}"
        )

    def losses(predictions, targets):
        levels = jnp.asarray(quantiles, predictions.dtype)
        error = targets[..., None] - predictions
        return jnp.maximum(levels * error, (levels - 1) * error)

    return masked_mean(losses, mask, predictions, targets)


def bits(nats: float) -> float:
    """Nats as bits: divided by `log 2`. Of a mean cross-entropy: bits per character.

    Examples:
        >>> round(bits(1.3862944), 4)
        2.0
    """
    return nats / log(2)


def perplexity(nats: Float[ArrayLike, "*batch"]) -> Float[Array, "*batch"]:
    """`exp` of a mean cross-entropy: among how many classes the model hesitates.

    Examples:
        >>> perplexity(1.3862944)
        Array(4., dtype=float32, weak_type=True)
    """
    return jnp.exp(nats)
