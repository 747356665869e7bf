"""The fast loop for cells whose step falls into stages, with its own gradient.

Nothing in it is particular to a cell:

* forwards, the inputs of a chunk of time are projected in one product, which is still in the
  cache when the loop over the chunk's steps reads it, unless it is better done step by step;
* what the gradient needs is kept once: the pre-activation of every step, and the carry
  unless it is an output too;
* backwards, the loop differentiates `gate`, `recur_again` and `recur` in the carry only, and
  writes the gradient of every pre-activation over it;
* every weight gradient is then one product over all steps.
"""

from functools import partial, wraps
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType

from .._core import StagedCell, frozen
from ._controls import Controls, hold, restart, zeros_like
from ._loop import Loop, even_chunk, in_chunks, read_row, scan_ahead, vary, write_row

# Rows, steps times batch, to project at once: fewer make a slow product, more leave the cache.
_ROWS = 512

# Steps that are not worth dividing further.
_STEPS = 16

# Bytes of input weights that a CPU may as well read at every step.
_WEIGHTS = 2**19


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

    carry, kept = _run(cell, loop, keep, None, params, xs, carry, fresh, controls)
    return carry, kept.y, kept.carry


def _precisely(rule):
    """Traces a rule at the loop's precision: JAX calls it when no context is left."""

    @wraps(rule)
    def wrapped(cell, loop, *args):
        with loop.precisely():
            return rule(cell, loop, *args)

    return wrapped


@_precisely
def _run(cell, loop, keep, buffers, params, xs, carry, fresh, controls):
    """Runs over all steps; returns the last carry, and what `keep` keeps of every step.

    It is written into `buffers`, or stacked where these are `None`: XLA drops what is stacked
    and then not used, and copies it once.
    """
    steps, *batch = jax.tree.leaves(xs)[0].shape[:-1]
    ahead = buffers is not None or _ahead_pays(cell, params, xs)

    def body(state, inputs):
        t, carry, buffers = state
        row, now = inputs
        z = row if ahead else cell.project(params, row)
        carry = restart(now, fresh, carry)
        s = cell.recur_again(params, carry, cell.recur(params, carry, z))
        carry, y = hold(now, carry, *cell.gate(params, carry, s))
        kept = keep(y, carry, s)
        if buffers is None:
            return (t, carry, None), (None, kept)
        return (loop.after(t), carry, write_row(buffers, t, kept)), (None, None)

    def chunk(state, inputs):
        xs, controls = inputs
        rows = cell.project(params, xs) if ahead else xs
        state, _, stacked = scan_ahead(body, state, rows, controls, loop)
        return state, stacked

    state = vary((loop.first(steps), carry, buffers), carry)
    most = _ROWS // max(prod(batch), 1)
    if buffers is not None:
        # A chunk's projection lives beside the buffers, and should not be as large as they are.
        most = min(most, max(-(-steps // 4), _STEPS))
    size = even_chunk(steps, most) if ahead else steps
    (_, carry, buffers), stacked = in_chunks(chunk, state, (xs, controls), loop, size)
    if buffers is not None:
        return carry, buffers
    # Under `vmap` a reshape puts the new axis first, where buffers have it: JAX takes for granted
    # that a function and its rule return it in the same place.
    return carry, jax.tree.map(lambda a: a[None].reshape(a.shape), stacked)


def _ahead_pays(cell, params, xs):
    """Whether to project a chunk of inputs at once, where no gradient needs it.

    It spares the loop the input weights, and costs it a projection to write and to read again.
    """
    x, z = (jax.tree.leaves(tree) for tree in (xs, jax.eval_shape(cell.project, params, xs)))
    weights = sum(a.shape[-1] for a in x) * sum(a.shape[-1] * a.dtype.itemsize for a in z)
    one = prod(x[0].shape[1:-1]) == 1
    return one or weights >= _WEIGHTS or jax.default_backend() != "cpu"


@frozen
class _Echo:
    """Stands for an array of the carry that is an output too, by its place among those."""

    place: int


def _forward(cell, loop, params, xs, carry, fresh, controls):
    def keep(y, carry, s):
        ys = [id(leaf) for leaf in jax.tree.leaves(y)]
        leaves = jax.tree.leaves(carry)
        return _Kept(y, [_Echo(ys.index(id(a))) if id(a) in ys else a for a in leaves], s)

    args = (params, xs, carry, fresh, controls)
    _, shapes = jax.eval_shape(partial(_run, cell, loop, keep, None), *args)
    buffers = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
    last, kept = _run(cell, loop, keep, buffers, *args)
    ys = jax.tree.leaves(kept.y)
    leaves = [ys[a.place] if isinstance(a, _Echo) else a for a in kept.carry]
    carries = jax.tree.unflatten(jax.tree.structure(carry), leaves)
    outputs = (last, kept.y, carries if loop.record else None)
    return outputs, (params, xs, kept.s, carry, carries, fresh, controls)


@_precisely
def _backward(cell, loop, residuals, cotangents):
    params, xs, s, carry, carries, fresh, controls = residuals
    d_last, d_ys, d_recorded = cotangents
    steps, *batch = jax.tree.leaves(xs)[0].shape[:-1]
    back = loop.reversed()
    # A weight that has to be transposed at every step costs up to a half more; through the
    # barrier XLA does not see that transposing it twice does nothing. Times a vector it costs less.
    turn = _swap if prod(batch) > 1 else lambda w: w
    turned = lax.optimization_barrier(jax.tree.map(turn, params))

    def body(state, inputs):
        t, d_carry, d_fresh, d_params = state
        s, (z, now, d_y, d_record) = inputs
        d_carry = d_carry if d_record is None else _add(d_carry, d_record)
        before = _carry_before(loop, t, carry, carries)

        entered, leave = jax.vjp(partial(restart, now), fresh, before)
        weights = jax.tree.map(turn, turned)

        def gate(params, carry, s):
            return hold(now, carry, *cell.gate(params, carry, s))

        d_now, d_gate, d_s = jax.vjp(gate, params, entered, s)[1]((d_carry, d_y))
        d_again, d_first = jax.vjp(partial(cell.recur_again, weights), entered, s)[1](d_s)
        (d_recur,) = jax.vjp(lambda carry: cell.recur(weights, carry, z), entered)[1](d_first)
        d_fresh_now, d_carry = leave(_add(d_gate, _add(d_again, d_recur)))
        state = (back.after(t), d_carry, _add(d_fresh, d_fresh_now), _add(d_params, d_now))
        return state, (d_s, None)

    # Only a `recur` that is not linear in `z` reads it; for the others XLA drops this product.
    z = cell.project(params, xs)
    state = vary((back.first(steps), d_last, zeros_like(fresh), zeros_like(params)), s)
    state, d_s, _ = scan_ahead(body, state, s, (z, controls, d_ys, d_recorded), back)
    _, d_carry, d_fresh, d_params = state

    # Shifting the carries makes a copy, which must not live during the loop.
    carries, d_s = lax.optimization_barrier((carries, d_s))
    befores = _carries_before(loop, carry, carries)
    entered = jax.vmap(restart, (0, None, 0))(controls, fresh, befores)
    d_weights, d_xs = _through_pre_activations(cell, params, xs, entered, s, d_s)
    return _add(d_params, d_weights), d_xs, d_carry, d_fresh, None


staged_loop.defvjp(_forward, _backward)


def _through_pre_activations(cell, params, xs, carries, s, d_s):
    """The gradients in parameters and inputs, all steps at once.

    Only a `recur_again` reads `s`; what it reads XLA copies before the loop writes over it.

    Time and batch are merged: XLA transposes whole buffers to contract over two axes. But what is
    merged cannot stay divided by rows among devices: each would gather whole batches.
    """
    lead = jax.tree.leaves(xs)[0].shape[:-1]
    divided = any(map(_may_be_divided, jax.tree.leaves((xs, d_s))))

    def rows(tree):
        if divided:
            return tree
        return jax.tree.map(lambda a: a.reshape(prod(lead), *a.shape[len(lead) :]), tree)

    carries, s, d_s = rows(carries), rows(s), rows(d_s)

    def recur_again(params, s):
        return cell.recur_again(params, carries, s)

    def recur(params, xs):
        return cell.recur(params, carries, cell.project(params, rows(xs)))

    d_again, d_s = jax.vjp(recur_again, params, s)[1](d_s)
    d_params, d_xs = jax.vjp(recur, params, xs)[1](d_s)
    return _add(d_params, d_again), d_xs


def _may_be_divided(a: Any) -> bool:
    """Whether XLA may keep parts of an array on several devices, and sees to that by itself."""
    mesh = jax.typeof(a).sharding.mesh
    axes = zip(mesh.axis_sizes, mesh.axis_types, strict=True)
    return any(size > 1 and kind != AxisType.Manual for size, kind in axes)


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


def _swap(w: Any) -> Any:
    return w.swapaxes(-1, -2) if w.ndim > 1 else w


def _add(a: Any, b: Any) -> Any:
    return jax.tree.map(jnp.add, a, b)
