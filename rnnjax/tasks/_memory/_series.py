"""Series for a reservoir, its free runs, their errors, and simpler forecasts of the same series."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ... import cells
from ...data import read_table
from ...engine import scan
from ...training import ridge_regression
from .._mackey_glass import mackey_glass

Values = Float[np.ndarray, "time"]

RIDGES = tuple(10.0**k for k in range(-14, -1, 2))
LAGS = (10, 20, 40, 80)
_STARTS = 50  # free runs of an evaluation
_LENGTHS = {"train": 3000, "valid": 3000, "test": 6000}  # of Mackey-Glass
_CONSTANT = 0.5  # the second input, without which a reservoir of tanh has only odd functions


class Series(NamedTuple):
    """The values to learn from, to choose by, and to report, one after the other."""

    train: Values
    valid: Values
    test: Values

    @property
    def whole(self) -> Values:
        return np.concatenate(self)

    def starts(self, part: str, horizon: int) -> np.ndarray:
        """The last places before forecasts, evenly over a part, in which their horizons lie."""
        first = {"valid": len(self.train), "test": len(self.train) + len(self.valid)}[part]
        last = first + len(getattr(self, part)) - horizon
        return np.unique(np.linspace(first - 1, last - 1, _STARTS).astype(int))


class Scale(NamedTuple):
    """The mean and the standard deviation of the values to learn from."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Values) -> "Scale":
        return cls(float(values.mean()), float(values.std()) or 1.0)

    def inputs(self, values: Values) -> np.ndarray:
        """Inputs `[T, 2]`: the scaled value, and a constant."""
        scaled = (values - self.mean) / self.deviation
        return np.stack([scaled, np.full(len(values), _CONSTANT)], axis=-1)

    def values(self, outputs: Any) -> np.ndarray:
        """The values of outputs `[..., 2]`."""
        return np.asarray(outputs)[..., 0] * self.deviation + self.mean


def load_series(data: str, horizon: int) -> Series:
    """The Mackey-Glass series, or the last column of a table, its last two fifths held out.

    Raises:
        ValueError: in one line, if it is no such table or too short.
    """
    if data == "mackey-glass":
        values = mackey_glass(sum(_LENGTHS.values()))
        return Series(*np.split(values, np.cumsum([*_LENGTHS.values()])[:-1]))
    values = read_series(data)
    if len(values) < (least := max(100, 10 * horizon)):
        raise ValueError(f"expected at least {least} values, ten horizons, got {len(values)}")
    if not values.std():
        raise ValueError(f"expected a series that changes, got {len(values)} equal values")
    return Series(*np.split(values, [len(values) * 3 // 5, len(values) * 4 // 5]))


def read_series(path: str | Path) -> Values:
    """The numbers in the last column of a table; a first row of names is left out.

    Raises:
        ValueError: in one line, if there is no such table, or something else than a number in it.
    """
    if not Path(path).is_file():
        raise ValueError(
            f"expected 'mackey-glass' or a .csv or .tsv with a series, got no file {path}"
        )
    cells = [row[-1] for row in read_table(path)]
    found = [_number(cell) for cell in cells]
    found = found if found[0] is not None else found[1:]
    if None in found or not found:
        wrong = cells[len(cells) - len(found) :][found.index(None)] if found else "none"
        raise ValueError(f"expected numbers in the last column of {path}, got {wrong!r}")
    return np.array(found, float)


def _number(text: str) -> float | None:
    try:
        return value if np.isfinite(value := float(text)) else None
    except ValueError:
        return None


def states_of(cell: cells.EchoState, params: Any, inputs: Any) -> np.ndarray:
    """The states `[T, N]` behind given inputs; no readout changes them."""
    return np.asarray(scan(cells.Record(cell), params, inputs)[1][1])


def solve(
    cell: cells.EchoState, params: Any, series: Series, scale: Scale, horizon: int, washout: int
) -> tuple[Any, float]:
    """The readout whose ridge gives the best free runs on the validation values, and the ridge."""
    inputs = scale.inputs(series.whole)
    states, end = states_of(cell, params, inputs), len(series.train)
    places, found = series.starts("valid", horizon), []
    washout = min(washout, end // 2)
    for ridge in RIDGES:
        w, b = ridge_regression(states[washout : end - 1], inputs[washout + 1 : end], ridge=ridge)
        solved = params._replace(w_o=w, b_o=b)
        runs = scale.values(free_run(cell, solved, states[places], horizon))
        found.append((error(runs, places, series), ridge, solved))
    _, ridge, solved = min(found, key=lambda each: np.nan_to_num(each[0], nan=np.inf))
    return solved, ridge


def free_run(cell: cells.EchoState, params: Any, carry: Any, steps: int) -> np.ndarray:
    """The outputs `[steps, *batch, O]` from a state on: the one that is due, then what follows."""
    first = cell.readout(params, carry, None)
    _, ys = scan(cell, params, None, carry, length=steps - 1)
    return np.concatenate([np.asarray(first)[None], ys])


def test_runs(
    cell: cells.EchoState, params: Any, series: Series, scale: Scale, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Free runs `[horizon, starts]` in the test values, and the last places before them."""
    places = series.starts("test", horizon)
    states = states_of(cell, params, scale.inputs(series.whole))[places]
    return scale.values(free_run(cell, params, states, horizon)), places


def error(runs: np.ndarray, places: np.ndarray, series: Series) -> float:
    """The root of the mean squared error of the last forecasts, over the deviation of the series.

    Args:
        runs: forecasts `[horizon, starts]`.
        places: the last places before the forecasts.
        series: the true values.
    """
    whole, horizon = series.whole, len(runs)
    with np.errstate(over="ignore"):
        squares = (runs[-1] - whole[places + horizon]) ** 2
        return float(np.sqrt(np.mean(squares) / whole.var()))


def forecasts(series: Series, scale: Scale, horizon: int) -> dict[str, float]:
    """The errors of simpler forecasts of the test values.

    The number of lags of the autoregression is the best one on the validation values.
    """
    places = series.starts("test", horizon)
    last = np.tile(series.whole[places], (horizon, 1))
    few = [lags for lags in LAGS if 4 * lags <= len(series.train)]
    runs = {lags: _autoregression(series, scale, lags, "valid", horizon) for lags in few}
    lags = min(few, key=lambda lags: error(*runs[lags], series))
    linear = _autoregression(series, scale, lags, "test", horizon)
    return {
        "last value": error(last, places, series),
        f"linear autoregression of {lags} values": error(*linear, series),
    }


def _autoregression(
    series: Series, scale: Scale, lags: int, part: str, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Free runs of a linear autoregression, and the last places before them."""
    scaled = (series.whole - scale.mean) / scale.deviation
    train = scaled[: len(series.train)]
    rows = np.lib.stride_tricks.sliding_window_view(train, lags)
    w, b = map(np.asarray, ridge_regression(rows[:-1], train[lags:, None]))
    places = series.starts(part, horizon)
    recent = scaled[places[:, None] + np.arange(1 - lags, 1)]
    for _ in range(horizon):
        recent = np.concatenate([recent, recent[:, -lags:] @ w + b], axis=1)
    return recent[:, lags:].T * scale.deviation + scale.mean, places
