"""Tables of series: made, of electricity transformers, or of one's own."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...data import data_file, read_table

_ETT = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETTh1.csv"
_SHA256 = "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"
_MONTH, _DAY = 30 * 24, 86400  # hours of a month in the standard split; seconds of a day
_HOURS, _MADE = 5000, 8


class Clock(NamedTuple):
    """The time of the rows of a table."""

    start: datetime | None = None
    step: float = 0.0  # seconds; 0 for months
    phase: int = 0  # of the first row, in steps since the start of its longest period
    periods: tuple[int, ...] = ()  # steps of a day, a week, a year

    def known(self, rows: int) -> np.ndarray:
        """The covariates of the first rows, sine and cosine of each period: `[T, C]`."""
        turn = 2 * np.pi * (self.phase + np.arange(rows))[:, None] / np.array(self.periods or (1,))
        waves = np.concatenate([np.sin(turn), np.cos(turn)], axis=1)
        return waves[:, : 2 * len(self.periods)].astype(np.float32)

    def label(self, row: int) -> str:
        """The time of a row as a text, or its number."""
        if self.start is None:
            return str(row)
        if self.step:
            return str(self.start + timedelta(seconds=self.step * row))
        month = 12 * self.start.year + self.start.month - 1 + row
        return f"{month // 12}-{month % 12 + 1:02}"


class Table(NamedTuple):
    """Series side by side; NaN marks a gap."""

    values: np.ndarray  # `[T, F]`
    names: tuple[str, ...]
    clock: Clock
    cuts: tuple[int, int, int]  # ends of the rows to learn from, to choose by, to report

    @property
    def season(self) -> int:
        """Number of steps of the shortest period; 1 where none is known."""
        return self.clock.periods[0] if self.clock.periods else 1


def made_series() -> Table:
    """Eight hourly series with trends, days, weekends, noise that follows the day, and gaps."""
    rng, hours = np.random.default_rng(0), np.arange(_HOURS)
    weekend = (hours // 24 % 7 >= 5)[:, None]
    turn = 2 * np.pi * (hours[:, None] / 24 - rng.uniform(size=_MADE))
    day = np.sin(turn) + 0.5 * np.sin(2 * turn + rng.uniform(0, 6, _MADE))
    day = day * np.where(weekend, rng.uniform(0.1, 0.5, _MADE), 1)
    noise, shock = np.zeros((_HOURS, _MADE)), rng.standard_normal((_HOURS, _MADE))
    for t in range(1, _HOURS):
        noise[t] = 0.7 * noise[t - 1] + (0.15 + 0.1 * (day[t] > 0)) * shock[t]
    trend = rng.uniform(-1, 1, _MADE) * hours[:, None] / 2500
    values = rng.uniform(5, 50, _MADE) + rng.uniform(2, 10, _MADE) * (day + noise + trend)
    values[rng.uniform(size=values.shape) < 0.02] = np.nan
    for series in range(_MADE):
        for start in rng.integers(0, _HOURS, 12):
            values[start : start + rng.integers(4, 25), series] = np.nan
    clock = Clock(datetime(2024, 1, 1), 3600, 0, (24, 168))
    names = tuple(f"station {chr(65 + k)}" for k in range(_MADE))
    return Table(values.astype(np.float32), names, clock, _cuts(_HOURS))


def etth1() -> Table:
    """Load and oil temperature of a transformer, hourly; 12, 4 and 4 months of 30 days."""
    table = read_series(data_file("series/ETTh1.csv", url=_ETT, sha256=_SHA256))
    return table._replace(cuts=(12 * _MONTH, 16 * _MONTH, 20 * _MONTH))


def own_series(path: str) -> Table:
    """The table of a file.

    Raises:
        ValueError: in one line, if it is no such file.
    """
    if not Path(path).is_file():
        raise ValueError(
            f"expected 'made', 'etth1' or a .csv or .tsv file with a header, got no file {path}"
        )
    return read_series(path)


def read_series(path: str | Path) -> Table:
    """The series of a file with a header: a column of times first or none, then numbers.

    An empty cell is a gap, and so is a row that is missing between two times.

    Raises:
        ValueError: in one line, if there is no number, a cell is neither empty nor a number, or
            times do not rise by equal steps.
    """
    head, *rows = read_table(path)
    first = [row[0] for row in rows]
    dated = bool(rows) and _time(first[0]) is not None
    names = tuple(head[1:] if dated else head)
    if not rows or not names:
        raise ValueError(f"expected rows of numbers below a header, got none in {path}")
    cells = [[_number(path, c) for c in (row[1:] if dated else row)] for row in rows]
    values = np.array(cells, np.float32)
    clock, places = _clock(path, first) if dated else (Clock(), np.arange(len(rows)))
    table = np.full((places[-1] + 1, len(names)), np.nan, np.float32)
    table[places] = values
    return Table(table, names, clock, _cuts(len(table)))


def _cuts(rows: int) -> tuple[int, int, int]:
    """Seven tenths to learn from, one to choose by, two to report."""
    return rows * 7 // 10, rows * 8 // 10, rows


def _number(path: str | Path, cell: str) -> float:
    try:
        return float(cell) if cell.strip() else np.nan
    except ValueError:
        raise ValueError(
            f"expected numbers or empty cells behind the times in {path}, got {cell!r}"
        ) from None


def _time(cell: str) -> datetime | None:
    text = cell.strip()
    if "-" not in text[1:]:
        return None
    try:
        return datetime.fromisoformat(text + "-01" if len(text) == 7 else text)
    except ValueError:
        return None


def _clock(path: str | Path, cells: list[str]) -> tuple[Clock, np.ndarray]:
    """The clock of times, and the row of each."""
    times = []
    for cell in cells:
        times.append(_time(cell))
        if times[-1] is None:
            raise ValueError(f"expected times such as 2024-01-31 15:00 in {path}, got {cell!r}")
    start, seconds = times[0], np.array([(time - times[0]).total_seconds() for time in times])
    step = float(np.diff(seconds).min(initial=np.inf))
    if 28 * _DAY <= step <= 31 * _DAY:
        months = [12 * time.year + time.month - 12 * start.year - start.month for time in times]
        places, clock = np.array(months), Clock(start, 0.0, start.month - 1, (12,))
    else:
        places = seconds / step if 0 < step < np.inf else np.zeros(len(seconds))
        clock = Clock(start, step, *_periods(start, step))
    rows = np.round(places).astype(int)
    if len(rows) < 2 or (np.diff(rows) < 1).any() or not np.allclose(rows, places, atol=1e-3):
        raise ValueError(f"expected times in {path} that rise by equal steps, with or without gaps")
    return clock, rows


def _periods(start: datetime, step: float) -> tuple[int, tuple[int, ...]]:
    """The phase of the first row, and the steps of a day and a week, or of a year."""
    if step and step <= _DAY and _DAY % step == 0:
        week = start.weekday() * _DAY + 3600 * start.hour + 60 * start.minute + start.second
        day = round(_DAY / step)
        return int(week / step), ((day, 7 * day) if day > 1 else (7,))
    return (int(start.timetuple().tm_yday / 7), (52,)) if step == 7 * _DAY else (0, ())
