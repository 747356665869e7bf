"""What do both directions, more layers and sequences of different lengths cost?

With lengths, outputs beyond them are zero, and the backward direction starts at the last valid
step. Haiku, Equinox and a plain scan know no lengths. "One direction" is our own cell without
the backward direction, for comparison.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from _case import Case
from _compare import compare
from _harness import Run, Scale, main
from _peers import OURS, contestants
from _record import Measurement


def cases(scale: Scale) -> Iterator[Case]:
    """Both directions and three layers; the full grid has every combination."""
    sizes = (2, 5, 3, 4) if scale == "smoke" else (32, 128, 128, 128)
    if scale == "full":
        for cell, layers, both, lengths in product(
            ("LSTM", "GRU", "Elman"), (1, 3), (False, True), (False, True)
        ):
            yield Case(cell, *sizes, layers=layers, bidirectional=both, lengths=lengths)
        return
    yield Case("LSTM", *sizes, bidirectional=True)
    yield Case("LSTM", *sizes, bidirectional=True, lengths=True)
    yield Case("LSTM", *sizes, layers=3, lengths=True)


def measure(case: Case, run: Run) -> list[Measurement]:
    """All contestants, and one direction of ours where there are two."""
    # To compile the unrolled ones takes longer than everything else.
    found = run.contestants(case, unroll=run.scale == "full")
    whats, one = ("forward", "training"), []
    if case.bidirectional:
        (ours,) = contestants(replace(case, bidirectional=False), OURS)
        one = [replace(ours, family=f"{OURS}, one direction")]
    return compare(case, found, whats, repeats=run.repeats, unchecked=one)


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure)
