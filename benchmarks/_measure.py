"""Compares contestants honestly: checked first, then call by call in turn, compile time apart."""

import gc
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import jax
import numpy as np
from _case import Case
from _clock import in_turn

What = Literal["forward", "training", "step", "compilation"]

HEAT = 3  # calls by which the fastest contestant of a family is found
CHAIN = 100  # steps in one timed streaming call; the time is that of one of them
TOLERANCE: dict[What, float] = {"forward": 1e-4, "step": 1e-5, "training": 1e-3}


class Measurement(NamedTuple):
    """What was measured of one contestant in one case; times of a call in milliseconds.

    Attributes:
        case: what was computed, and its sizes.
        what: "forward", "training" (the gradient in all parameters), one streaming "step", or
            the "compilation" of a gradient.
        family: the library; of several contestants of one, only the fastest runs on.
        contestant: which of its cells, and how.
        repeats: number of timed calls; `HEAT` of a contestant that was not the fastest.
        minimum: the fastest call.
        quartile_1: a quarter of the calls were faster.
        median: half of the calls were faster.
        quartile_3: a quarter of the calls were slower.
        compile_s: seconds to trace and compile; `None` where nothing is compiled.
        temp_bytes: memory for intermediate results, as planned by XLA, or `None`.
        growth_bytes: how much the process grew at most during one call, or `None`.
        peak_bytes: the whole resident set at that moment, or `None`.
    """

    case: Case
    what: What
    family: str
    contestant: str
    repeats: int
    minimum: float
    quartile_1: float
    median: float
    quartile_3: float
    compile_s: float | None
    temp_bytes: int | None
    growth_bytes: int | None
    peak_bytes: int | None


class Call(Protocol):
    """A contestant ready to run."""

    @property
    def compile_s(self) -> float | None:
        """Seconds to trace and compile."""
        ...

    @property
    def temp_bytes(self) -> int | None:
        """Memory for intermediate results."""
        ...

    def result(self) -> Any:
        """What it computes, in our layout; `None` for a parameter that it does not have."""
        ...

    def seconds(self) -> float:
        """The time of one call, with nothing cold."""
        ...

    def memory(self) -> tuple[int, int] | None:
        """Growth and peak of the resident set during one call."""
        ...


class Contestant(Protocol):
    """Somebody who can compute a case."""

    @property
    def family(self) -> str:
        """The library."""
        ...

    @property
    def name(self) -> str:
        """Which of its cells, and how."""
        ...

    @property
    def fit(self) -> Callable[[Any], Any]:
        """Makes the parameters of a cell such that this contestant has them."""
        ...

    def prepare(self, what: What, fit: Callable[[Any], Any] | None = None) -> Call:
        """Compiles; with the parameters of another's `fit` where one is given."""
        ...


def agree(reference: Any, others: Mapping[str, Any], *, tolerance: float) -> None:
    """Raises unless each of `others` is `reference`, up to `tolerance` of its largest entry.

    A `None` among the others stands for what somebody does not have, and agrees.
    """
    for name, tree in others.items():
        for wanted, got in zip(_leaves(reference), _leaves(tree), strict=True):
            if got is None:
                continue
            wanted, got = np.asarray(wanted), np.asarray(got)
            if wanted.shape != got.shape:
                raise ValueError(f"expected {name} to give {wanted.shape}, got {got.shape}")
            error = np.abs(wanted - got).max() / np.abs(wanted).max()
            if not error <= tolerance:
                raise ValueError(f"expected {name} to agree within {tolerance}, got {error:.2g}")


def compare(
    case: Case,
    contestants: Sequence[Contestant],
    whats: Sequence[What],
    *,
    repeats: int,
    unchecked: Sequence[Contestant] = (),
) -> list[Measurement]:
    """Checks all contestants against the first, then times them, with the unchecked, in turn."""
    measurements = []
    for what in whats:
        calls = [contestant.prepare(what) for contestant in contestants]
        check(what, contestants, calls)
        everybody = [*contestants, *unchecked]
        calls += [contestant.prepare(what) for contestant in unchecked]
        gc.collect()
        sizes = [call.memory() or (None, None) for call in calls]  # also warms up
        times = _race(everybody, calls, repeats)
        for contestant, call, size, timed in zip(everybody, calls, sizes, times, strict=True):
            measurements.append(measured(case, what, contestant, call, timed, size))
    return measurements


def measured(
    case: Case,
    what: What,
    contestant: Contestant,
    call: Call,
    milliseconds: Sequence[float],
    size: tuple[int | None, int | None],
) -> Measurement:
    """The measurement that a contestant's times and memory make."""
    minimum, quartile_1, median, quartile_3 = np.quantile(milliseconds, (0, 0.25, 0.5, 0.75))
    return Measurement(
        case=case,
        what=what,
        family=contestant.family,
        contestant=contestant.name,
        repeats=len(milliseconds),
        minimum=float(minimum),
        quartile_1=float(quartile_1),
        median=float(median),
        quartile_3=float(quartile_3),
        compile_s=call.compile_s,
        temp_bytes=call.temp_bytes,
        growth_bytes=size[0],
        peak_bytes=size[1],
    )


def check(what: What, contestants: Sequence[Contestant], calls: Sequence[Call]) -> None:
    """Raises unless all compute what the first does, each with parameters that it can have."""
    ours = contestants[0]
    expected = {ours.fit: calls[0].result()}
    for contestant, call in zip(contestants[1:], calls[1:], strict=True):
        if contestant.fit not in expected:
            expected[contestant.fit] = ours.prepare(what, contestant.fit).result()
        name = f"{contestant.family} {contestant.name}"
        agree(expected[contestant.fit], {name: call.result()}, tolerance=TOLERANCE[what])


def _race(
    contestants: Sequence[Contestant], calls: Sequence[Call], repeats: int
) -> list[list[float]]:
    """Milliseconds of every call; of those who are not the fastest of their family, few."""

    def run(numbers: Iterable[int], repeats: int) -> dict[int, list[float]]:
        return in_turn({number: calls[number].seconds for number in numbers}, repeats)

    families: dict[str, list[int]] = {}
    for number, contestant in enumerate(contestants):
        families.setdefault(contestant.family, []).append(number)
    rivals = [number for family in families.values() if len(family) > 1 for number in family]
    heat = run(rivals, min(HEAT, repeats))
    best = [
        min(family, key=lambda number: np.median(heat.get(number, 0)))
        for family in families.values()
    ]
    times = {**heat, **run(best, repeats)}
    return [[1e3 * seconds for seconds in times[number]] for number in range(len(calls))]


def _leaves(tree: Any) -> list[Any]:
    return jax.tree.leaves(tree, is_leaf=lambda leaf: leaf is None)
