"""Is an LSTM, a GRU, an Elman network faster than anybody else's?

All compute the same function of the same weights. The gradient is that of `mean(ys**2)` in all
parameters. Haiku's GRU resets first and its Elman network has `relu`: these are cells of their
own here, so that like is compared with like.
"""

from collections.abc import Iterator
from itertools import product

from _case import CELLS, Case
from _harness import Run, Scale, main
from _measure import Measurement, compare

GRID = ("LSTM", "GRU", "Elman"), (1, 8, 32, 128), (32, 128, 512), (64, 128, 256, 512)


def cases(scale: Scale) -> Iterator[Case]:
    """The sizes of the targets for the two cells that have any, one or two for the others."""
    if scale == "smoke":
        yield from (Case(cell, 2, 5, 3, 4) for cell in CELLS)
        return
    for cell in ("LSTM", "GRU"):
        yield Case(cell, 1, 256, 64, 128)
        yield Case(cell, 32, 128, 128, 128)
        yield Case(cell, 32, 128, 256, 256)
        yield Case(cell, 64, 128, 512, 512)
    yield Case("GRU, reset first", 1, 256, 64, 128)
    for cell in ("GRU, reset first", "Elman", "Elman, relu"):
        yield Case(cell, 32, 128, 128, 128)
    if scale == "full":
        grid = {Case(cell, b, t, h, h) for cell, b, t, h in product(*GRID)}
        yield from sorted(grid - set(cases("headline")), key=_cost)


def _cost(case: Case) -> tuple[int, str]:
    return case.batch * case.steps * case.hidden**2, str(case)


def measure(case: Case, run: Run) -> list[Measurement]:
    """Everybody, forward and in training."""
    return compare(case, run.contestants(case), ("forward", "training"), repeats=run.repeats)


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure)
