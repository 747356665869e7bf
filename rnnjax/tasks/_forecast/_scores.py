"""Forecasts of windows, and their scores beside trivial ones."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy.special import ndtri

from ...decoding import sample_paths
from ...forecasting import LinearForecast, Window, seasonal_naive
from ...layers import Layer
from ...losses import (
    Gaussian,
    StudentT,
    absolute_error,
    coverage,
    crps,
    gaussian_crps,
    squared_error,
)
from .._application import compare
from ._network import Rows, network_batch, window_scaling

LIKELIHOODS = {"gaussian": (Gaussian.of, 2), "student_t": (StudentT.of, 3)}
INTERVAL = (0.1, 0.9)  # of 80 %
Points = Callable[[Window], np.ndarray]


class Forecaster(NamedTuple):
    """A trained network: a function of windows."""

    model: Layer
    params: Any
    kind: str
    likelihood: str = "gaussian"
    samples: int = 100
    seed: int = 0

    def points(self, window: Window) -> np.ndarray:
        """The forecast of a direct network, `[B, H]`."""
        scaling = window_scaling("direct", window.past)
        inputs = network_batch("direct", window).inputs
        return scaling.inverse(np.asarray(_apply(self.model, self.params, inputs)))

    def paths(self, window: Window) -> np.ndarray:
        """Sampled paths, `[S, B, H]`."""
        scaling = window_scaling("paths", window.past)
        inputs = np.asarray(network_batch("paths", window).inputs)
        found = sample_paths(
            self.model,
            self.params,
            inputs,
            LIKELIHOODS[self.likelihood][0],
            jax.random.key(self.seed),
            horizon=window.future.shape[1],
            num=self.samples,
        )
        return scaling.inverse(np.asarray(found))


@partial(jax.jit, static_argnames="model")
def _apply(model: Layer, params: Any, inputs: Any) -> Any:
    return model.apply(params, inputs)[1]


def _totals(**losses: Any) -> Callable[..., dict[str, tuple]]:
    """A function of predictions by name, true values and their mask: sums and counts by name."""

    @jax.jit
    def totals(predictions: dict[str, Any], *true: Any) -> dict[str, tuple]:
        return {name: loss.total(predictions[name], *true) for name, loss in losses.items()}

    return totals


_POINTS = _totals(MSE=squared_error, MAE=absolute_error)
_PATHS = _totals(CRPS=crps, coverage=coverage, MSE=squared_error, MAE=absolute_error)
_GAUSSIAN = _totals(CRPS=gaussian_crps, coverage=coverage)


def repeat(horizon: int, season: int) -> Points:
    """The last season again and again, as far as the past reaches."""
    return lambda window: seasonal_naive(
        window.past, horizon, min(season, np.shape(window.past)[1])
    )


def errors(forecasts: Points, windows: Iterable[Window]) -> dict[str, float]:
    """The mean squared and the mean absolute error, of all that was observed."""
    found = ((forecasts(window), window) for window in windows)
    return _means(_POINTS({"MSE": each, "MAE": each}, *truth(window)) for each, window in found)


def path_scores(forecaster: Forecaster, windows: Iterable[Window]) -> dict[str, float]:
    """The scores of sampled paths: CRPS, coverage of 80 % intervals, MSE and MAE."""

    def one(window: Window) -> dict[str, tuple]:
        paths = forecaster.paths(window)
        bounds = np.moveaxis(np.quantile(paths, INTERVAL, axis=0), 0, -1).astype(paths.dtype)
        middle = {"MSE": paths.mean(0), "MAE": np.median(paths, axis=0)}
        spread = {"CRPS": np.moveaxis(paths, 0, -1), "coverage": bounds}
        return _PATHS(spread | middle, *truth(window))

    return _means(map(one, windows))


def gaussian_scores(
    line: LinearForecast, valid: Iterable[Window], test: Iterable[Window]
) -> dict[str, float]:
    """The scores of a linear map with Gaussian errors, of a spread for each step of the horizon."""
    residuals = np.concatenate([w.future - line.predict(w.past) for w in valid])
    spread = np.maximum(np.sqrt(np.nanmean(residuals**2, axis=0)), 1e-3)
    raw = np.log(np.expm1(spread))  # what softplus undoes

    def one(window: Window) -> dict[str, tuple]:
        mean = line.predict(window.past)
        outputs = np.stack([mean, np.broadcast_to(raw, mean.shape)], -1)
        bounds = np.stack([mean + ndtri(level) * spread for level in INTERVAL], -1)
        return _GAUSSIAN({"CRPS": outputs, "coverage": bounds}, *truth(window))

    return _means(map(one, test))


def report(config: Any, rows: Rows, season: int, line: LinearForecast, found: Forecaster) -> Any:
    """Prints scores on test windows beside trivial ones, in standard deviations; returns them."""
    test = scored_windows("test", rows, config)
    title = f"test windows, {config.horizon} steps"
    simple = {"last value": repeat(config.horizon, 1)}
    if season > 1:
        simple["last season"] = repeat(config.horizon, season)
    simple["linear map"] = lambda window: line.predict(window.past)
    others = {name: errors(forecast, test) for name, forecast in simple.items()}
    ours = scores(found, test)
    compared = {}
    for measure in ("MSE", "MAE"):
        table = {name: score[measure] for name, score in others.items()}
        compared |= compare(title, measure, table | {"this network": ours[measure]})
    if config.model == "paths":
        gauss = gaussian_scores(line, scored_windows("valid", rows, config), test)
        table = {"linear map, Gaussian errors": gauss["CRPS"]}
        compared |= compare(title, "CRPS", table | {"this network": ours["CRPS"]})
        table = {"linear map, Gaussian errors": gauss["coverage"]}
        name, table = "within 80 % intervals", table | {"this network": ours["coverage"]}
        compared |= compare(title, name, table, "{:.1%}".format)
    return compared


def scored_windows(part: str, rows: Rows, config: Any) -> Iterable[Window]:
    """The windows whose scores are reported: all of them, or fewer where paths are sampled."""
    stride = 1 if config.model == "direct" else max(1, config.horizon // 3)
    return rows.windows(part, config, stride=stride)


def scores(found: Forecaster, windows: Iterable[Window]) -> dict[str, float]:
    """The scores of a network."""
    if found.kind == "direct":
        return errors(found.points, windows)
    return path_scores(found, windows)


def truth(window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The values of the horizon, and where they were observed."""
    seen = ~np.isnan(window.future)
    return np.where(seen, window.future, 0), seen


def _means(totals: Iterable[dict[str, tuple]]) -> dict[str, float]:
    sums: dict[str, np.ndarray] = {}
    for total in totals:
        for name, pair in total.items():
            sums[name] = sums.get(name, np.zeros(2)) + np.array(jax.device_get(pair), np.float64)
    return {name: float(total / max(count, 1)) for name, (total, count) in sums.items()}
