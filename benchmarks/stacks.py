"""What do both directions, more layers and sequences of different lengths cost?

With lengths, outputs beyond them are zero, and the backward direction starts at the last valid
step. Haiku, Equinox and a plain scan know no lengths. "One direction" is our own cell without
the backward direction, against which both directions are held.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from _case import Case
from _harness import Run, Scale, main
from _measure import Measurement, compare
from _peers import ONE_DIRECTION, contestants


def cases(scale: Scale) -> Iterator[Case]:
    """Both directions and three layers; the full grid has every combination."""
    sizes = (2, 5, 3, 4) if scale == "smoke" else (32, 128, 128, 128)
    if scale == "full":
        for cell, layers, both, lengths in product(
            ("LSTM", "GRU", "Elman"), (1, 3), (False, True), (False, True)
        ):
            yield Case(cell, *sizes, layers=layers, both=both, lengths=lengths)
        return
    yield Case("LSTM", *sizes, both=True)
    yield Case("LSTM", *sizes, both=True, lengths=True)
    yield Case("LSTM", *sizes, layers=3, lengths=True)


def measure(case: Case, run: Run) -> list[Measurement]:
    """Everybody, and one direction of ours where there are two."""
    found = run.contestants(case)
    if run.scale != "full":  # Compiling those takes longer than everything else.
        found = [who for who in found if "unroll=8" not in who.name]
    one = [
        replace(who, family=ONE_DIRECTION)
        for who in contestants(replace(case, both=False), "rnnjax")
    ]
    what = ("forward", "training")
    return compare(case, found, what, repeats=run.repeats, unchecked=one if case.both else ())


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure)
