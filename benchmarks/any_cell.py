"""How much faster is the native loop than XLA's, for cells that no other library compiles?

Both are loops of this library, chosen by the method. Two of the cells are in `_own_cells.py`, as a
user writes them: an LSTM with layer normalisation in its gates, and a minimal gated unit.
`ProjectedLSTM` projects to half of its units, and `RHN` has five layers in a step.
"""

from collections.abc import Iterator

from _case import OTHERS, Case
from _compare import compare
from _contestant import JaxContestant
from _harness import Run, Scale, main
from _peers import ours
from _record import Measurement
from _tables import PAIRS

from rnnjax.engine import Loop, NativeLoop


def cases(scale: Scale) -> Iterator[Case]:
    """One size of every cell."""
    size = (2, 5, 3, 4) if scale == "smoke" else (32, 128, 128, 128)
    yield from (Case(cell, *size) for cell in ("ResetBeforeGRU", *OTHERS))


def measure(case: Case, run: Run) -> list[Measurement]:
    """Both loops, of which XLA's is right."""
    native, xla = PAIRS["any_cell"]
    ways = {xla: Loop(), native: NativeLoop()}
    found = [JaxContestant(name, ours(case, method=method), case) for name, method in ways.items()]
    return compare(case, found, ("forward", "training"), repeats=run.repeats)


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure)
