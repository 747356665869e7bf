"""The loops that JAX differentiates: of any cell, and of a linear one."""

from typing import Any

import jax
import jax.numpy as jnp

from .._core import Cell, advance, inputs
from .._numerics import along
from .._trees import where
from ._entry import Masks, Start, enter, leave
from ._time import Time


def plain_loop(
    cell: Cell, time: Time, weights: Any, xs: Any, noise: tuple, carry: Any, start: Start, masks
) -> tuple[Any, Any]:
    """The final carry and the outputs of any cell: a scan over its step."""

    def body(carry, row):
        x, noise, now = row
        held, entered = enter(now, start, carry)
        new = advance(cell, weights, entered, inputs(cell, weights, x, *noise))
        return leave(now, held, new), cell.readout(weights, new, x)

    return time.scan(body, carry, (xs, noise, masks))


def linear_loop(
    cell: Cell, time: Time, weights: Any, xs: Any, noise: tuple, carry: Any, start: Start, masks
) -> tuple[Any, Any]:
    """The final carry and the outputs of a linear cell: a scan over its elements.

    Everything but `a h + b` is done for all steps at once, the readout included.
    """
    carry, carries = linear_carries(cell, time, weights, xs, noise, carry, start, masks)
    return carry, read(cell, weights, carries, xs, start, masks)


def linear_carries(
    cell: Cell, time: Time, weights: Any, xs: Any, noise: tuple, carry: Any, start: Start, masks
) -> tuple[Any, Any]:
    """The final carry and the carries after all steps."""
    a, b = cell.elements(weights, xs, *noise)
    rates, constants = _over_time(a, b)

    def body(carry, row):
        rates, b, now = row
        held, _ = enter(Masks(None, now.resets), start, carry)
        a = [r if c is None else c for r, c in zip(rates, constants, strict=True)]
        a = jax.tree.unflatten(jax.tree.structure(carry), a)
        new = leave(now, held, jax.tree.map(lambda a, h, b: along(a, b) * h + b, a, held, b))
        return new, new

    return time.scan(body, carry, (rates, b, masks))


def _over_time(a: Any, b: Any) -> tuple[list, list]:
    """The leaves of `a` that have a time axis, and those that have none; `None` elsewhere."""
    pairs = list(zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
    rates = [a if a.ndim == b.ndim else None for a, b in pairs]
    return rates, [a if r is None else None for (a, _), r in zip(pairs, rates, strict=True)]


def read(cell: Cell, weights: Any, carries: Any, xs: Any, start: Start, masks: Masks) -> Any:
    """The outputs of all steps at once; at masked steps the output of the first valid one."""
    if masks.valid is not None:
        first = jax.tree.map(lambda a: jnp.expand_dims(a, 0), start.after_safe)
        carries = where(masks.valid, carries, first)
    return cell.readout(weights, carries, xs)
