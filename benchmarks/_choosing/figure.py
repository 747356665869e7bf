"""The figure of the comparison: a panel for each task, and one for the cost."""

from typing import Any

import numpy as np

from .analysis import Comparison
from .tasks import ADDING, LEARNT, OTHERS, TASKS

TRIVIAL = 1 / 6  # the error of the mean in the adding problem
MARKERS = "osD^v<>PX*p"


def figure(found: Comparison) -> Any:
    """Lines over the lengths of the adding problem; a dot for every seed of every other task."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(13, 8), layout="constrained")
    memory, *panels, legend = drawn.subplots(2, 4).flat
    colours = _colours(found)
    _memory(memory, found, colours)
    for panel, task in zip(panels, OTHERS, strict=False):
        _task(panel, found, task, colours)
    _cost(panels[-1], found, colours)
    legend.axis("off")
    handles, names = memory.get_legend_handles_labels()
    legend.legend(handles, names, loc="center", fontsize=11, frameon=False)
    return drawn


def _colours(found: Comparison) -> dict[str, Any]:
    from matplotlib import colormaps

    return {
        cell: colormaps["tab20"](2 * k % 20 + 2 * k // 20) for k, cell in enumerate(found.cells)
    }


def _memory(panel: Any, found: Comparison, colours: dict[str, Any]) -> None:
    for cell, marker in zip(found.cells, MARKERS, strict=False):
        ran = [(TASKS[t].length, r.median) for t in ADDING if (r := found.of(cell, t)) is not None]
        shown = [(length, error) for length, error in ran if np.isfinite(error)]
        panel.plot(*np.array(shown or [(np.nan, np.nan)]).T, marker, ls="-", label=cell, ms=6)
        panel.lines[-1].set_color(colours[cell])
    panel.axhline(LEARNT, color="black", lw=1, ls=":")
    panel.axhline(TRIVIAL, color="0.5", lw=1, ls="--")
    lengths = [task.length for task in ADDING.values()]
    panel.set(xscale="log", yscale="log", title="adding: median error", xlabel="steps")
    panel.set_xticks(lengths, [str(length) for length in lengths])
    panel.minorticks_off()
    panel.grid(alpha=0.3)


def _task(panel: Any, found: Comparison, task: str, colours: dict[str, Any]) -> None:
    for place, cell in enumerate(found.cells):
        result = found.of(cell, task)
        errors = [] if result is None else [e for e in result.errors if np.isfinite(e)]
        values = [found.shown(task, error) for error in errors]
        panel.plot(values, [place] * len(values), "o", color=colours[cell], alpha=0.7, ms=6)
        if values:
            panel.plot(np.median(values), place, "|", color="black", ms=14)
    if trivial := found.baseline(task):
        panel.axvline(trivial[1], color="0.5", lw=1, ls="--")
    panel.set(title=TASKS[task].title, xlabel=TASKS[task].measure)
    _names(panel, found)


def _cost(panel: Any, found: Comparison, colours: dict[str, Any]) -> None:
    for place, cell in enumerate(found.cells):
        if cell in found.costs:
            low, high = min(found.costs[cell]), max(found.costs[cell])
            panel.plot([low, high], [place, place], color=colours[cell], lw=2)
            panel.plot(found.cost[cell], place, "o", color=colours[cell], ms=7)
    panel.set(title="time of an update", xlabel="÷ Elman's; the range is over tasks", xscale="log")
    panel.set_xticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    panel.minorticks_off()
    _names(panel, found)


def _names(panel: Any, found: Comparison) -> None:
    panel.set_yticks(range(len(found.cells)), found.cells)
    panel.set_ylim(len(found.cells) - 0.5, -0.5)
    panel.grid(alpha=0.3)
