"""What the library promises of its speed and memory, and whether the records keep it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from _case import Case
from _measure import Measurement, What
from _peers import EVERY_CORE, ONE_DIRECTION
from _torch import FAMILY as TORCH

OURS = "rnnjax"
FLAX = ("Flax Linen", "Flax NNX")
LIBRARIES = (*FLAX, "Haiku", "Equinox", "Keras")

SHORT = Case("LSTM", 1, 256, 64, 128)
SIZES = [Case("LSTM", b, 128, h, h) for b, h in ((32, 128), (32, 256), (64, 512))]
BOTH = Case("LSTM", 32, 128, 128, 128, both=True)
ENSEMBLE = Case("LSTM", 16, 64, 16, 32, members=32)
STEP = Case("LSTM", 1, 1, 128, 128)
LONG, LONGEST = (Case("LSTM", 1, steps, 64, 256) for steps in (4_000, 100_000))

SPEEDS: tuple[tuple[str, What, tuple[str, ...], float], ...] = (
    ("LSTM", "training", (TORCH,), 1.0),
    ("LSTM", "training", FLAX, 1.3),
    ("LSTM", "forward", (TORCH,), 0.9),
    ("LSTM", "forward", FLAX, 1.2),
    ("GRU", "training", (TORCH,), 1.5),
    ("GRU", "training", FLAX, 1.3),
    ("GRU", "forward", (TORCH,), 1.4),
    ("GRU", "forward", FLAX, 1.2),
)

BOTH_WAYS: tuple[What, ...] = ("forward", "training")
NAMES = (
    "cells",
    "cells.full",
    "cells.jax010",
    "stacks",
    "ensembles",
    "streaming",
    "long_sequences",
    "cores",
)
Records = Callable[[str], list[Measurement]]  # from one of these names


class Target(NamedTuple):
    """A number that a record must reach.

    Attributes:
        text: what is promised.
        least: whether the number must be at least `bound`; else at most.
        bound: the number promised.
        measured: the number reached, from the records; `None` if they do not have it.
    """

    text: str
    least: bool
    bound: float
    measured: Callable[[Records], float | None]

    def met(self, number: float) -> bool:
        """Whether the number keeps the promise."""
        return number >= self.bound if self.least else number <= self.bound


def targets() -> Iterator[Target]:
    """All of them."""
    for cell, what, rivals, bound in SPEEDS:
        for case in SIZES:
            yield _faster("cells", replace(case, cell=cell), what, rivals, bound)
    yield _faster("cells", SHORT, "training", (TORCH,), 1.2)
    for cell, bound in (("LSTM", 0.9), ("GRU", 1.4)):
        short = replace(SHORT, cell=cell)
        yield _faster("cells", short, "forward", (TORCH,), bound)
        yield _faster("cells", short, "forward", FLAX, 1.2)
    for name, version in (("cells", ""), ("cells.jax010", " with jax 0.10")):
        text = f"every cell and size{version}, forward and training: speed over the best of the "
        text += "other libraries in JAX, at its worst"
        yield Target(text, True, 1.0, partial(_worst, name))
    yield from _others()
    yield from _on_every_core()


def _others() -> Iterator[Target]:
    for what in BOTH_WAYS:
        text = f"{what}, {BOTH}: time over that of one direction"
        yield Target(text, False, 1.8, partial(_ratio, "stacks", BOTH, what, OURS, ONE_DIRECTION))
    for case in (ENSEMBLE, replace(ENSEMBLE, shared=True)):
        for what in BOTH_WAYS:
            yield _faster("ensembles", case, what, (TORCH,), 2.0)
            yield _faster("ensembles", case, what, FLAX, 1.5)
    for cell in ("LSTM", "GRU"):
        case = replace(STEP, cell=cell)
        text = f"one streaming step, {case}: time over PyTorch's"
        yield Target(text, False, 0.5, partial(_ratio, "streaming", case, "step", OURS, TORCH))
    for case in SIZES:
        text = f"training, {case}: temporary memory over pre-activations and carries"
        yield Target(text, False, 1.3, partial(_memory, case))
    text = f'training, {LONG}: time of checkpoint="sqrt" over that of none'
    ratio = partial(_ratio, "long_sequences", LONG, "training", f"{OURS}, checkpoint='sqrt'", OURS)
    yield Target(text, False, 1.5, ratio)
    yield Target(f"training, {LONGEST}: peak of the process in GB", False, 1.5, _peak)


def _on_every_core() -> Iterator[Target]:
    """What was promised against PyTorch, once more for a program that uses all cores as it does."""
    for cell, what, rivals, bound in SPEEDS:
        if rivals == (TORCH,):
            for case in SIZES:
                case = replace(case, cell=cell)
                yield _faster("cores", case, what, rivals, bound, OURS + EVERY_CORE)
    for case in (ENSEMBLE, replace(ENSEMBLE, shared=True)):
        for what in BOTH_WAYS:
            yield _faster("cores", case, what, (TORCH,), 2.0, OURS + EVERY_CORE)


def rows(records: Records) -> Iterable[tuple[str, str, str, str]]:
    """Each target as it stands in a table: text, what is wanted, what is measured, verdict."""
    for target in targets():
        number = target.measured(records)
        wanted = f"{'≥' if target.least else '≤'} {target.bound:g}"
        if number is None:
            yield target.text, wanted, "—", "not measured"
        else:
            yield (
                target.text,
                wanted,
                f"{number:.2f}",
                "met" if target.met(number) else "**missed**",
            )


def best(
    measurements: Iterable[Measurement], case: Case, what: What, families: Iterable[str]
) -> float | None:
    """The median of the fastest of these families, or `None` if nobody was measured.

    Those who did not run on after a few calls do not count.
    """
    found = [m for m in measurements if (m.case, m.what) == (case, what) and m.family in families]
    most = max((m.repeats for m in found), default=0)
    return min((m.median for m in found if m.repeats == most), default=None)


def _faster(
    name: str, case: Case, what: What, rivals: tuple[str, ...], bound: float, ours: str = OURS
) -> Target:
    rival = "the best Flax cell" if rivals == FLAX else TORCH

    def measured(records: Records) -> float | None:
        here, there = (best(records(name), case, what, f) for f in ((ours,), rivals))
        return None if here is None or there is None else there / here

    text = f"{what}, {case}{ours.removeprefix(OURS)}: speed over {rival}"
    return Target(text, True, bound, measured)


def _ratio(name: str, case: Case, what: What, a: str, b: str, records: Records) -> float | None:
    above, below = (best(records(name), case, what, (family,)) for family in (a, b))
    return None if above is None or below is None else above / below


def _worst(name: str, records: Records) -> float | None:
    """Over the whole grid where it has been measured, else over the headline sizes."""
    measured = records(f"{name}.full") or records(name)
    ratios = []
    points: dict[tuple[Case, What], None] = dict.fromkeys((m.case, m.what) for m in measured)
    for case, what in points:
        ours, theirs = (best(measured, case, what, f) for f in ((OURS,), LIBRARIES))
        if ours is not None and theirs is not None:
            ratios.append(theirs / ours)
    return min(ratios, default=None)


def _memory(case: Case, records: Records) -> float | None:
    needed = 4 * case.steps * case.batch * (4 * case.hidden + 2 * case.hidden)
    for m in records("cells"):
        if (m.case, m.what, m.family) == (case, "training", OURS) and m.temp_bytes is not None:
            return m.temp_bytes / needed
    return None


def _peak(records: Records) -> float | None:
    peaks = [
        m.peak_bytes / 1e9
        for m in records("long_sequences")
        if m.case == LONGEST and m.family.startswith(OURS) and m.peak_bytes is not None
    ]
    return min(peaks, default=None)
