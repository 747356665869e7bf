"""What does the gradient of a long sequence cost in time and memory, by checkpoint policy?

`checkpoint=None` keeps what the gradient needs of every step, `checkpoint="sqrt"` only the carry
at the start of every segment. The longest sequence is run once: it is about memory.
"""

from collections.abc import Iterator

from _case import Case
from _compare import Contestant, compare
from _contestant import JaxContestant
from _harness import Run, Scale, main
from _peers import OURS, PLAIN, TORCH, ours
from _record import Measurement

from rnnjax.engine import Loop

LONGEST = 100_000
POLICIES = (None, "sqrt", 100)


def cases(scale: Scale) -> Iterator[Case]:
    """An LSTM over ever more steps."""
    if scale == "smoke":
        yield Case("LSTM", 1, 200, 3, 4)
        return
    middle = (1_000, 10_000) if scale == "full" else (4_000,)
    for steps in (*middle, LONGEST):
        yield Case("LSTM", 1, steps, 64, 256)


def measure(case: Case, run: Run) -> list[Measurement]:
    """Ours by policy; and for all but the longest sequence PyTorch and a plain scan."""
    longest = case.steps == LONGEST
    found: list[Contestant] = [
        JaxContestant(
            OURS if policy is None else f"{OURS}, checkpoint={policy!r}",
            ours(case, method=Loop(checkpoint=policy)),
            case,
        )
        for policy in (POLICIES[:2] if longest else POLICIES)
    ]
    if not longest:
        found += run.contestants(case, PLAIN, TORCH)
    repeats = 1 if longest and run.scale == "headline" else run.repeats
    return compare(case, found, ("training",), repeats=repeats)


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure)
