"""How does the cost grow with steps, batch and units, and how near is the machine's ceiling?

The ceiling is what the matrix products of the case take on this machine if nothing keeps them
apart: one product over all steps forward, two and that of the states backward. No recurrence can
have it, since a step must wait for the one before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from _case import Case, problem
from _harness import Run, Scale, main
from _measure import Measurement, What, compare
from _peers import JaxCall, identity
from _scaling_plot import CEILING, draw


def cases(scale: Scale) -> Iterator[Case]:
    """From one point in three directions."""
    if scale == "smoke":
        yield from (Case("LSTM", 2, steps, 4, 4) for steps in (4, 8))
        return
    base = Case("LSTM", 32, 128, 128, 128)
    steps, batches, units = (32, 512), (1, 8, 128), (32, 64, 256)
    if scale == "full":
        steps, batches, units = (32, 64, 256, 512, 1024), (1, 4, 8, 64, 128, 256), (*units, 512)
    yield base
    yield from (replace(base, steps=size) for size in steps)
    yield from (replace(base, batch=size) for size in batches)
    yield from (replace(base, inputs=size, hidden=size) for size in units)


def measure(case: Case, run: Run) -> list[Measurement]:
    """Ours, PyTorch's and a plain scan in training, and the ceiling."""
    found = run.contestants(case, "rnnjax", "lax.scan", "PyTorch")
    return compare(case, found, ("training",), repeats=run.repeats, unchecked=[Ceiling(case)])


@dataclass(frozen=True)
class Ceiling:
    """The matrix products of an LSTM's gradient, all steps at once."""

    case: Case
    family = CEILING
    name = "all steps at once"
    fit = staticmethod(identity)

    def prepare(self, what: What, fit: Callable[[Any], Any] | None = None) -> JaxCall:
        del what, fit
        numbers, case = problem(self.case), self.case
        params = numbers.params[0][0]
        xs = numbers.xs.reshape(-1, case.inputs)
        hs = jnp.resize(xs, (len(xs), case.hidden))

        def products(w_x, w_h, xs, hs):
            ys = xs @ w_x + hs @ w_h
            return xs.T @ ys, hs.T @ ys, ys @ w_h.T

        return JaxCall(jax.jit(products), (params.w_x, params.w_h, xs, hs))


def finish(measurements: list[Measurement], record: Path) -> None:
    """Draws the plot next to the record."""
    draw(measurements, record.with_suffix(".png"))


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure, finish)
