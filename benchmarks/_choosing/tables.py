"""The tables of the comparison, in Markdown."""

import numpy as np
from _markdown import table

from .analysis import Comparison, Result
from .tasks import ADDING, LEARNT, OTHERS

Lines = list[str]
PER_TASK = {task: f"{OTHERS[task].title}, {OTHERS[task].measure}" for task in OTHERS}


def of_results(found: Comparison) -> Lines:
    """A line for each cell: size, time, memory, and the other tasks; the level ones in bold."""
    lines = []
    for cell in found.cells:
        some = next(result for (name, _), result in found.results.items() if name == cell)
        reach = found.reach[cell]
        ratio = f"{found.cost[cell]:.2f}" if cell in found.cost else "—"
        time = f"{found.ms[cell]:.0f} ({ratio})" if cell in found.ms else "—"
        entries = [str(some.units), time]
        entries.append(_bold(str(reach) if reach else "—", cell in found.levels["memory"]))
        for task in OTHERS:
            text = value(found, task, found.of(cell, task))
            entries.append(_bold(text, cell in found.levels[task]))
        lines.append([f"`{cell}`", *entries])
    best = [found.baseline(task) for task in OTHERS]
    shown = [number(one[1]) if one else "—" for one in best]
    lines.append(["without a network", "—", "—", "—", *shown])
    heads = ["cell", "units", "ms of an update (÷ Elman's)", "adding learnt up to, steps"]
    return table([*heads, *PER_TASK.values()], lines)


def of_adding(found: Comparison) -> Lines:
    """The error of each cell at each length of the adding problem, and the seeds that learn."""
    lines = []
    for cell in found.cells:
        results = [found.of(cell, task) for task in ADDING]
        lines.append([f"`{cell}`", *(_learnt(result) for result in results)])
    return table(["cell", *(f"{task.length} steps" for task in ADDING.values())], lines)


def of_tasks() -> Lines:
    """What is learnt, from which data."""
    adding = next(iter(ADDING.values()))
    lengths = ", ".join(str(task.length) for task in ADDING.values())
    lines = [[f"adding, at {lengths} steps", adding.about, adding.measure]]
    lines += [[task.title, task.about, task.measure] for task in OTHERS.values()]
    return table(["task", "what is learnt", "measure"], lines)


def value(found: Comparison, task: str, result: Result | None) -> str:
    """The median of the seeds and half their range."""
    if result is None or not np.isfinite(result.median):
        return "—" if result is None else "failed"
    failed = sum(not np.isfinite(error) for error in result.errors)
    spread = f"{failed} failed" if failed else f"± {result.spread:.1g}"
    return f"{number(found.shown(task, result.median))} {spread}"


def number(value: float) -> str:
    """A number with three digits, zeros at its end too."""
    return f"{value:#.3g}".rstrip(".")


def _learnt(result: Result | None) -> str:
    if result is None:
        return "—"
    seeds = sum(error < LEARNT for error in result.errors)
    median = number(result.median) if np.isfinite(result.median) else "failed"
    return _bold(f"{median} ({seeds} of {len(result.errors)})", result.median < LEARNT)


def _bold(text: str, wanted: bool) -> str:
    return f"**{text}**" if wanted else text
