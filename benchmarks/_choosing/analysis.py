"""The cells compared, from the rows of the record alone."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .networks import CELLS, GATED
from .tasks import ADDING, LEARNT, OTHERS, TASKS

MEMORY = "memory"  # the adding problem at all its lengths, as one subject
SUBJECTS = (MEMORY, *OTHERS)
FIRST = "Elman"  # the cell whose cost is 1
# With five seeds each, a cell that wins 4 pairs of 25 or fewer is behind: 5 % by chance, by the
# one-sided test of Mann and Whitney. The share is the same for other numbers of seeds.
PAIRS_OF_CHANCE = 4 / 25


class Result(NamedTuple):
    """A cell on a task: the test error of each seed, lower is better, infinite for a failure."""

    errors: tuple[float, ...]
    rate: float
    ms: float
    seconds: float
    updates: int
    units: int
    parameters: int  # of the whole network

    @property
    def median(self) -> float:
        """The error of the middle seed."""
        return float(np.median(self.errors))

    @property
    def spread(self) -> float:
        """Half the range of the seeds."""
        return (max(self.errors) - min(self.errors)) / 2


class Comparison:
    """The answers of a record.

    Args:
        rows: the lines of the record.
    """

    def __init__(self, rows: Iterable[dict[str, Any]]):
        rows = list(rows)
        groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in rows:
            if "seed" in row:
                groups.setdefault((row["cell"], row["task"]), []).append(row)
        self.results = {key: _result(group) for key, group in groups.items()}
        self.cells = [cell for cell in CELLS if any(c == cell for c, _ in groups)]
        self.baselines = {
            task: {
                row["cell"]: row["value"]
                for row in rows
                if row.get("source") == "trivial" and row["task"] == task
            }
            for task in TASKS
        }
        self.missing = [
            (cell, task)
            for cell in self.cells
            for task in (*self.climbed(cell), *OTHERS)
            if (cell, task) not in self.results
        ]

    def of(self, cell: str, task: str) -> Result | None:
        """The result of a cell on a task, if there is one."""
        return self.results.get((cell, task))

    def ranking(self, task: str) -> list[str]:
        """The cells with a result, the one with the best median first."""
        ran = [cell for cell in self.cells if (cell, task) in self.results]
        return sorted(ran, key=lambda cell: self.results[cell, task].median)

    def level(self, subject: str) -> list[str]:
        """The best cell of a subject, and those that chance does not tell from it; best first."""
        if subject == MEMORY:
            furthest = max(self.reach.values(), default=0)
            level = [cell for cell in self.cells if 0 < furthest == self.reach[cell]]
            return sorted(level, key=lambda cell: self.cost.get(cell, np.inf))
        ranking = self.ranking(subject)
        best = self.results[ranking[0], subject].errors if ranking else ()
        return [
            cell
            for place, cell in enumerate(ranking)
            if place == 0
            or wins(self.results[cell, subject].errors, best)
            > PAIRS_OF_CHANCE * len(best) * len(self.results[cell, subject].errors)
        ]

    @cached_property
    def levels(self) -> dict[str, list[str]]:
        """The cells level with the best, by subject."""
        return {subject: self.level(subject) for subject in SUBJECTS}

    @cached_property
    def score(self) -> dict[str, int]:
        """The number of subjects in which a cell is level with the best."""
        return {c: sum(c in level for level in self.levels.values()) for c in self.cells}

    @cached_property
    def reach(self) -> dict[str, int]:
        """The longest length up to which a cell learns the adding problem; 0 if not the first."""
        learnt = {c: [t for t in self.climbed(c) if self.learns(c, t)] for c in self.cells}
        return {c: max((TASKS[t].length for t in learnt[c]), default=0) for c in self.cells}

    def climbed(self, cell: str) -> list[str]:
        """The adding problems that a cell meets: up to the first that it does not learn."""
        failed = (n for n, task in enumerate(ADDING, 1) if not self.learns(cell, task))
        return [*ADDING][: next(failed, None)]

    def learns(self, cell: str, task: str) -> bool:
        """Whether the middle seed has learnt the adding problem."""
        result = self.of(cell, task)
        return result is not None and result.median < LEARNT

    @cached_property
    def cost(self) -> dict[str, float]:
        """The time of an update next to Elman's: the geometric mean over tasks."""
        return {cell: _geometric_mean(ratios) for cell, ratios in self.costs.items()}

    @cached_property
    def costs(self) -> dict[str, list[float]]:
        """The time of an update next to Elman's, on each task that every cell has met."""
        first = self.times.get(FIRST, [])
        pairs = {cell: zip(mine, first, strict=False) for cell, mine in self.times.items()}
        found = {cell: [a / b for a, b in each] for cell, each in pairs.items()}
        return {cell: ratios for cell, ratios in found.items() if ratios}

    @cached_property
    def ms(self) -> dict[str, float]:
        """The time of an update in milliseconds: the geometric mean over the same tasks."""
        return {cell: _geometric_mean(times) for cell, times in self.times.items() if times}

    @cached_property
    def times(self) -> dict[str, list[float]]:
        """The time of an update in milliseconds, on each task that every cell has met."""
        tasks = [t for t in TASKS if all((cell, t) in self.results for cell in self.cells)]
        return {cell: [self.results[cell, t].ms for t in tasks] for cell in self.cells}

    def baseline(self, task: str) -> tuple[str, float] | None:
        """The best of what needs no network."""
        sign = -1 if TASKS[task].higher else 1
        found = self.baselines[task].items()
        return min(found, key=lambda item: sign * item[1], default=None)

    def shown(self, task: str, error: float) -> float:
        """The value of an error, as it was measured."""
        return -error if TASKS[task].higher else error

    @property
    def gates(self) -> tuple[list[int], list[int]]:
        """The reach of every cell with gates, and of every other one."""
        gated = [reach for cell, reach in self.reach.items() if cell in GATED]
        return gated, [reach for cell, reach in self.reach.items() if cell not in GATED]


def wins(mine: tuple[float, ...], others: tuple[float, ...]) -> float:
    """The number of pairs in which the first error is lower; a half for equal ones."""
    return sum((a < b) + (a == b) / 2 for a in mine for b in others)


def _geometric_mean(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def _result(rows: list[dict[str, Any]]) -> Result:
    sign = -1 if TASKS[rows[0]["task"]].higher else 1
    errors = tuple(sign * row["value"] if "value" in row else np.inf for row in rows)
    return Result(errors, *(rows[0][name] for name in Result._fields[1:]))
