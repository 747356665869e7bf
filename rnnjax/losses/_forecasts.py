"""Scores of forecasts: of points, of samples, of intervals."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax.scipy import stats
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from .._checks import brief, check_above
from ._likelihoods import Gaussian
from ._masked import masked_sum
from ._mean import MeanLoss
from ._targets import fitting


@MeanLoss
def absolute_error(
    predictions: Float[ArrayLike, "*batch"],
    targets: Float[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """Mean absolute error (MAE), least for the median.

    Args:
        predictions: one for each target.
        targets: true values.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together.

    Examples:
        >>> absolute_error(jnp.array([1.0, 5.0]), jnp.array([0.0, 2.0]))
        Array(2., dtype=float32)
    """
    return masked_sum(lambda p, t: jnp.abs(p - t), mask, *fitting(predictions, targets))


@MeanLoss
def mase(
    predictions: Float[ArrayLike, "*batch"],
    targets: Float[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
    *,
    scale: float | Sequence[float],
) -> tuple[ArrayLike, ArrayLike]:
    """Mean absolute scaled error: 1 is the error of the seasonal last value in training.

    Args:
        predictions: one for each target.
        targets: true values.
        mask: true where a prediction counts; by default everywhere.
        scale: the unit, as of `forecasting.seasonal_error`; a number, or one for each feature.

    Raises:
        ValueError: if shapes do not fit together, or a scale is not above 0.

    Examples:
        >>> mase(jnp.array([1.0, 5.0]), jnp.array([0.0, 2.0]), scale=4.0)
        Array(0.5, dtype=float32)

    Reference:
        R. Hyndman, A. Koehler, Another look at measures of forecast accuracy, International
        Journal of Forecasting 22, 2006.
    """
    predictions, targets = fitting(predictions, targets)
    several = isinstance(scale, list | tuple | np.ndarray)
    units = [check_above("scale", unit) for unit in (scale if several else [scale])]
    if several and targets.shape[-1:] != (len(units),):
        raise ValueError(
            "expected scale to be a number, or one for each entry on the last axis of targets "
            f"{list(targets.shape)}, got {brief(scale)}"
        )

    def losses(predictions, targets):
        return jnp.abs(predictions - targets) / jnp.asarray(units, predictions.dtype)

    return masked_sum(losses, mask, predictions, targets)


@MeanLoss
def smape(
    predictions: Float[ArrayLike, "*batch"],
    targets: Float[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """Symmetric mean absolute percentage error, from 0 to 2: `2 |p - t| / (|p| + |t|)`.

    It is 0 where prediction and target are. Competitions report it times 100.

    Args:
        predictions: one for each target.
        targets: true values.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together.

    Examples:
        >>> smape(jnp.array([1.0, 0.0]), jnp.array([3.0, 0.0]))
        Array(0.5, dtype=float32)

    Reference:
        S. Makridakis, M. Hibon, The M3-Competition: results, conclusions and implications,
        International Journal of Forecasting 16, 2000.
    """

    def losses(predictions, targets):
        size = jnp.abs(predictions) + jnp.abs(targets)
        return 2 * jnp.abs(predictions - targets) / jnp.where(size > 0, size, 1)

    return masked_sum(losses, mask, *fitting(predictions, targets))


@MeanLoss
def crps(
    samples: Float[ArrayLike, "*batch samples"],
    targets: Float[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """Mean continuous ranked probability score of samples, in the units of the targets.

    `mean |x - t| - mean |x - x'| / 2` over samples `x` and pairs of them, the exact score of
    their empirical distribution. Of a single sample it is the absolute error.

    Args:
        samples: several for each target, on an axis of their own after the axes of the targets.
        targets: true values.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together, or there is no sample.

    Examples:
        >>> crps(jnp.array([[0.0, 2.0]]), jnp.array([1.0]))
        Array(0.5, dtype=float32)

    Reference:
        T. Gneiting, A. Raftery, Strictly proper scoring rules, prediction, and estimation,
        Journal of the American Statistical Association 102, 2007.
    """
    samples, targets = fitting(samples, targets, features=1)
    count = samples.shape[-1]
    if not count:
        raise ValueError(f"expected at least one sample for each target, got {brief(samples)}")

    def losses(samples, targets):
        # Sorted, a sample is the larger one of as many pairs as there are samples before it.
        rank = (2 * jnp.arange(count) + 1 - count).astype(samples.dtype)
        spread = (jnp.sort(samples, -1) * rank).sum(-1) / count**2
        return jnp.abs(samples - targets[..., None]).mean(-1) - spread

    return masked_sum(losses, mask, samples, targets)


@MeanLoss
def gaussian_crps(
    outputs: Float[ArrayLike, "*batch 2"],
    targets: Float[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """Mean continuous ranked probability score of `Gaussian.of(outputs)`, in closed form.

    Args:
        outputs: two numbers for each target, on an axis of their own, as `Dense(2)` gives.
        targets: true values.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together.

    Examples:
        >>> score = gaussian_crps(jnp.array([[0.0, 0.5413]]), jnp.array([0.0]))
        >>> print(f"{score:.3f}")
        0.234

    Reference:
        T. Gneiting et al., Calibrated probabilistic forecasting using ensemble model output
        statistics and minimum CRPS estimation, Monthly Weather Review 133, 2005.
    """
    outputs, targets = fitting(outputs, targets, features=1)

    def losses(outputs, targets):
        mean, scale = Gaussian.of(outputs)
        z = (targets - mean) / scale
        share = 2 * stats.norm.cdf(z) - 1
        return scale * (z * share + 2 * stats.norm.pdf(z) - float(np.pi) ** -0.5)

    return masked_sum(losses, mask, outputs, targets)


@MeanLoss
def coverage(
    intervals: Float[ArrayLike, "*batch 2"],
    targets: Float[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """The share of targets within their intervals; 0.8 for good intervals of 80 %.

    Args:
        intervals: the lower and the upper bound for each target, on an axis of their own, such as
            the quantiles 0.1 and 0.9.
        targets: true values.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together.

    Examples:
        >>> coverage(jnp.array([[0.0, 2.0], [0.0, 2.0]]), jnp.array([1.0, 3.0]))
        Array(0.5, dtype=float32)
    """
    intervals, targets = fitting(intervals, targets, features=1)
    if intervals.shape[-1] != 2:
        raise ValueError(
            f"expected a lower and an upper bound on the last axis, got {brief(intervals)}"
        )

    def inside(intervals, targets):
        return ((intervals[..., 0] <= targets) & (targets <= intervals[..., 1])).astype(
            intervals.dtype
        )

    return masked_sum(inside, mask, intervals, targets)
