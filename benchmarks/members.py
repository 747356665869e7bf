"""How much longer does a training step take for sixteen models than for one?

The sixteen are one state under `vmap`, with weights of their own and the same batch.
"""

from collections.abc import Iterator
from dataclasses import replace

from _case import Case
from _compare import Program, compare
from _harness import Run, Scale, main
from _record import Measurement
from devices import training_step

MEMBERS = 16
SIZES = ((16, 64, 16, 32), (16, 64, 16, 16), (4, 100, 2, 32), (1, 128, 8, 64))


def cases(scale: Scale) -> Iterator[Case]:
    """Networks so small that one is bound by the cost of each turn of its loop."""
    cells = ("LSTM",) if scale == "smoke" else ("LSTM", "GRU", "Elman")
    for cell in cells:
        for size in ((2, 5, 3, 4),) if scale == "smoke" else SIZES:
            yield Case(cell, *size)


def measure(case: Case, run: Run) -> list[Measurement]:
    """One model, and all of them."""
    many = replace(case, members=MEMBERS, shared=True)
    ways = {
        "1 model": lambda _: training_step(case, 1),
        f"{MEMBERS} models": lambda _: training_step(many, 1, first=True),
    }
    found = [Program(name, way) for name, way in ways.items()]
    return compare(case, found, ("training",), repeats=run.repeats)


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure, repeats=31)
