"""The sentences of the guide about what was found; each is computed from the record."""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from .analysis import FIRST, Comparison
from .tables import number
from .tasks import LENGTHS, OTHERS, TASKS
from .training import RATES

Lines = list[str]


def findings(found: Comparison) -> Lines:
    """A paragraph for each subject, and about time, tuning and failures."""
    paragraphs = [_memory(found), *(_task(found, task) for task in OTHERS)]
    paragraphs += [_time(found), _tuning(found), _failures(found)]
    return [line for text in paragraphs if text for line in ("", text)][1:]


def listed(names: Iterable[str], mark: str = "`") -> str:
    """Names with commas and an "and"."""
    words = [f"{mark}{name}{mark}" for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _memory(found: Comparison) -> str:
    parts = []
    for length in sorted({*found.reach.values()} - {0}, reverse=True):
        cells = [cell for cell in found.cells if found.reach[cell] == length]
        parts.append(f"up to {length} steps by {listed(cells)}")
    if none := [cell for cell in found.cells if not found.reach[cell]]:
        parts.append(f"not even at {LENGTHS[0]} steps by {listed(none)}")
    text = f"**Memory.** The adding problem is learnt {'; '.join(parts)}."
    if not any(found.reach.values()):
        text = f"**Memory.** No cell learns the adding problem, not even at {LENGTHS[0]} steps."
    gated, others = found.gates
    if gated and others and max(gated + others):
        text += f" {_gates(gated, others)}"
    return text


def _gates(gated: list[int], others: list[int]) -> str:
    """Whether gates are what makes a cell remember."""
    ends = f"cells with gates reach {_range(gated)}, the others {_range(others)}"
    if min(gated) > max(others):
        return f"Gates decide it: {ends}."
    if np.mean(gated) > np.mean(others):
        return f"Gates help and do not decide it: {ends}."
    return f"Gates do not decide it: {ends}."


def _range(numbers: list[int]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{least} steps" if least == most else f"{least} to {most} steps"


def _task(found: Comparison, task: str) -> str:
    ranking, (best, *level) = found.ranking(task), found.levels[task] or [""]
    if not best:
        return ""
    result = found.results[best, task]
    middle, *ends = (
        number(found.shown(task, error))
        for error in (result.median, min(result.errors), max(result.errors))
    )
    text = f"**{TASKS[task].title.capitalize()}**, {TASKS[task].measure}. `{best}` is the best: "
    text += f"{middle}, from {ends[0]} with its best seed to {ends[1]} with its worst."
    behind = [cell for cell in ranking if cell not in (best, *level)]
    text += f" Level with it: {listed(level)}." if level else " No other cell is level with it."
    if behind:
        last = found.results[behind[-1], task].median
        shown = number(found.shown(task, last)) if np.isfinite(last) else "no number"
        text += f" The last is `{behind[-1]}` with {shown}."
    return text + _without(found, task, ranking)


def _without(found: Comparison, task: str, ranking: list[str]) -> str:
    """How the cells stand next to what needs no network."""
    trivial = found.baseline(task)
    if trivial is None:
        return ""
    error = found.shown(task, trivial[1])  # the sign is its own inverse
    behind = [cell for cell in ranking if found.results[cell, task].median >= error]
    text = f" Without a network: {trivial[0]}, {number(trivial[1])}"
    if len(behind) == len(ranking):
        return f"{text}, which no cell beats in this time."
    return f"{text}, which {listed(behind)} {_do(behind)} not beat." if behind else f"{text}."


def _do(names: list[str]) -> str:
    return "does" if len(names) == 1 else "do"


def _time(found: Comparison) -> str:
    if FIRST not in found.cost:
        return ""
    order = sorted(found.cost, key=lambda cell: found.cost[cell])
    text = f"**Time.** An update of `{FIRST}` takes {number(found.ms[FIRST])} ms, all its networks "
    text += "together, as the geometric mean over the tasks that every cell met. "
    ends = [f"`{cell}` ({found.cost[cell]:.2f} times as long)" for cell in (order[0], order[-1])]
    if order[0] == FIRST:
        return f"{text}It is the cheapest; the dearest is {ends[1]}."
    return f"{text}The cheapest is {ends[0]}, the dearest {ends[1]}."


def _tuning(found: Comparison) -> str:
    counts = Counter(result.rate for result in found.results.values())
    total = sum(counts.values())
    parts = [f"{rate:g} in {counts[rate]}" for rate in RATES]
    text = (
        f"**Tuning.** Of {total} pairs of a cell and a task, the best rate is {', '.join(parts)}."
    )
    edges = [rate for rate in (RATES[0], RATES[-1]) if 2 * counts[rate] > total]
    if edges:
        text += f" Most are at {edges[0]:g}, an end of the grid, so a wider one could change them."
    return text


def _failures(found: Comparison) -> str:
    diverged = Counter(
        cell
        for (cell, _), result in found.results.items()
        for error in result.errors
        if not np.isfinite(error)
    )
    parts = []
    if diverged:
        counted = ", ".join(f"{count} of `{cell}`" for cell, count in diverged.items())
        parts.append(f"Runs that ended without a finite number, at the best rate: {counted}.")
    if found.missing:
        pairs = ", ".join(f"`{cell}` on {TASKS[task].title}" for cell, task in found.missing)
        parts.append(f"Not measured: {pairs}.")
    return f"**Failures.** {' '.join(parts)}" if parts else ""
