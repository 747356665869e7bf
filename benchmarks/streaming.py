"""How long does one step take when inputs arrive one at a time?

One compiled step, called from Python and waited for, as a session does it: every repeat is a
chain of such calls, divided by their number. PyTorch has two ways, its cell and its layer over
one step.
"""

from collections.abc import Iterator

import _torch
import jax
from _case import Case
from _harness import Run, Scale, main
from _measure import Measurement, compare


def cases(scale: Scale) -> Iterator[Case]:
    """One session, and sixteen at once; steps are 1."""
    units = {"smoke": (4,), "headline": (128,), "full": (64, 128, 256, 512)}[scale]
    cells = ("LSTM", "GRU", "Elman") if scale == "full" else ("LSTM", "GRU")
    for cell in cells:
        for hidden in units:
            for batch in (1,) if scale == "smoke" else (1, 16):
                yield Case(cell, batch, 1, hidden, hidden)


def measure(case: Case, run: Run) -> list[Measurement]:
    """Everybody whose step is not another's; such short calls vary more, so there are more."""
    found = [who for who in run.contestants(case) if "unroll=8" not in who.name]
    found += _torch.contestants(case, run.worker, "cell")
    repeats = run.repeats if run.scale == "smoke" else 4 * run.repeats
    return compare(case, found, ("step",), repeats=repeats)


if __name__ == "__main__":
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    main(__file__, __doc__, cases, measure)
