"""The grid of `cells.py` as a figure: at which sizes ours is faster than the others, and how much.

A panel for each kind of computation and rival; rows are cells and batches, columns are steps and
units.
"""

from itertools import groupby
from typing import Any

import numpy as np
from _case import CELLS, Case
from _peers import BEST, OURS, TORCH
from _record import Measurement
from _tables import over

RIVALS = {TORCH: "PyTorch", BEST: "the best other JAX library"}
MOST = 4.0  # the ratio at which colours end
COLOURS = "RdBu"  # in red ours is slower, in blue faster
DARK = 2.2  # the ratio from which on a number is white


def figure(measurements: list[Measurement]) -> Any:
    """The figure: a line of panels for each kind of computation, a column for each rival."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    cases = {m.case for m in measurements}
    rows = sorted({_row(case) for case in cases})
    columns = sorted({_column(case) for case in cases})
    whats = list(dict.fromkeys(m.what for m in measurements))
    drawn = Figure(figsize=(13, 1.5 + 5 * len(whats)), layout="constrained")
    panels = drawn.subplots(len(whats), 2, sharex=True, sharey=True, squeeze=False)
    colours = ScalarMappable(LogNorm(1 / MOST, MOST), COLOURS)
    for line, what in zip(panels, whats, strict=True):
        for panel, rival in zip(line, RIVALS, strict=True):
            points = over(measurements, OURS, (rival,)).items()
            times = {case: time for (case, kind), time in points if kind == what}
            panel.set_title(_title(what, rival, list(times.values())), fontsize=12)
            _fill(panel, rows, columns, times, colours)
    _label(panels, rows, columns)
    ticks = [1 / MOST, 0.5, 1.0, 2.0, MOST]
    bar = drawn.colorbar(colours, ax=panels, extend="both", ticks=ticks, aspect=50, shrink=0.8)
    bar.set_label("time of the other ÷ ours: more than 1 where ours is faster", fontsize=11)
    bar.ax.set_yticklabels([f"{tick:g}" for tick in ticks])
    bar.ax.minorticks_off()
    return drawn


def _row(case: Case) -> tuple[int, int]:
    return list(CELLS).index(case.cell), case.batch


def _column(case: Case) -> tuple[int, int]:
    return case.steps, case.hidden


def _title(what: str, rival: str, times: list[float]) -> str:
    ahead = sum(time >= 1 for time in times)
    share = f"ours at least as fast at {ahead} of {len(times)} sizes"
    percent = f" ({ahead / len(times):.0%})" if times else ""
    return f"{what}, against {RIVALS[rival]}:\n{share}{percent}"


def _fill(panel: Any, rows: list, columns: list, times: dict[Case, float], colours: Any) -> None:
    """The ratios as colours and numbers."""
    grid = np.full((len(rows), len(columns)), np.nan)
    for case, time in times.items():
        at = rows.index(_row(case)), columns.index(_column(case))
        grid[at] = time
        text = f"{time:.2f}" if time < 9.995 else f"{time:.0f}"
        colour = "black" if 1 / DARK < time < DARK else "white"
        panel.text(*at[::-1], text, ha="center", va="center", fontsize=8, color=colour)
    panel.imshow(grid, cmap=colours.cmap, norm=colours.norm, aspect="auto")


def _label(panels: Any, rows: list, columns: list) -> None:
    """Names both axes, and draws a line between two cells and between two numbers of steps."""
    cells = {list(CELLS)[cell]: places for cell, places in _groups(rows)}
    steps = {f"T={steps}": places for steps, places in _groups(columns)}
    for panel in panels.flat:
        panel.set_xticks(range(len(columns)), [str(hidden) for _, hidden in columns])
        panel.set_yticks(range(len(rows)), [str(batch) for _, batch in rows])
        panel.tick_params(length=0)
        for places in list(cells.values())[1:]:
            panel.axhline(places[0] - 0.5, color="black", linewidth=1.5)
        for places in list(steps.values())[1:]:
            panel.axvline(places[0] - 0.5, color="black", linewidth=1.5)
    for panel in panels[-1]:
        _outer(panel.secondary_xaxis(-0.04), "x", steps)
        panel.set_xlabel("steps T, and units H (= inputs I)", labelpad=22)
    for panel in panels[:, 0]:
        _outer(panel.secondary_yaxis(-0.06), "y", cells)
        panel.set_ylabel("cell, and sequences in a batch B", labelpad=24)


def _outer(axis: Any, letter: str, groups: dict[str, list[int]]) -> None:
    """Names of groups, on an axis of their own outside of the panel's."""
    middles = [float(np.mean(places)) for places in groups.values()]
    getattr(axis, f"set_{letter}ticks")(middles, list(groups))
    axis.tick_params(length=0, labelsize=10)
    axis.spines[:].set_visible(False)
    if letter == "y":
        axis.tick_params(labelrotation=90)


def _groups(pairs: list[tuple[int, int]]) -> list[tuple[int, list[int]]]:
    """The places of all pairs with the same first number."""
    numbered = groupby(enumerate(pairs), key=lambda item: item[1][0])
    return [(first, [place for place, _ in items]) for first, items in numbered]
