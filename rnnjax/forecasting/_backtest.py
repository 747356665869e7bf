"""Forecasts from many origins in the past, each from what was known then."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from .._checks import brief, check_function, check_positive
from ._gaps import as_series


class Backtest(NamedTuple):
    """Forecasts from many origins, and what came; NaN marks a gap."""

    origins: Int[np.ndarray, "n"]  # number of steps that were known
    forecasts: Float[np.ndarray, "n ..."]  # `[N, H, *F]`, or `[N, S, H, *F]` of several paths
    targets: Float[np.ndarray, "n h *f"]  # the values of the horizon


def backtest(
    forecast: Callable[..., Any],
    series: Any,
    horizon: int,
    *,
    first: int,
    stride: int = 1,
    known: Any = None,
) -> Backtest:
    """Forecasts from rolling origins, each from a copy of what was known there.

    Args:
        forecast: a function of the history `[n]` or `[n, F]` that gives the next values `[H]` or
            `[H, F]`, or several paths of them, `[S, H]`. With covariates, it has a second
            argument, those of the history and the horizon, `[n + H, C]`. Whatever it fits, such
            as a scale, it fits to the history.
        series: the whole series, `[T]` or `[T, F]`.
        horizon: number of steps to forecast.
        first: the first origin, a number of steps that are known.
        stride: number of steps from an origin to the next one.
        known: covariates known beforehand, `[T, C]`.

    Raises:
        ValueError: if there is no origin with a whole horizon behind it, or a forecast has
            another shape.

    Examples:
        >>> result = backtest(lambda past: np.repeat(past[-1], 2), np.arange(6.0), 2, first=3)
        >>> result.origins.tolist(), (result.targets - result.forecasts).tolist()
        ([3, 4], [[1.0, 2.0], [1.0, 2.0]])

    Reference:
        L. Tashman, Out-of-sample tests of forecasting accuracy, International Journal of
        Forecasting 16, 2000.
    """
    check_function("forecast", forecast)
    series, horizon = as_series("series", series), check_positive("horizon", horizon)
    first, stride = check_positive("first", first), check_positive("stride", stride)
    beside = None if known is None else as_series("known", known)
    if beside is not None and (beside.ndim != 2 or len(beside) != len(series)):
        raise ValueError(f"expected known to be [{len(series)}, C], got {brief(beside)}")
    origins = np.arange(first, len(series) - horizon + 1, stride)
    if not len(origins):
        raise ValueError(
            f"expected a series of at least {first + horizon} steps, the first origin and the "
            f"horizon, got {len(series)}"
        )
    forecasts = []
    for origin in origins:
        covariates = () if beside is None else (beside[: origin + horizon].copy(),)
        forecasts.append(as_series("a forecast", forecast(series[:origin].copy(), *covariates)))
        behind = (horizon, *series.shape[1:])
        if forecasts[-1].shape[-len(behind) :] != behind:
            raise ValueError(
                f"expected forecasts of shape {list(behind)}, or with axes in front, got "
                f"{list(forecasts[-1].shape)}"
            )
    targets = np.stack([series[origin : origin + horizon] for origin in origins])
    return Backtest(origins, np.stack(forecasts), targets)
