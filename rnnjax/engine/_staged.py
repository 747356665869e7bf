"""The fast loop for cells whose step falls into stages, with its own gradient.

Nothing in it is particular to a cell:

* forwards, the inputs of a chunk of time are projected in one product, which is still in the
  cache when the loop over the chunk's steps reads it;
* what the gradient needs is kept once: the pre-activation of every step, and the carry
  unless it is an output too;
* backwards, the loop differentiates `gate` and `recur` in the carry only, and writes the
  gradient of every pre-activation over it;
* every weight gradient is then one product over all steps.
"""

from functools import partial
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from .._core import StagedCell, frozen
from ._controls import Controls, hold, restart, zeros_like
from ._loop import Loop, even_chunk, in_chunks, read_row, scan_ahead, write_row

# Rows, steps times batch, to project at once: fewer make a slow product, more leave the cache.
_ROWS = 1024


class _Kept(NamedTuple):
    """What is kept of a step, or of all of them; `None` for what is not."""

    y: Any
    carry: Any
    s: Any = None


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def staged_loop(
    cell: StagedCell, loop: Loop, params: Any, xs: Any, carry: Any, fresh: Any, controls: Controls
) -> tuple[Any, Any, Any]:
    """What `plain_loop` computes, for a staged cell."""

    def keep(y, carry, s):
        return _Kept(y, carry if loop.record else None)

    carry, kept = _run(cell, loop, keep, params, xs, carry, fresh, controls)
    return carry, kept.y, kept.carry


def _run(cell, loop, keep, params, xs, carry, fresh, controls):
    """Runs over all steps; returns the last carry, and what `keep` keeps of every step."""
    steps, *batch = jax.tree.leaves(xs)[0].shape[:-1]

    def step(carry, z, now):
        carry = restart(now, fresh, carry)
        s = cell.recur(params, carry, z)
        carry, y = hold(now, carry, *cell.gate(params, carry, s))
        return carry, keep(y, carry, s)

    def body(state, inputs):
        t, carry, kept = state
        carry, new = step(carry, *inputs)
        return (loop.after(t), carry, write_row(kept, t, new)), (None, None)

    def chunk(state, inputs):
        xs, controls = inputs
        z = cell.project(params, xs)
        return scan_ahead(body, state, z, controls, loop)[0], None

    def first_step(x, now):
        return step(carry, cell.project(params, x), now)[1]

    kept = jax.eval_shape(first_step, *read_row((xs, controls), 0))
    kept = jax.tree.map(lambda a: lax.empty((steps, *a.shape), a.dtype), kept)
    state = (loop.first(steps), carry, kept)
    size = even_chunk(steps, _ROWS // max(prod(batch), 1))
    (_, carry, kept), _ = in_chunks(chunk, state, (xs, controls), loop, size)
    return carry, kept


@frozen
class _Echo:
    """Stands for an array of the carry that is an output too, by its place among those."""

    place: int


def _forward(cell, loop, params, xs, carry, fresh, controls):
    def keep(y, carry, s):
        ys = [id(leaf) for leaf in jax.tree.leaves(y)]
        leaves = jax.tree.leaves(carry)
        return _Kept(y, [_Echo(ys.index(id(a))) if id(a) in ys else a for a in leaves], s)

    last, kept = _run(cell, loop, keep, params, xs, carry, fresh, controls)
    ys = jax.tree.leaves(kept.y)
    leaves = [ys[a.place] if isinstance(a, _Echo) else a for a in kept.carry]
    carries = jax.tree.unflatten(jax.tree.structure(carry), leaves)
    outputs = (last, kept.y, carries if loop.record else None)
    return outputs, (params, xs, kept.s, carry, carries, fresh, controls)


def _backward(cell, loop, residuals, cotangents):
    params, xs, s, carry, carries, fresh, controls = residuals
    d_last, d_ys, d_recorded = cotangents
    steps, *batch = jax.tree.leaves(xs)[0].shape[:-1]
    back = loop.reversed()
    transposed = _transposed(params)

    def body(state, inputs):
        t, d_carry, d_fresh, d_params = state
        s, (z, now, d_y, d_record) = inputs
        d_carry = d_carry if d_record is None else _add(d_carry, d_record)
        before = _carry_before(loop, t, carry, carries)

        def gate(params, fresh, before, s):
            entered = restart(now, fresh, before)
            return hold(now, entered, *cell.gate(params, entered, s))

        def recur(fresh, before):
            return cell.recur(_transposed(transposed), restart(now, fresh, before), z)

        *d_gate, d_s = jax.vjp(gate, params, fresh, before, s)[1]((d_carry, d_y))
        d_recur = jax.vjp(recur, fresh, before)[1](d_s)
        d_now, d_fresh_now, d_carry = _add(d_gate, [zeros_like(params), *d_recur])
        state = (back.after(t), d_carry, _add(d_fresh, d_fresh_now), _add(d_params, d_now))
        return state, (d_s, None)

    # Only a `recur` that is not linear in `z` reads it; for the others XLA drops this product.
    z = cell.project(params, xs)
    state = (back.first(steps), d_last, zeros_like(fresh), zeros_like(params))
    state, d_s, _ = scan_ahead(body, state, s, (z, controls, d_ys, d_recorded), back)
    _, d_carry, d_fresh, d_params = state

    # Shifting the carries makes a copy, which must not live during the loop.
    carries, d_s = lax.optimization_barrier((carries, d_s))
    befores = _carries_before(loop, carry, carries)
    entered = jax.vmap(restart, (0, None, 0))(controls, fresh, befores)
    rows = partial(_as_rows, lead=1 + len(batch))

    def pre_activations(params, xs):
        return cell.recur(params, rows(entered), cell.project(params, rows(xs)))

    d_weights, d_xs = jax.vjp(pre_activations, params, xs)[1](rows(d_s))
    return _add(d_params, d_weights), d_xs, d_carry, d_fresh, None


staged_loop.defvjp(_forward, _backward)


def _carry_before(loop, t, first, carries):
    """The carry from which step `t` starts, resets aside."""
    steps = jax.tree.leaves(carries)[0].shape[0]
    before = loop.reversed().after(t)
    at_start = t == loop.first(steps)
    others = read_row(carries, jnp.clip(before, 0, steps - 1))
    return jax.tree.map(lambda a, b: jnp.where(at_start, a, b), first, others)


def _carries_before(loop, first, carries):
    """The carries from which all steps start, resets aside."""

    def shift(a, b):
        return lax.concatenate([b[1:], a[None]] if loop.reverse else [a[None], b[:-1]], 0)

    return jax.tree.map(shift, first, carries)


def _transposed(params: Any) -> Any:
    """The weights, transposed in memory.

    The product with a transposed weight, transposed again at every step, takes up to twice
    as long; XLA does not see through the barrier that this one is the same.
    """
    return jax.tree.map(
        lambda w: lax.optimization_barrier(w.swapaxes(-1, -2)) if w.ndim > 1 else w, params
    )


def _as_rows(tree: Any, lead: int) -> Any:
    """Merges the `lead` leading axes: XLA transposes whole buffers to contract two axes."""
    return jax.tree.map(lambda a: a.reshape(prod(a.shape[:lead]), *a.shape[lead:]), tree)


def _add(a: Any, b: Any) -> Any:
    return jax.tree.map(jnp.add, a, b)
