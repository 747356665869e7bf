"""What do products in bfloat16 cost in accuracy, and what do they save in time?

Errors are those of all outputs and of the gradient of `mean(ys**2)` in all parameters against
the same computation in float64, as ||wrong - right|| / ||right||. "bfloat16" is
`Loop(dtype="bfloat16")`: weights and the inputs of products have 16 bits, carries and sums 32.
"bfloat16, carries too" is a plain loop that keeps its carry in bfloat16, to show what that costs.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import _rows
import jax
import jax.numpy as jnp
import numpy as np
from _case import Case, problem

import rnnjax
from rnnjax.engine import Loop

Function = Callable[[Any, Any], Any]


def ways(case: Case) -> Iterator[tuple[str, Function]]:
    """The ways to compute a case: functions of parameters and inputs."""

    def engine(**options):
        return lambda params, xs: rnnjax.scan(case.ours, params, xs, method=Loop(**options))[1]

    def short_carries(params, xs):
        params, xs, carry = jax.tree.map(
            lambda a: a.astype(jnp.bfloat16),
            (params, xs, case.ours.init_carry(params, (case.batch,))),
        )

        def body(carry, x):
            carry, y = case.ours.step(params, carry, x)
            return jax.tree.map(lambda a: a.astype(jnp.bfloat16), carry), y

        return jax.lax.scan(body, carry, xs)[1]

    yield "float32", engine()
    yield 'float32, precision="highest"', engine(precision="highest")
    yield "bfloat16", engine(dtype="bfloat16")
    yield "bfloat16, carries too", short_carries


def rows(case: Case, repeats: int) -> Iterator[dict[str, str]]:
    """A row of the table for every way."""
    numbers = problem(case)
    args = numbers.params[0][0], numbers.xs
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda a: np.asarray(a, np.float64), args)
        right = _both(lambda params, xs: rnnjax.scan(case.ours, params, xs)[1])(*exact)
    calls, errors = {}, {}
    for name, way in ways(case):
        forward, both = jax.jit(way), _both(way)
        errors[name] = [_error(*pair) for pair in zip(both(*args), right, strict=True)]
        calls[name, "forward"] = partial(forward, *args)
        calls[name, "training"] = partial(both, *args)
        jax.block_until_ready(forward(*args))
    times = _rows.quartiles(calls, repeats)
    for name in errors:
        yield {
            "case": str(case),
            "products in": name,
            "error of outputs": f"{errors[name][0]:.1e}",
            "error of gradient": f"{errors[name][1]:.1e}",
            "forward ms": f"{times[name, 'forward'][1]:.3g}",
            "training ms": f"{times[name, 'training'][1]:.3g}",
        }


def _both(way: Function) -> Function:
    """Outputs and the gradient, compiled."""

    def outputs_and_gradient(params, xs):
        ys, pull = jax.vjp(lambda params: way(params, xs), params)
        return ys, pull(2 * ys / ys.size)[0]

    return jax.jit(outputs_and_gradient)


def _error(wrong: Any, right: Any) -> float:
    flat = [
        np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(tree)])
        for tree in (wrong, right)
    ]
    return float(np.linalg.norm(flat[0] - flat[1]) / np.linalg.norm(flat[1]))


def main() -> None:
    """Prints the table and writes the record."""
    options = _rows.options(__doc__)
    sizes = (2, 5, 3, 4) if options.smoke else (32, 512, 128, 128)
    repeats = 2 if options.smoke else options.repeats or 15
    cases = [Case(cell, *sizes) for cell in ("LSTM", "GRU")]
    found = [row for case in cases for row in rows(case, repeats)]
    _rows.keep(_rows.place(__file__, options), options.question, found, repeats=repeats)


if __name__ == "__main__":
    main()
