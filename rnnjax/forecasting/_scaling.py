"""Scales of series and of windows, which can be taken back."""

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from .._checks import brief, check_choice, check_flag, check_number, check_positive
from ._gaps import as_series, last_observed

Center = Literal["mean", "last"]


class Scaling(NamedTuple):
    """An affine map of series, and its inverse: `(values - center) / scale`.

    Fit to the training part of a series, it standardises the whole. Fit to the past of each
    window, it removes level and spread of that window, and `inverse` puts them back into
    forecasts. Axes in front, such as one of sampled paths or quantiles, may be added.

    Attributes:
        center: the number to subtract, with an axis of one entry for time.
        scale: the number to divide by.

    Examples:
        >>> scaling = Scaling.fit([1.0, 3.0, np.nan, 5.0])
        >>> scaling.apply(np.array([3.0])), scaling.inverse(np.array([0.0]))
        (array([0.]), array([3.]))
    """

    center: Float[np.ndarray, "..."]
    scale: Float[np.ndarray, "..."]

    @classmethod
    def fit(
        cls,
        values: Any,
        axis: int = 0,
        *,
        center: Center = "mean",
        spread: bool = True,
        least: float = 0.0,
    ) -> "Scaling":
        """The scaling by mean and standard deviation of the observed values along an axis.

        Args:
            values: a series `[T]` or `[T, F]`, or the past of windows `[B, L]` or `[B, L, F]`.
            axis: the axis of time, 0 of a series, 1 of windows.
            center: "mean", or "last", the last observed value.
            spread: whether to divide by the standard deviation.
            least: the smallest scale. Where nothing varies the scale is 1, or `least` if that is
                above 0.

        Raises:
            ValueError: if an argument is out of range.
        """
        values = as_series("values", values)
        axis = check_positive("axis", axis, least=0)
        if axis >= values.ndim:
            raise ValueError(f"expected axis to be one of {brief(values)}, got {axis}")
        check_choice("center", center, get_args(Center))
        least = check_number("least", least)
        if least < 0:
            raise ValueError(f"expected least to be at least 0, got {least}")
        seen = ~np.isnan(values)
        count = np.maximum(seen.sum(axis, keepdims=True), 1)
        mean = np.where(seen, values, 0).sum(axis, keepdims=True, dtype=np.float64) / count
        middle = mean if center == "mean" else last_observed(values, axis)
        if not check_flag("spread", spread):
            scale = np.ones_like(mean)
        else:
            squares = np.where(seen, values - mean, 0) ** 2
            deviation = np.sqrt(squares.sum(axis, keepdims=True) / count)
            scale = np.maximum(deviation, least)
            scale = np.where(scale > 0, scale, 1)
        return cls(middle.astype(values.dtype), scale.astype(values.dtype))

    def apply(self, values: Any) -> Any:
        """Values in the scale of the model."""
        return (values - self.center) / self.scale

    def inverse(self, values: Any) -> Any:
        """Forecasts, paths or quantiles of the model in the units of the series."""
        return values * self.scale + self.center
