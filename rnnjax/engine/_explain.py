"""What the engine would do, and why, in words."""

from typing import Any, NamedTuple

import jax
from jaxtyping import PyTree

from .._core import Cell
from . import _check
from ._choice import ROUTES, chosen, route
from ._methods import Sequential
from ._scan import scan


class Explanation(NamedTuple):
    """What the engine does for a call of `scan`, and why; `print` it.

    Attributes:
        method: how it computes.
        why: what speaks for the method.
        loops: for every recurrence in the cell, in order: its cell, the loop that runs it and
            what speaks for that loop.
        ruled_out: what was not taken, and what speaks against it.
        gradient_bytes: memory that the gradient keeps between its passes, inputs included.
        sqrt_bytes: the same with `Sequential(checkpoint="sqrt")`.

    Example:
        >>> import rnnjax
        >>> cell = rnnjax.LSTM(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> print(rnnjax.explain(cell, params, jax.numpy.ones((100, 2, 3))))
        method     Sequential(unroll=1, checkpoint=None, forward_mode=False)
        ...
    """

    method: Sequential
    why: str
    loops: tuple[tuple[Cell, str, str], ...]
    ruled_out: tuple[tuple[str, str], ...]
    gradient_bytes: int
    sqrt_bytes: int

    def __str__(self) -> str:
        rows = [("method", f"{self.method}"), ("", self.why)]
        rows += [("loop", f"{cell}: {name}; {why}") for cell, name, why in self.loops]
        rows += [("not", f"{name}: {why}") for name, why in self.ruled_out]
        kept, sqrt = _size(self.gradient_bytes), _size(self.sqrt_bytes)
        rows += [("memory", f"{kept} for the gradient, {sqrt} with checkpoint='sqrt'")]
        return "\n".join(f"{name:<10} {text}" for name, text in rows)


def explain(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree = None,
    *,
    method: Sequential | None = None,
    **options: Any,
) -> Explanation:
    """Tells what `scan`, called with the same arguments, would do; computes nothing.

    Args:
        cell: the cell.
        params: its parameters; here and below, `jax.ShapeDtypeStruct` will do for arrays.
        xs: inputs `[T, *batch, features]`.
        carry: the carry to start from.
        method: the method; `None` is the best known one.
        options: the other arguments of `scan`.

    Raises:
        ValueError: where `scan` does.

    Example:
        >>> import rnnjax
        >>> cell = rnnjax.GRU(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> told = rnnjax.explain(cell, params, jax.numpy.ones((100, 2, 3)))
        >>> told.loops[0][1], told.gradient_bytes > told.sqrt_bytes
        ('staged loop', True)
    """
    choice = chosen(jax.default_backend())
    loops, ruled_out = [], {}
    used = choice.method if method is None else method

    def kept(method):
        def pull(params, xs, carry):
            return jax.vjp(
                lambda params: scan(cell, params, xs, carry, method=method, **options), params
            )[1]

        leaves = jax.tree.leaves(jax.eval_shape(pull, params, xs, carry))
        return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)

    def run(cell, params, carry, xs):
        steps, _ = _check.steps_and_batch(xs)
        taken = route(cell, carry, steps, used)
        loops.append((cell, taken.name, taken.why))
        obstacles = {r.name: r.obstacle(cell, carry, steps, used) for r in ROUTES}
        ruled_out.update({name: why for name, why in obstacles.items() if why})
        carry, ys = scan(cell, params, xs, carry, method=used)
        return carry, ys, None

    def recurrences(params, xs, carry):
        _, batch = _check.steps_and_batch(xs)
        carry = cell.init_carry(params, batch) if carry is None else carry
        return cell.over_time(run, params, carry, xs)[:2]

    gradient_bytes = kept(used)
    jax.eval_shape(recurrences, params, xs, carry)
    return Explanation(
        used,
        choice.why if method is None else "it was asked for",
        tuple(loops),
        tuple(ruled_out.items()),
        gradient_bytes,
        kept(Sequential(checkpoint="sqrt")),
    )


def _size(count: int) -> str:
    return f"{count / 1e6:.3g} MB"
