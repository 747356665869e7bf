"""Forecasts that repeat the past."""

from typing import Any

import numpy as np
from jaxtyping import Float

from .._checks import check_positive
from ._gaps import as_past, as_series, filled, last_observed


def seasonal_naive(past: Any, horizon: int, season: int = 1) -> Float[np.ndarray, "b h *f"]:
    """The values of the last season again and again; with a season of 1, the last value.

    A gap has the value of the season before it; a phase without any value has the last one.

    Args:
        past: the past of windows, `[B, L]` or `[B, L, F]`, with NaN at gaps.
        horizon: number of steps to forecast.
        season: number of steps of a season.

    Raises:
        ValueError: if the past is shorter than a season.

    Examples:
        >>> seasonal_naive([[1.0, 2.0, 3.0, np.nan]], 3, season=2)
        array([[3., 2., 3.]])
    """
    past, horizon = as_past(past), check_positive("horizon", horizon)
    season = check_positive("season", season)
    if past.shape[1] < season:
        raise ValueError(
            f"expected a past of at least a season of {season} steps, got {past.shape[1]}"
        )
    gap = np.full_like(past[:, : -past.shape[1] % season], np.nan)
    seasons = np.concatenate([gap, past], 1).reshape(len(past), -1, season, *past.shape[2:])
    values, seen = (a[:, -1] for a in filled(seasons, 1))
    values = np.where(seen, values, last_observed(past, 1))
    return values[:, np.arange(horizon) % season]


def seasonal_error(series: Any, season: int = 1) -> Float[np.ndarray, "*f"]:
    """The mean absolute change from a season to the next one, the unit of `losses.mase`.

    Args:
        series: the training part of a series, `[T]` or `[T, F]`, with NaN at gaps.
        season: number of steps of a season.

    Raises:
        ValueError: if there is no pair of values a season apart.

    Examples:
        >>> print(seasonal_error([1.0, 5.0, 2.0, 9.0], season=2))
        2.5

    Reference:
        R. Hyndman, A. Koehler, Another look at measures of forecast accuracy, International
        Journal of Forecasting 22, 2006.
    """
    series, season = as_series("series", series), check_positive("season", season)
    change = np.abs(series[season:] - series[:-season])
    seen = ~np.isnan(change)
    if not seen.any(0).all():
        raise ValueError(
            f"expected a series with values {season} steps apart, got {len(series)} steps without"
        )
    return np.where(seen, change, 0).sum(0) / seen.sum(0)
