"""Arrays with gaps, which NaN marks."""

from typing import Any

import numpy as np

from .._checks import brief


def as_series(name: str, values: Any, least_axes: int = 1) -> np.ndarray:
    """An array of real floating numbers; integers are converted.

    Raises:
        ValueError: if it is something else, or has fewer axes.

    Examples:
        >>> as_series("series", [1, 2])
        array([1., 2.])
    """
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if array.dtype.kind != "f" or array.ndim < least_axes:
        axes = "[T], or [T, F]" if least_axes == 1 else "[B, T], or [B, T, F]"
        raise ValueError(
            f"expected {name} to be real numbers {axes}, with NaN at gaps, got {brief(values)}"
        )
    return array


def as_past(past: Any) -> np.ndarray:
    """The past of windows, `[B, L]` or `[B, L, F]`.

    Raises:
        ValueError: if it is something else, or has no step.
    """
    past = as_series("past", past, 2)
    if past.ndim > 3 or not past.shape[1]:
        raise ValueError(
            f"expected past of at least one step, [B, L] or [B, L, F], got {brief(past)}"
        )
    return past


def filled(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The last observed values, zero before the first one, and where there is one.

    Examples:
        >>> filled(np.array([np.nan, 3.0, np.nan, 5.0]), 0)
        (array([0., 3., 3., 5.]), array([False,  True,  True,  True]))
    """
    steps = np.arange(values.shape[axis])
    steps = steps.reshape(-1, *[1] * (values.ndim - 1 - axis % values.ndim))
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, steps), axis)
    found = np.take_along_axis(values, np.maximum(last, 0), axis)
    return np.where(last < 0, 0, found).astype(values.dtype, copy=False), last >= 0


def last_observed(values: np.ndarray, axis: int) -> np.ndarray:
    """The last observed value along an axis, which stays; zero where there is none.

    Examples:
        >>> last_observed(np.array([2.0, 3.0, np.nan]), 0)
        array([3.])
    """
    return np.take(filled(values, axis)[0], [-1], axis)
