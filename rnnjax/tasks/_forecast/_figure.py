"""The picture of a forecast, and of its errors."""

from pathlib import Path
from typing import Any

import numpy as np

from ...forecasting import Window

_LEVELS = np.linspace(0.1, 0.9, 9)
_BANDS = ((0.1, 0.9, "80 %", 0.25), (0.25, 0.75, "50 %", 0.35))


def draw(
    path: Path, window: Window, forecasts: np.ndarray, baseline: np.ndarray, name: str, unit: str
) -> None:
    """Draws the forecast of the first window, and the errors or the coverage of all of them.

    Args:
        path: of the picture.
        window: windows of one series, in its units.
        forecasts: points `[B, H]`, or paths `[S, B, H]`.
        baseline: points of another forecaster, `[B, H]`.
        name: of the series.
        unit: of a step.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained", dpi=100)
    fan, panel = figure.subplots(1, 2, width_ratios=[5, 3])
    horizon = window.future.shape[1]
    shown = min(window.past.shape[1], 4 * horizon)
    ahead = np.arange(1, horizon + 1)
    fan.plot(np.arange(1 - shown, 1), window.past[0, -shown:], color="0.3", lw=1, label="context")
    fan.plot(ahead, window.future[0], color="k", lw=1.5, label="truth")
    if forecasts.ndim == 3:
        for low, high, label, alpha in _BANDS:
            bounds = np.quantile(forecasts[:, 0], (low, high), axis=0)
            fan.fill_between(ahead, *bounds, color="C0", alpha=alpha, lw=0, label=label)
        fan.plot(ahead, np.median(forecasts[:, 0], axis=0), color="C0", label="median")
        _coverage(panel, window, forecasts)
        title = "Coverage of central intervals"
    else:
        fan.plot(ahead, baseline[0], color="C1", lw=1, label="linear")
        fan.plot(ahead, forecasts[0], color="C0", label="this network")
        _errors(panel, window, forecasts, baseline, unit)
        title = "Error by step of the horizon"
    fan.axvline(0.5, color="0.7", lw=0.8, ls=":")
    fan.set(xlabel=f"time after the origin ({unit})", ylabel="value (units of the series)")
    fan.set_title(name, fontsize=10)
    low, high = fan.get_ylim()
    fan.set_ylim(low, high + 0.15 * (high - low))  # room for the legend
    fan.legend(fontsize=8, loc="upper left", ncols=5)
    panel.set_title(f"{title}, {name}", fontsize=10)
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)
    figure.savefig(path)


def _coverage(panel: Any, window: Window, paths: np.ndarray) -> None:
    seen = ~np.isnan(window.future)
    found = []
    for level in _LEVELS:
        low, high = np.quantile(paths, (0.5 - level / 2, 0.5 + level / 2), axis=0)
        inside = (low <= window.future) & (window.future <= high)
        found.append(100 * inside[seen].mean())
    panel.plot([0, 100], [0, 100], color="0.6", lw=1, ls="--", label="ideal")
    panel.plot(100 * _LEVELS, found, "o-", color="C0", ms=4, label="this network")
    panel.set(xlabel="nominal coverage (%)", ylabel="truth within the interval (%)")


def _errors(panel: Any, window: Window, points: np.ndarray, line: np.ndarray, unit: str) -> None:
    for forecast, label, color in ((line, "linear", "C1"), (points, "this network", "C0")):
        error = np.nanmean(np.abs(forecast - window.future), axis=0)
        panel.plot(np.arange(1, len(error) + 1), error, color=color, label=label)
    panel.set(
        xlabel=f"time after the origin ({unit})", ylabel="mean absolute error (units of the series)"
    )
    panel.set_ylim(bottom=0)
