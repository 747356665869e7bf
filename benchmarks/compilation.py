"""How long does compiling take, with more steps and with more layers?

The time to trace and compile the gradient, from empty caches, each time anew. Sizes do not
matter to it, and are small. Every library's first cell, as it comes.
"""

from collections.abc import Iterator

from _case import Case
from _harness import Run, Scale, main
from _measure import Contestant, Measurement, check, measured


def cases(scale: Scale) -> Iterator[Case]:
    """Steps at one layer, and layers at one number of steps."""
    sizes = {
        "smoke": ((5, 2),),
        "headline": ((32, 1), (1024, 1), (32, 4)),
        "full": ((32, 1), (128, 1), (512, 1), (2048, 1), (32, 2), (32, 4), (32, 8)),
    }
    for steps, layers in sizes[scale]:
        yield Case("LSTM", 4, steps, 16, 16, layers=layers)


def measure(case: Case, run: Run) -> list[Measurement]:
    """Compiles all in turn, `repeats` times."""
    families = ("rnnjax", "lax.scan", "Flax Linen", "Flax NNX", "Haiku", "Equinox", "Keras")
    if run.scale == "headline":
        families = families[:3]
    first: dict[str, Contestant] = {}
    for contestant in run.contestants(case, *families):
        first.setdefault(contestant.family, contestant)
    found = list(first.values())
    calls = [who.prepare("training") for who in found]
    check("training", found, calls)
    rounds = [
        [1e3 * (who.prepare("training").compile_s or 0) for who in found]
        for _ in range(run.repeats)
    ]
    return [
        measured(case, "compilation", who, call, times, (None, None))
        for who, call, times in zip(found, calls, zip(*rounds, strict=True), strict=True)
    ]


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure)
