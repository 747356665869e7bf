"""The comparison of contestants: checked first, then timed call by call in turn."""

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from _case import Case
from _clock import in_turn, memory, seconds
from _record import Measurement

QUALIFYING_CALLS = 3  # by which the fastest contestant of a family is found
# Of the error in a result; a contestant in fewer bits has a tolerance of its own.
TOLERANCE = {"forward": 1e-4, "request": 1e-4, "step": 1e-5, "training": 1e-3}


class Call:
    """A program ready to run.

    Attributes:
        run: the timed function, without arguments.
        once: the function that gives the result to be checked; `run` by default.
        count: number of computations in one run.
        compile_s: seconds to trace and compile.
        temp_bytes: memory for intermediate results.
    """

    def __init__(
        self,
        run: Callable[[], Any],
        once: Callable[[], Any] | None = None,
        *,
        count: int = 1,
        compile_s: float | None = None,
        temp_bytes: int | None = None,
    ):
        self.run, self.once, self.count = run, once or run, count
        self.compile_s, self.temp_bytes = compile_s, temp_bytes

    def result(self) -> Any:
        """The result in the layout of this library; `None` for a parameter that a peer lacks."""
        return jax.device_get(self.once())

    def seconds(self) -> float:
        """The time of one computation."""
        return seconds(self._waited_for) / self.count

    def memory(self) -> tuple[int, int] | None:
        """Growth and peak of the resident set during one run."""
        return memory(self._waited_for)

    def _waited_for(self) -> None:
        jax.block_until_ready(self.run())


# It has a `family`, a `name`, a `tolerance` for the error, and `prepare(what)` that gives a `Call`.
Contestant = Any


@dataclass(frozen=True)
class Program:
    """A contestant that is a function from a kind of computation to a `Call`."""

    family: str
    prepare: Callable[[str], Call]
    name: str = ""
    tolerance: float = 0.0


Ready = tuple[Contestant, Any, float | None]  # one that has passed the check, its call and error


def difference(wanted: Any, got: Any) -> float:
    """The largest ||got - wanted|| / ||wanted|| of all arrays; of no number at all, infinite.

    A `None` in `got` is a parameter that a peer lacks, and not compared.
    """
    worst = 0.0
    for right, array in zip(_leaves(wanted), _leaves(got), strict=True):
        if array is None:
            continue
        right, array = (np.asarray(a, np.float64) for a in (right, array))
        if right.shape != array.shape:
            raise ValueError(f"expected an array of shape {right.shape}, got {array.shape}")
        error = np.linalg.norm(array - right) / np.linalg.norm(right)
        worst = max(worst, float(np.nan_to_num(error, nan=np.inf)))
    return worst


def compare(
    case: Case,
    contestants: Sequence[Contestant],
    whats: Iterable[str],
    *,
    repeats: int,
    reference: Contestant | None = None,
    unchecked: Sequence[Contestant] = (),
    tolerant: bool = False,
) -> list[Measurement]:
    """Checks all contestants against a reference, then times them in turn.

    Args:
        case: what is computed.
        contestants: those to be checked and timed.
        whats: the kinds of computation.
        repeats: number of timed calls of each.
        reference: the contestant that is right; the first one by default.
        unchecked: contestants that compute something else, timed for comparison.
        tolerant: whether the failure of a contestant is recorded; else it is raised.
    """
    measurements = []
    for what in whats:
        right, wanted, ready = reference or contestants[0], None, []
        for contestant in contestants:
            try:
                call = contestant.prepare(what)
                got = call.result()
                if wanted is None:
                    wanted = got if contestant is right else right.prepare(what).result()
                error = _checked(what, contestant, wanted, got)
                ready.append((contestant, call, error))
            # Libraries raise whatever they like; the record has the reason.
            except Exception as error:
                if not tolerant:
                    raise
                reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
                names = contestant.family, contestant.name
                measurements.append(Measurement(case, what, *names, failed=reason))
        ready += [(other, other.prepare(what), None) for other in unchecked]
        measurements += _timed(case, what, ready, repeats)
    return measurements


def _checked(what: str, contestant: Contestant, wanted: Any, got: Any) -> float:
    name = f"{contestant.family} {contestant.name}".strip()
    tolerance = max(TOLERANCE.get(what.split()[-1], 1e-3), contestant.tolerance)
    error = difference(wanted, got)
    if not error <= tolerance:
        raise ValueError(f"expected {name} to agree within {tolerance}, got {error:.2g}")
    return error


def _timed(case: Case, what: str, ready: list[Ready], repeats: int) -> list[Measurement]:
    gc.collect()
    sizes = [call.memory() or (None, None) for _, call, _ in ready]  # also warms up
    found = []
    for entry, size, times in zip(ready, sizes, _race(ready, repeats), strict=True):
        contestant, call, error = entry
        quartile_1, median, quartile_3 = np.quantile(times, (0.25, 0.5, 0.75)).tolist()
        temp, growth, peak = (s and s / 1e6 for s in (call.temp_bytes, *size))
        names = contestant.family, contestant.name
        quartiles = median, quartile_1, quartile_3
        memories = call.compile_s, temp, growth, peak
        found.append(Measurement(case, what, *names, len(times), *quartiles, *memories, error))
    return found


def _race(ready: list[Ready], repeats: int) -> list[list[float]]:
    """Milliseconds of every call; few of a contestant that is not the fastest of its family."""

    def run(numbers: Iterable[int], repeats: int) -> dict[int, list[float]]:
        return in_turn({number: ready[number][1].seconds for number in numbers}, repeats)

    families: dict[str, list[int]] = {}
    for number, (contestant, _, _) in enumerate(ready):
        families.setdefault(contestant.family, []).append(number)
    rivals = [number for family in families.values() if len(family) > 1 for number in family]
    qualifying = run(rivals, min(QUALIFYING_CALLS, repeats))
    fastest = [
        min(family, key=lambda number: np.median(qualifying.get(number, 0)))
        for family in families.values()
    ]
    times = {**qualifying, **run(fastest, repeats)}
    return [[1e3 * seconds for seconds in times[number]] for number in range(len(ready))]


def _leaves(tree: Any) -> list[Any]:
    return jax.tree.leaves(tree, is_leaf=lambda leaf: leaf is None)
