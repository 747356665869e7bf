"""The loop for cells whose stages do the products, with its own gradient.

Nothing in it is particular to a cell:

* forwards, the inputs of a chunk of time are projected in one product, which is still in the
  cache when the loop over the chunk's steps reads it, unless it is better done step by step;
* the gradient keeps the carry and the pre-activations of every step;
* backwards, the loop differentiates `update` and the calls of `recur` in the carry only, and
  writes the gradients of the pre-activations over them;
* every weight gradient is then one product, or one sum, over all steps.

Each of the two loops has a form in JAX and a body that `native` compiles.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import CustomVJPPrimal

from .._core import Cell, pre_activations
from .._sharding import match_varying_axes
from .._trees import inexact
from . import _choice
from ._entry import Start, enter, leave
from ._staged_back import backward, no_fresh, step_back
from ._time import (
    Time,
    at_its_precision,
    batch_of,
    even_chunk,
    in_chunks,
    scan_ahead,
    write_row,
)
from .native._primitive import row_loop, trace


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def staged_loop(
    cell: Cell, time: Time, weights: Any, xs: Any, noise: tuple, carry: Any, start: Start, masks
) -> tuple[Any, Any]:
    """The final carry, and the carries after all steps."""
    args = (weights, xs, noise, carry, start, masks)
    if time.native:
        return compiled_loop(cell, time, carry_alone, staged_loop, *args)
    return _run(cell, time, carry_alone, None, *args)


def carry_alone(carry: Any, s: tuple) -> Any:
    """Keeps the carry of a step."""
    return carry


def _both(carry, s):
    return carry, s


def step(cell: Cell, keep: Callable, constants: Any, carry: Any, row: Any, _: Any):
    """The body of the loop, as it is compiled."""
    x, noise, now = row
    return _step(cell, keep, constants, carry, cell.project(constants[0], x, *noise), now)


def _step(cell, keep, constants, carry, z, now):
    """One step: the carry after it, and what is kept."""
    weights, start = constants
    held, entered = enter(now, start, carry)
    s = pre_activations(cell, weights, entered, z)
    carry = leave(now, held, cell.update(weights, entered, *s))
    return carry, keep(carry, s)


@at_its_precision
def compiled_loop(cell, time, keep, loop, weights, xs, noise, carry, start, masks):
    """The last carry and what is kept of all steps, in C++; `loop` computes the same in JAX."""

    def portable(constants, carry, rows, _):
        (weights, start), (xs, noise, masks) = constants, rows
        return loop(cell, replace(time, native=False), weights, xs, noise, carry, start, masks)

    return row_loop(
        partial(step, cell, keep),
        portable,
        (weights, start),
        carry,
        (xs, noise, masks),
        batch=batch_of(cell, xs),
        steps=time.steps,
        reverse=time.reverse,
    )


def bodies(cell: Cell, weights: Any, xs: Any, noise: tuple, carry: Any, start: Start, masks):
    """The bodies of the loop and of the loop back, of these arrays, as jaxprs."""
    constants, rows = (weights, start), (xs, noise, masks)
    one = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), rows)
    _, kept = jax.eval_shape(partial(step, cell, _both), constants, carry, one, ())
    carries, s = jax.tree.map(lambda a: jax.ShapeDtypeStruct((1, *a.shape), a.dtype), kept)
    state = (inexact(carry), no_fresh(start, masks))
    back = (*rows, s, inexact(carries))
    return (
        trace(partial(step, cell, _both), constants, carry, rows, ((), ())),
        trace(partial(step_back, cell), constants, state, back, (carries, carry)),
    )


@at_its_precision
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
        carry, kept = _step(cell, keep, (weights, start), carry, z, now)
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


def _run_and_keep(cell, time, *args):
    """The last carry, and the carries and pre-activations of all steps."""
    _, shapes = jax.eval_shape(partial(_run, cell, time, _both, None), *args)
    buffers = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
    return _run(cell, time, _both, buffers, *args)


def _forward(cell, time, *args):
    args = jax.tree.map(
        lambda primal: primal.value, args, is_leaf=lambda a: isinstance(a, CustomVJPPrimal)
    )
    if time.native:
        last, (carries, s) = compiled_loop(cell, time, _both, _run_and_keep, *args)
    else:
        last, (carries, s) = _run_and_keep(cell, time, *args)
    return (last, carries), (*args, carries, s)


staged_loop.defvjp(_forward, backward, symbolic_zeros=True)
