"""How long does one step take when inputs arrive one at a time?

One compiled step, called from Python and waited for, as a session does it: every repeat is a
chain of such calls, divided by their number. PyTorch has two ways, its cell and its layer over
one step.
"""

from collections.abc import Iterator

import jax
from _case import Case
from _compare import compare
from _harness import Run, Scale, main
from _record import Measurement


def cases(scale: Scale) -> Iterator[Case]:
    """One session, and sixteen at once."""
    units = {"smoke": (4,), "headline": (128,), "full": (64, 128, 256, 512)}[scale]
    for cell in ("LSTM", "GRU", "Elman") if scale == "full" else ("LSTM", "GRU"):
        for hidden in units:
            for batch in (1,) if scale == "smoke" else (1, 16):
                yield Case(cell, batch, 1, hidden, hidden)


def measure(case: Case, run: Run) -> list[Measurement]:
    """All contestants with a step of their own."""
    found = [*run.contestants(case, unroll=False), *run.torch(case, "cell")]
    return compare(case, found, ("step",), repeats=run.repeats)


if __name__ == "__main__":
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    main(__file__, __doc__, cases, measure, repeats=60)
