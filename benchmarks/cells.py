"""Are LSTM, GRU and Elman networks faster here than in other libraries?

All contestants compute the same function of the same weights. Training is the gradient of
`mean(ys**2)` in all parameters. Haiku's GRU resets before the recurrent product and its Elman
network has `relu`; these are cells of their own here, so that like is compared with like. In the
whole grid all other libraries in JAX are one contestant, the fastest of them.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

from _case import CELLS, Case
from _compare import Contestant, compare
from _grid import figure
from _harness import Run, Scale, main
from _harness import measure as measure_all
from _peers import BEST, FLAX, LIBRARIES, OURS, TORCH
from _record import Measurement, save_figure

# B, T, I and H: one sequence, and batches.
ONE = (1, 256, 64, 128)
MANY = (32, 128, 128, 128), (32, 128, 256, 256), (64, 128, 512, 512), (128, 128, 128, 128)
HEADLINE = {
    "LSTM": (ONE, *MANY),
    "GRU": (ONE, *MANY),
    "ResetBeforeGRU": (ONE, MANY[0]),
    "Elman": MANY,
    "Elman (relu)": MANY[:1],
}
GRID = (1, 8, 32, 128), (32, 128), (64, 128, 256, 512)  # B, T and H
GATES = {"LSTM": 4, "GRU": 3, "Elman": 1}
SECONDS = 10.0  # of a contestant in a case of the grid, about
LEAST = 5  # repeats
SPEED = 1e11  # of a core or two, in operations a second, by which repeats are estimated


def cases(scale: Scale) -> Iterator[Case]:
    """One sequence and four batches, fewer of the variants; or the grid, cheap cases first."""
    if scale == "smoke":
        yield from (Case(cell, 2, 5, 3, 4) for cell in CELLS)
    elif scale == "full":
        grid = [Case(cell, b, t, h, h) for cell, b, t, h in product(GATES, *GRID)]
        yield from sorted(grid, key=_operations)
    else:
        yield from (Case(cell, *size) for cell, sizes in HEADLINE.items() for size in sizes)


def measure(case: Case, run: Run) -> list[Measurement]:
    """All contestants; in the grid ours, PyTorch and the fastest of the others in JAX."""
    if run.scale != "full":
        return measure_all(case, run)
    measured = []
    found = run.contestants(case, OURS, *LIBRARIES, TORCH)
    found = [_rival(one) for one in found if not _twin(one)]
    for what, passes in {"forward": 1, "training": 3}.items():
        seconds = passes * _operations(case) / SPEED
        repeats = min(run.repeats, max(LEAST, int(SECONDS / seconds)))
        timed = compare(case, found, (what,), repeats=repeats)
        measured += [m for m in timed if m.repeats == repeats]
    return measured


def _operations(case: Case) -> int:
    """Those of the matrix products of a forward pass."""
    columns = GATES[case.cell] * case.hidden
    return 2 * case.batch * case.steps * (case.inputs + case.hidden) * columns


def _twin(contestant: Contestant) -> bool:
    """Whether Flax NNX has the same: XLA makes one program of these cells of both."""
    same = ("LSTMCell", "SimpleCell")
    return contestant.family == FLAX[0] and contestant.name.startswith(same)


def _rival(contestant: Contestant) -> Contestant:
    """The contestant in the family of all other libraries in JAX, where it belongs to that."""
    if contestant.family not in LIBRARIES:
        return contestant
    name = f"{contestant.family} {contestant.name}"
    return replace(contestant, family=BEST, peer=replace(contestant.peer, name=name))


def finish(measurements: list[Measurement], out: Path) -> None:
    """Draws the grid, if it is there."""
    if {m.case for m in measurements} == set(cases("full")):
        save_figure(figure(measurements), out)


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure, finish=finish)
