"""Forecasts beyond the end of a table, and those of the figure."""

import csv
import sys
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ...forecasting import LinearForecast, Scaling, Window
from ._network import Rows
from ._scores import Forecaster
from ._series import Table

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_SHOWN = 128  # windows of the coverage in the figure


def beyond(table: Table, context: int, horizon: int, found: Forecaster) -> np.ndarray:
    """The forecasts behind the last row, `[F, H]`, or their mean and quantiles `[F, H, 1 + Q]`.

    Raises:
        ValueError: if the table is shorter than the context.
    """
    if len(table.values) < context:
        raise ValueError(f"expected at least {context} rows, the context, got {len(table.values)}")
    scaling = Scaling.fit(table.values)  # all of it is past
    past = scaling.apply(table.values)[-context:].T
    steps = table.clock.known(len(table.values) + horizon)[-(context + horizon) :]
    known = np.broadcast_to(steps, (len(past), *steps.shape)) if steps.size else None
    window = Window(past, np.full((len(past), horizon), np.nan, past.dtype), known)
    level = Scaling(scaling.center.T, scaling.scale.T)
    if found.kind == "direct":
        return level.inverse(found.points(window))
    paths = level.inverse(found.paths(window))
    return np.stack([paths.mean(0), *np.quantile(paths, QUANTILES, axis=0)], -1)


def write(out: Path | None, table: Table, forecasts: np.ndarray) -> None:
    """Writes forecasts as CSV, to a file or on the screen: a row for each series and step."""
    names = ["mean", *map(str, QUANTILES)] if forecasts.ndim == 3 else ["forecast"]
    rows = [
        [
            table.clock.label(len(table.values) + k),
            name,
            *(f"{x:.6g}" for x in np.ravel(numbers)),
        ]
        for name, series in zip(table.names, forecasts, strict=True)
        for k, numbers in enumerate(series)
    ]

    def to(file: TextIO) -> None:
        csv.writer(file, lineterminator="\n").writerows([["time", "series", *names], *rows])

    if out is None:
        to(sys.stdout)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="", encoding="utf-8") as file:
        to(file)
    print(f"forecast  {out}")


def figure_windows(
    config: Any, table: Table, rows: Rows, line: LinearForecast, found: Forecaster
) -> tuple[Window, np.ndarray, np.ndarray, str, str]:
    """Test windows of the last series in its units, their forecasts, and names."""
    last = rows._replace(series=rows.series[-1:], known=rows.known[-1:])
    every = last.cuts[2] - last.cuts[1] - config.horizon
    window = last.windows("test", config, batch=_SHOWN, stride=max(1, every // _SHOWN))(0)
    level = Scaling(rows.scaling.center[:, -1:], rows.scaling.scale[:, -1:])
    forecasts = found.points(window) if config.model == "direct" else found.paths(window)
    baseline = level.inverse(line.predict(window.past))
    steps = {3600.0: "hours", 86400.0: "days", 0.0: "months"}
    dated = table.clock.start is not None
    unit = steps.get(table.clock.step, "steps") if dated else "steps"
    units = Window(level.inverse(window.past), level.inverse(window.future), window.known)
    return units, level.inverse(forecasts), baseline, table.names[-1], unit
