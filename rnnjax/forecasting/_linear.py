"""The linear map from the past to the horizon, in closed form."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from .._checks import check_number
from ._gaps import as_past, as_series, filled, last_observed
from ._windows import Window

# Missing targets have the values of the map before; the error falls by their share in each round.
_ROUNDS = 8


class LinearForecast(NamedTuple):
    """A linear map from the past to the horizon, of all features alike, around the last value.

    Attributes:
        w: weights.
        b: bias.

    Examples:
        >>> from rnnjax.forecasting import forecast_windows
        >>> line = forecast_windows(np.arange(20.0), 3, 2, batch_size=8)
        >>> LinearForecast.fit(line).predict(np.array([[7.0, 8.0, 9.0]])).round(2)
        array([[10., 11.]])

    Reference:
        A. Zeng et al., Are transformers effective for time series forecasting?, AAAI 2023
        (NLinear). Missing targets: F. Yates, The analysis of replicated experiments when the
        field results are incomplete, 1933.
    """

    w: Float[np.ndarray, "l h"]
    b: Float[np.ndarray, "h"]

    @classmethod
    def fit(cls, windows: Iterable[Window], ridge: float = 1e-4) -> "LinearForecast":
        """Least squares over all windows; gaps in the past are filled by the last value.

        Args:
            windows: batches of windows, as of `forecast_windows` without a seed.
            ridge: penalty on squared weights, next to the mean squared error.

        Raises:
            ValueError: if there is no window, or the penalty is negative.
        """
        ridge = check_number("ridge", ridge)
        if ridge < 0:
            raise ValueError(f"expected ridge to be at least 0, got {ridge}")
        gram: Any = 0.0
        fitted: Any = None
        for number in range(_ROUNDS):
            product, gaps = 0.0, False
            for window in windows:
                x, y = _rows(window)
                missing = np.isnan(y)
                gaps = gaps or bool(missing.any())
                y = np.where(missing, 0 if fitted is None else x @ fitted, y)
                gram = gram + x.T @ x if number == 0 else gram
                product = product + x.T @ y
            if np.ndim(gram) == 0:
                raise ValueError("expected at least one window, got none")
            # The last input is the column of ones, which counts the rows and has no penalty.
            penalty = np.diag([gram[-1, -1] * max(ridge, 1e-12)] * (len(gram) - 1) + [0.0])
            fitted = np.linalg.solve(gram + penalty, product)
            if not gaps:
                break
        return cls(fitted[:-1], fitted[-1])

    def predict(self, past: Any) -> Float[np.ndarray, "b h *f"]:
        """The forecasts behind the past of windows, `[B, L]` or `[B, L, F]`.

        Raises:
            ValueError: if the past has another number of steps than in training.
        """
        past = as_past(past)
        if past.shape[1] != len(self.w):
            raise ValueError(f"expected a past of {len(self.w)} steps, got {past.shape[1]}")
        last = last_observed(past, 1)
        x = np.moveaxis(filled(past, 1)[0] - last, 1, -1)
        return np.moveaxis(x @ self.w + self.b, -1, 1) + last


def _rows(window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Inputs with a column of ones, and targets, a row for each window and feature."""
    past, future = as_past(window.past), as_series("future", window.future, 2)
    last = last_observed(past, 1)
    pair = [
        np.moveaxis(a - last, 1, -1).reshape(-1, a.shape[1]).astype(np.float64)
        for a in (filled(past, 1)[0], future)
    ]
    return np.concatenate([pair[0], np.ones((len(pair[0]), 1))], axis=1), pair[1]
