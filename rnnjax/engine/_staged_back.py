"""The gradient of the loop in `_staged`: its loop back, and the products after it."""

from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from .._core import Cell
from .._sharding import match_varying_axes
from .._trees import (
    add,
    exact,
    inexact,
    is_inexact,
    is_weight,
    leaf_names,
    pullback,
    replace_inexact,
    zeros_like,
)
from ._alike import alike
from ._entry import Masks, Start, enter, leave
from ._time import at_its_precision, batch_of, read_row, scan_ahead
from .native._primitive import row_loop


@at_its_precision
def backward(cell, time, residuals, cotangents):
    weights, xs, noise, carry, start, masks, carries, s = residuals
    d_last, d_carries = (_cotangents(carry, d) for d in cotangents)
    zero = zeros_like(inexact(carry))
    d_last = [z if d is None else d for z, d in zip(zero, d_last, strict=True)]
    back = _loop_back_compiled if time.native else _loop_back
    (d_carry, d_fresh), (d_s, d_after) = back(cell, time, residuals, d_last, d_carries)
    # Shifting the carries makes a copy, which must not live during the loop.
    carries, d_s = lax.optimization_barrier((carries, d_s))
    before = _carries_before(time, carry, carries)
    held, entered = jax.vmap(enter, (0, None, 0))(masks, start, before)
    xs = alike(xs, d_s[0]) if d_s else xs
    d_weights, d_xs, d_noise = _pull_stages(cell, weights, xs, noise, entered, s)(d_s)
    d_fresh = d_fresh or zeros_like(inexact(start.fresh))
    (d_more,) = _pull_update(cell, weights, masks, held, entered, s)(d_after)
    given = (weights, xs, noise, carry, start.fresh)
    gradients = (add(d_weights, d_more), d_xs, d_noise, d_carry, d_fresh)
    *gradients, d_fresh = map(_with_nones, given, gradients)
    return *gradients, Start(d_fresh), None


def _loop_back(cell, time, residuals, d_last, d_carries):
    """The gradients of the first carry and `fresh`; those of all pre-activations and carries."""
    weights, xs, noise, carry, start, masks, carries, s = residuals
    back = time.reversed()
    transposed = lax.optimization_barrier(_transpose_weights(weights, carry))

    def body(state, inputs):
        t, *state = state
        d_s, (rest, z, now, d_after) = inputs
        before = _carry_before(time, t, carry, carries)
        again = _transpose_weights(transposed, carry)
        row = (now, replace_inexact(s, d_s, rest), d_after)
        state, (d_s, d_after) = _step_back(cell, (again, start), state, z, row, before)
        return (back.after(t), *state), (d_s, d_after)

    # Only a `recur` that is not linear in `z` reads it; for the others XLA drops this product.
    z = cell.project(weights, xs, *noise)
    state = (jnp.asarray(back.first), d_last, no_fresh(start, masks))
    state = match_varying_axes(state, (inexact(s), d_last, inexact(carries)))
    # The gradients of the pre-activations are written over them; integers among them have none.
    state, d_s, d_after = scan_ahead(body, state, inexact(s), (exact(s), z, masks, d_carries), back)
    return state[1:], (d_s, d_after)


def _loop_back_compiled(cell, time, residuals, d_last, d_carries):
    """The same in C++; the row that follows a step back is the carry before the step."""
    weights, xs, noise, carry, start, masks, carries, s = residuals

    def portable(constants, state, rows, following):
        (weights, start), (xs, noise, masks, s, d_carries) = constants, rows
        carries, carry = following
        residuals = (weights, xs, noise, carry, start, masks, carries, s)
        return _loop_back(cell, replace(time, native=False), residuals, state[0], d_carries)

    # Gradients are written over pre-activations that no weight gradient needs: the last ones.
    before = len(jax.tree.leaves((xs, noise, masks)))
    kept, free = len(jax.tree.leaves(s[:-1])), len(jax.tree.leaves(s[-1]))
    over = [*[None] * kept, *range(before + kept, before + kept + free)]
    return row_loop(
        partial(step_back, cell),
        portable,
        (weights, start),
        (d_last, no_fresh(start, masks)),
        (xs, noise, masks, s, d_carries),
        (carries, carry),
        batch=batch_of(cell, xs),
        steps=time.steps,
        reverse=not time.reverse,
        over=over,
    )


def step_back(cell: Cell, constants: Any, state: Any, row: Any, before: Any):
    """The body of the loop back, as it is compiled."""
    x, noise, *rest = row
    z = cell.project(constants[0], x, *noise)
    return _step_back(cell, constants, state, z, tuple(rest), before)


def _step_back(cell, constants, state, z, row, before):
    """One step back, given the carry `before` it."""
    (weights, start), (d_carry, d_fresh), (now, s, d_after) = constants, state, row
    d_carry = [d if e is None else d + e for d, e in zip(d_carry, d_after, strict=True)]
    d_before, d_fresh_now, d_s = _pull_step(cell, weights, (start, now, before), z, s, d_carry)
    return (d_before, add(d_fresh, d_fresh_now[: len(d_fresh)])), (d_s, d_carry)


def no_fresh(start: Start, masks: Masks) -> list:
    """The gradient of `fresh` before the first step back; nothing without resets."""
    return [] if masks.resets is None else zeros_like(inexact(start.fresh))


def _pull_step(cell, weights, entry, z, s, d_carry):
    """The gradients of one step in the carry before it, in `fresh`, and in `s`."""
    start, now, before = entry
    held, entered = enter(now, start, before)

    def update(held, entered, *s):
        return leave(now, held, cell.update(weights, entered, *s))

    d_held, d_entered, *d_s = pullback(update, held, entered, *s)(d_carry)
    for k in reversed(range(cell.num_products)):
        pull = pullback(lambda entered, *s: cell.recur(weights, entered, z, *s), entered, *s[:k])
        d_more, *d_earlier = pull(d_s[k])
        d_entered = add(d_entered, d_more)
        d_s[:k] = add(d_s[:k], d_earlier)
    pull = pullback(
        lambda fresh, before: enter(now, start._replace(fresh=fresh), before), start.fresh, before
    )
    d_fresh, d_before = pull([*d_held, *d_entered])
    return d_before, d_fresh, [d for each in d_s for d in each]


def _pull_stages(cell, weights, xs, noise, entered, s):
    """The gradients in weights, inputs and noise through all pre-activations at once."""

    def stages(weights, xs, noise):
        z = cell.project(weights, xs, *noise)
        if not cell.num_products:
            return (z,)
        return tuple(cell.recur(weights, entered, z, *s[:k]) for k in range(cell.num_products))

    return pullback(stages, weights, xs, noise)


def _pull_update(cell, weights, masks, held, entered, s):
    """The gradient in the weights of all updates at once."""
    return pullback(lambda weights: leave(masks, held, cell.update(weights, entered, *s)), weights)


def _cotangents(carry, gradients):
    """For each array of the carry that has a derivative its gradient, `None` for zero."""
    pairs = zip(jax.tree.leaves(carry), jax.tree.leaves(gradients), strict=True)
    return [None if isinstance(d, SymbolicZero) else d for a, d in pairs if is_inexact(a)]


def _with_nones(tree, gradients):
    """Gradients in the structure of `tree`, `None` for an array without a derivative."""
    rest = iter(gradients)
    leaves, structure = jax.tree.flatten(tree)
    return structure.unflatten([next(rest) if is_inexact(a) else None for a in leaves])


def _transpose_weights(weights, carry):
    """The weights, each matrix transposed.

    A weight that has to be transposed at every step costs up to a half more. Through a barrier
    XLA does not see that transposing it twice does nothing. Times a vector it costs less.
    """
    if prod(jax.tree.leaves(carry)[0].shape[:-1]) == 1:
        return weights
    return jax.tree.map(
        lambda name, w: w.swapaxes(-1, -2) if is_weight(name) and w.ndim > 1 else w,
        leaf_names(weights),
        weights,
    )


def _carry_before(time, t, first, carries):
    """The carry after the step before `t`, resets aside."""
    others = read_row(carries, jnp.clip(time.reversed().after(t), 0, time.steps - 1))
    return jax.tree.map(lambda a, b: jnp.where(t == time.first, a, b), first, others)


def _carries_before(time, first, carries):
    """The carries after the steps before all steps, resets aside."""

    def shift(a, b):
        return lax.concatenate([b[1:], a[None]] if time.reverse else [a[None], b[:-1]], 0)

    return jax.tree.map(shift, first, carries)
