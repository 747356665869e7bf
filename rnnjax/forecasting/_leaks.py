"""A test of whether a forecast has seen the future."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from .._checks import check_function, check_positive
from ._gaps import as_series


def leaks(
    forecast: Callable[[np.ndarray], Any], series: Any, origin: int, *, seed: int = 0
) -> bool:
    """Whether a forecast made at an origin changes with the values from the origin on.

    All that leads to the forecast belongs into the function: scales, training, windows. A scale
    fitted to the whole series is found, a window that is off by one, and a gap that was filled
    from behind.

    Args:
        forecast: a function of the whole series that gives the forecasts made at the origin, as
            any pytree of arrays. It must be repeatable.
        series: the series, `[T]` or `[T, F]`.
        origin: number of steps that are known; the values behind it are replaced.
        seed: of the values in their place.

    Raises:
        ValueError: if the origin is not within the series, or the forecast is not repeatable.

    Examples:
        >>> series = np.sin(np.arange(30.0))
        >>> leaks(lambda s: s[:20].mean(), series, 20), leaks(lambda s: s.mean(), series, 20)
        (False, True)
    """
    check_function("forecast", forecast)
    series, origin = as_series("series", series), check_positive("origin", origin)
    if origin >= len(series):
        raise ValueError(
            f"expected an origin within the series of {len(series)} steps, got {origin}"
        )
    rng = np.random.default_rng(check_positive("seed", seed, least=0))
    other = series.copy()
    size = 1 + 10 * np.max(np.abs(series), where=~np.isnan(series), initial=0)
    other[origin:] = size * rng.standard_normal(other[origin:].shape)
    before, again = forecast(series.copy()), forecast(series.copy())
    if not _same(before, again):
        raise ValueError(
            "expected a forecast that is repeatable, got two different ones of the same series; "
            "does it draw a random key?"
        )
    return not _same(before, forecast(other))


def _same(one: Any, other: Any) -> bool:
    """Whether two trees of arrays are equal, NaN and all."""
    leaves = [list(map(np.asarray, jax.tree.leaves(tree))) for tree in (one, other)]
    return len(leaves[0]) == len(leaves[1]) and all(
        a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
        for a, b in zip(*leaves, strict=True)
    )
