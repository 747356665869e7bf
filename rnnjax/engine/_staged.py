"""The loop for cells whose stages do the products, with its own gradient.

Nothing in it is particular to a cell:

* forwards, the inputs of a chunk of time are projected in one product, which is still in the
  cache when the loop over the chunk's steps reads it, unless it is better done step by step;
* the gradient keeps the carry and the pre-activations of every step;
* backwards, the loop differentiates `update` and the calls of `recur` in the carry only, and
  writes the gradients of the pre-activations over them;
* every weight gradient is then one product over all steps.
"""

from collections.abc import Callable
from functools import partial, wraps
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import CustomVJPPrimal, SymbolicZero

from .._core import Cell, pre_activations
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
from . import _choice
from ._entry import Start, enter, leave
from ._time import Time, even_chunk, in_chunks, precisely, read_row, scan_ahead, write_row


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def staged_loop(
    cell: Cell, time: Time, weights: Any, xs: Any, noise: tuple, carry: Any, start: Start, masks
) -> tuple[Any, Any]:
    """The final carry, and the carries after all steps."""
    return _run(cell, time, lambda carry, s: carry, None, weights, xs, noise, carry, start, masks)


def _precisely(rule: Callable) -> Callable:
    """Traces a rule at the loop's precision: JAX calls it when no context is left."""

    @wraps(rule)
    def wrapped(cell, time, *args):
        with precisely(time.precision):
            return rule(cell, time, *args)

    return wrapped


@_precisely
def _run(cell, time, keep, buffers, weights, xs, noise, carry, start, masks):
    """Runs over all steps; returns the last carry, and what `keep` keeps of every step.

    It is written into `buffers`, or stacked where these are `None`: XLA drops what is stacked
    and then not used, and copies it once.
    """
    rows = prod(jax.tree.leaves(carry)[0].shape[:-1]) if jax.tree.leaves(carry) else 1
    ahead = buffers is not None or _ahead_pays(cell, weights, xs, noise, rows)

    def body(state, inputs):
        t, carry, buffers = state
        row, now = inputs
        z = row if ahead else cell.project(weights, row[0], *row[1])
        held, entered = enter(now, start, carry)
        s = pre_activations(cell, weights, entered, z)
        carry = leave(now, held, cell.update(weights, entered, *s))
        kept = keep(carry, s)
        if buffers is None:
            return (t, carry, None), (None, kept)
        return (time.after(t), carry, write_row(buffers, t, kept)), (None, None)

    def chunk(state, inputs, time):
        (xs, noise), masks = inputs
        rows = cell.project(weights, xs, *noise) if ahead else (xs, noise)
        state, _, stacked = scan_ahead(body, state, rows, masks, time)
        return state, stacked

    state = match_varying_axes((jnp.asarray(time.first), carry, buffers), carry)
    most = _choice.PROJECTED_ROWS // max(rows, 1)
    if buffers is not None:
        # A chunk's projection lives beside the buffers, and should not be as large as they are.
        most = min(most, max(-(-time.steps // 4), _choice.STEPS_OF_A_CHUNK))
    size = even_chunk(time.steps, most) if ahead else time.steps
    (_, carry, buffers), stacked = in_chunks(chunk, state, ((xs, noise), masks), time, size)
    if buffers is not None:
        return carry, buffers
    # Under `vmap` a reshape puts the new axis first, where buffers have it: JAX takes for granted
    # that a function and its rule return it in the same place.
    return carry, jax.tree.map(lambda a: a[None].reshape(a.shape), stacked)


def _ahead_pays(cell, weights, xs, noise, rows):
    """Whether to project a chunk of inputs at once, where no gradient needs it.

    It spares the loop the input weights, and costs it a projection to write and to read again.
    """
    z = jax.tree.leaves(jax.eval_shape(cell.project, weights, xs, *noise))
    sizes = sum(a.shape[-1] for a in jax.tree.leaves(xs) if a.ndim > 1)
    bytes_of_weights = sizes * sum(a.shape[-1] * a.dtype.itemsize for a in z)
    on_cpu = jax.default_backend() == "cpu"
    return rows == 1 or bytes_of_weights >= _choice.INPUT_WEIGHT_BYTES or not on_cpu


def _forward(cell, time, *args):
    args = jax.tree.map(
        lambda primal: primal.value, args, is_leaf=lambda a: isinstance(a, CustomVJPPrimal)
    )

    def keep(carry, s):
        return carry, s

    _, shapes = jax.eval_shape(partial(_run, cell, time, keep, None), *args)
    buffers = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
    last, (carries, s) = _run(cell, time, keep, buffers, *args)
    return (last, carries), (*args, carries, s)


@_precisely
def _backward(cell, time, residuals, cotangents):
    weights, xs, noise, carry, start, masks, carries, s = residuals
    d_s, d_carry, d_fresh, d_weights = _loop_back(cell, time, residuals, cotangents)
    # Shifting the carries makes a copy, which must not live during the loop.
    carries, d_s = lax.optimization_barrier((carries, d_s))
    _, entered = jax.vmap(enter, (0, None, 0))(masks, start, _carries_before(time, carry, carries))
    d_products, d_xs, d_noise = _pull_stages(cell, weights, xs, noise, entered, s)(d_s)
    given = (weights, xs, noise, carry, start.fresh)
    gradients = (add(d_weights, d_products), d_xs, d_noise, d_carry, d_fresh)
    *gradients, d_fresh = map(_with_nones, given, gradients)
    return *gradients, Start(d_fresh), None


def _loop_back(cell, time, residuals, cotangents):
    """The gradients of all pre-activations, the first carry, `fresh`, and weights of `update`."""
    weights, xs, noise, carry, start, masks, carries, s = residuals
    d_last, d_carries = (_cotangents(carry, d) for d in cotangents)
    zero = zeros_like(inexact(carry))
    d_last = [z if d is None else d for z, d in zip(zero, d_last, strict=True)]
    back = time.reversed()
    transposed = lax.optimization_barrier(_transpose_weights(weights, carry))

    def body(state, inputs):
        t, d_carry, d_fresh, d_weights = state
        d_s, (rest, z, now, d_after) = inputs
        d_carry = [d if e is None else d + e for d, e in zip(d_carry, d_after, strict=True)]
        d_carry, d_fresh_now, d_now, d_s = _pull_step(
            cell,
            _transpose_weights(transposed, carry),
            (start, now, _carry_before(time, t, carry, carries)),
            z,
            replace_inexact(s, d_s, rest),
            d_carry,
        )
        state = (back.after(t), d_carry, add(d_fresh, d_fresh_now), add(d_weights, d_now))
        return state, (d_s, None)

    # Only a `recur` that is not linear in `z` reads it; for the others XLA drops this product.
    z = cell.project(weights, xs, *noise)
    zeros = zeros_like(inexact(start.fresh)), zeros_like(inexact(weights))
    state = (jnp.asarray(back.first), d_last, *zeros)
    state = match_varying_axes(state, (inexact(s), d_last, inexact(carries)))
    # The gradients of the pre-activations are written over them; integers among them have none.
    state, d_s, _ = scan_ahead(body, state, inexact(s), (exact(s), z, masks, d_carries), back)
    return d_s, *state[1:]


staged_loop.defvjp(_forward, _backward, symbolic_zeros=True)


def _pull_step(cell, weights, entry, z, s, d_carry):
    """The gradients of one step in the carry before it, `fresh`, the weights of `update`, and s."""
    start, now, before = entry
    held, entered = enter(now, start, before)

    def update(weights, held, entered, *s):
        return leave(now, held, cell.update(weights, entered, *s))

    d_weights, d_held, d_entered, *d_s = pullback(update, weights, held, entered, *s)(d_carry)
    for k in reversed(range(cell.num_products)):
        pull = pullback(lambda entered, *s: cell.recur(weights, entered, z, *s), entered, *s[:k])
        d_more, *d_earlier = pull(d_s[k])
        d_entered = add(d_entered, d_more)
        d_s[:k] = add(d_s[:k], d_earlier)
    pull = pullback(
        lambda fresh, before: enter(now, start._replace(fresh=fresh), before), start.fresh, before
    )
    d_fresh, d_before = pull([*d_held, *d_entered])
    return d_before, d_fresh, d_weights, [d for each in d_s for d in each]


def _pull_stages(cell, weights, xs, noise, entered, s):
    """The gradients in weights, inputs and noise through all pre-activations at once."""

    def stages(weights, xs, noise):
        z = cell.project(weights, xs, *noise)
        if not cell.num_products:
            return (z,)
        return tuple(cell.recur(weights, entered, z, *s[:k]) for k in range(cell.num_products))

    return pullback(stages, weights, xs, noise)


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
