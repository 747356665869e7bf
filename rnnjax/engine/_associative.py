"""All steps at once: the method for linear cells."""

from dataclasses import KW_ONLY
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .._trees import where
from ._method import Method
from ._plain import read
from ._time import Time, in_chunks


class Associative(Method):
    """An associative scan over the pairs `(a, b)` of a linear cell: exact, O(log T) deep.

        (a_1, b_1) then (a_2, b_2)  =  (a_1 a_2, a_2 b_1 + b_2)

    Args:
        chunk: number of steps to do at once, one chunk after the other; only the memory of one
            chunk is kept between the passes. `None` does all.

    Examples:
        >>> Associative(chunk=128).chunk
        128

    Reference:
        G. E. Blelloch, Prefix sums and their applications, 1990; E. Martin, C. Cundy,
        Parallelizing linear recurrent neural nets over sequence length, ICLR 2018.
    """

    _: KW_ONLY
    chunk: int | None = None

    def obstacle(self, cell, recurrence, steps):
        if not cell.linear:
            return f"{type(cell).__name__} is not linear in its carry"
        if recurrence.xs is None:
            return "without inputs there are no elements to combine"
        return None if isinstance(steps, int) and steps else "the number of steps is 0 or not known"

    def form(self, cell, recurrence, steps):
        return "associative scan", "the cell is linear, so its steps can be combined in any order"

    def run(self, cell, recurrence, steps, reverse):
        weights, xs, noise, carry, start, masks = recurrence
        time = Time(steps, reverse=reverse)

        def chunk(carry, inputs, time):
            xs, noise, masks = inputs
            a, b = fold(*cell.elements(weights, xs, *noise), start.fresh, masks)
            carries = combine(a, b, carry, time)
            ys = read(cell, weights, carries, xs, start, masks)
            return jax.tree.map(lambda a: a[0 if time.reverse else -1], carries), ys

        return in_chunks(chunk, carry, (xs, noise, masks), time, self.chunk or steps)


def fold(a: Any, b: Any, fresh: Any, masks: Any) -> tuple[Any, Any]:
    """The pairs, with the identity at a masked step and without the old carry at a reset."""
    a = jax.tree.map(lambda a, b: jnp.broadcast_to(a, b.shape), a, b)
    if masks.resets is not None:
        restarted = jax.tree.map(lambda a, f, b: a * f[None] + b, a, fresh, b)
        b = where(masks.resets, restarted, b)
        a = where(masks.resets, jax.tree.map(jnp.zeros_like, a), a)
    if masks.valid is not None:
        a = where(masks.valid, a, jax.tree.map(jnp.ones_like, a))
        b = where(masks.valid, b, jax.tree.map(jnp.zeros_like, b))
    return a, b


def combine(a: Any, b: Any, carry: Any, time: Time) -> Any:
    """The carries after all steps."""

    def later(first, second):
        (a1, b1), (a2, b2) = first, second
        return a1 * a2, a2 * b1 + b2

    def one(a, b, carry):
        products, sums = lax.associative_scan(later, (a, b), reverse=time.reverse)
        return products * carry[None] + sums

    return jax.tree.map(one, a, b, carry)
