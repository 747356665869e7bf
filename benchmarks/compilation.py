"""How long does compiling take, with more steps and with more layers?

The time to trace and compile the gradient, from empty caches, each time anew. Sizes do not
matter to it, and are small. Every library's first cell, as it comes.
"""

from collections.abc import Iterator

from _case import Case
from _compare import Call, Program, compare
from _contestant import JaxContestant
from _harness import Run, Scale, main
from _peers import FAMILIES, contestants
from _record import Measurement


def cases(scale: Scale) -> Iterator[Case]:
    """Steps at one layer, and layers at one number of steps."""
    sizes = {
        "smoke": ((5, 2),),
        "headline": ((32, 1), (1024, 1), (32, 4)),
        "full": ((32, 1), (128, 1), (512, 1), (2048, 1), (32, 2), (32, 4), (32, 8)),
    }
    for steps, layers in sizes[scale]:
        yield Case("LSTM", 4, steps, 16, 16, layers=layers)


class Compilation(Call):
    """A call whose time is that of its compilation."""

    def __init__(self, contestant: JaxContestant):
        self.contestant, self.call = contestant, contestant.prepare("training")
        super().__init__(self.call.run, self.call.result)

    def seconds(self) -> float:
        return self.contestant.prepare("training").compile_s or 0.0


def measure(case: Case, run: Run) -> list[Measurement]:
    """Compiles all in turn."""
    names = tuple(FAMILIES)[:3] if run.scale == "headline" else tuple(FAMILIES)
    found = [
        Program(name, lambda _, first=first: Compilation(first), first.name)
        for name in names
        for first in contestants(case, name, unrolls=(1,))[:1]
    ]
    return compare(case, found, ("compilation",), repeats=run.repeats)


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure)
