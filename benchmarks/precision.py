"""What do products in bfloat16 cost in accuracy, and what do they save in time?

Errors are those of the outputs and of the gradient of `mean(ys**2)` in all parameters against
the same computation in float64. "bfloat16" is `Loop(dtype="bfloat16")`: weights and the inputs of
products have 16 bits, carries and sums 32. "bfloat16, carries too" is a plain loop that keeps its
carry in bfloat16, to show what that costs.
"""

from collections.abc import Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
from _case import Case
from _compare import compare
from _contestant import JaxContestant, Peer
from _harness import Run, Scale, main
from _peers import OURS, ours, plain
from _record import Measurement

from rnnjax.engine import Loop, NativeLoop

ANY = 1.0  # The error is measured, and not checked.


def cases(scale: Scale) -> Iterator[Case]:
    """Long sequences, in which errors add up."""
    for cell in ("LSTM", "GRU"):
        yield Case(cell, *((2, 5, 3, 4) if scale == "smoke" else (32, 512, 128, 128)))


def measure(case: Case, run: Run) -> list[Measurement]:
    """Four ways to compute a case, against float64."""
    ways = {
        "float32": ours(case),
        'float32, precision="highest"': ours(case, method=NativeLoop(precision="highest")),
        "bfloat16": ours(case, method=Loop(dtype="bfloat16")),
        "bfloat16, carries too": short_carries(case),
    }
    found = [JaxContestant(name, peer, case, tolerance=ANY) for name, peer in ways.items()]
    right = JaxContestant(OURS, ours(case), case, dtype="float64")
    whats = ("forward", "training")
    return compare(case, found, whats, repeats=run.repeats, reference=right)


def short_carries(case: Case) -> Peer:
    """A plain loop with everything in bfloat16."""

    def short(tree):
        return jax.tree.map(lambda a: a.astype(jnp.bfloat16), tree)

    def run(params, xs, lengths, reverse):
        del lengths
        params, xs = short((params, xs))
        carry = short(case.ours.init_carry(params, (case.batch,)))

        def body(carry, x):
            carry, y = case.ours.step(params, carry, x)
            return short(carry), y

        return jax.lax.scan(body, carry, xs, reverse=reverse)[1].astype(jnp.float32)

    return replace(plain(case), name="the step in a scan", run=run)


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure)
