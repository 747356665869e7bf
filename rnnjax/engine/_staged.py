"""The fast loop for cells whose step falls into stages, with its own gradient.

Three things make it fast, and none of them is particular to a cell:

* the input is projected for all steps in one product, before the loop;
* the backward loop differentiates `gate` and `recur` in the carry only, from the saved
  carries and pre-activations, and yields the gradient of every pre-activation;
* every weight gradient is then one product over all steps, after the loop.

The pre-activations are written over the projections, and their gradients over them.
"""

from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .._core import StagedCell
from ._controls import Controls, hold, restart, zeros_like
from ._loop import Loop, overwriting_loop


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def staged_loop(
    cell: StagedCell, loop: Loop, params: Any, xs: Any, carry: Any, fresh: Any, controls: Controls
) -> tuple[Any, Any, Any]:
    """What `plain_loop` computes, for a staged cell."""

    def body(carry, inputs):
        new, _, _, y = _step(cell, params, fresh, carry, inputs)
        return new, (y, new if loop.record else None)

    inputs = (cell.project(params, xs), controls)
    carry, (ys, carries) = lax.scan(body, carry, inputs, reverse=loop.reverse, unroll=loop.unroll)
    return carry, ys, carries


def _step(cell, params, fresh, carry, inputs):
    """One step of the forward loop: the new carry, the one it came from, `s` and `y`."""
    z, now = inputs
    carry = restart(now, fresh, carry)
    s = _apart(cell.recur(params, carry, _apart(z)))
    new, y = hold(now, carry, *cell.gate(params, carry, s))
    return new, carry, s, y


def _forward(cell, loop, params, xs, carry, fresh, controls):
    def body(carry, inputs):
        z, now = inputs
        new, carry, s, y = _step(cell, params, fresh, carry, (z, now))
        return new, (s, (y, new if loop.record else None, carry))

    final, (s, (ys, recorded, carries)) = overwriting_loop(
        body,
        carry,
        cell.project(params, xs),
        controls,
        reverse=loop.reverse,
        unroll=loop.unroll,
    )
    return (final, ys, recorded), (params, xs, s, carries, fresh, controls)


def _backward(cell, loop, residuals, cotangents):
    params, xs, s, carries, fresh, controls = residuals
    d_final, d_ys, d_recorded = cotangents

    def body(state, inputs):
        d_new, d_fresh, d_params = state
        s, (z, carry, now, d_y, d_record) = inputs
        s, carry = _apart((s, carry))
        d_new = d_new if d_record is None else _add(d_new, d_record)

        def gate(params, carry, s):
            return hold(now, carry, *cell.gate(params, carry, s))

        d_gate, d_carry, d_s = jax.vjp(gate, params, carry, s)[1]((d_new, d_y))
        d_s = _apart(d_s)
        (through_s,) = jax.vjp(lambda carry: cell.recur(params, carry, z), carry)[1](d_s)
        enter = partial(restart, now)
        d_restart, d_carry = jax.vjp(enter, fresh, carry)[1](_add(d_carry, through_s))
        return (d_carry, _add(d_fresh, d_restart), _add(d_params, d_gate)), (d_s, None)

    # Only a `recur` that is not linear in `z` reads it; for the others XLA drops this product.
    z = cell.project(params, xs)
    state, (d_s, _) = overwriting_loop(
        body,
        (d_final, zeros_like(fresh), zeros_like(params)),
        s,
        (z, carries, controls, d_ys, d_recorded),
        reverse=not loop.reverse,
        unroll=loop.unroll,
    )
    d_carry, d_fresh, d_params = state

    lead = jax.tree.leaves(xs)[0].ndim - 1
    carries, d_s = _as_rows(carries, lead), _as_rows(d_s, lead)

    def pre_activations(params, xs):
        return cell.recur(params, carries, cell.project(params, _as_rows(xs, lead)))

    d_weights, d_xs = jax.vjp(pre_activations, params, xs)[1](d_s)
    return _add(d_params, d_weights), d_xs, d_carry, d_fresh, None


staged_loop.defvjp(_forward, _backward)


def _apart(tree: Any) -> Any:
    """Keeps XLA:CPU from fusing what makes `tree` with what reads it.

    The slice of a time step, fused with `exp` or `tanh`, is loaded again for every element,
    and the loop over them is then not vectorised (six times slower gates).
    """
    return lax.optimization_barrier(tree) if jax.default_backend() == "cpu" else tree


def _as_rows(tree: Any, lead: int) -> Any:
    """Merges the `lead` leading axes: XLA transposes whole buffers to contract two axes."""
    return jax.tree.map(lambda a: a.reshape(prod(a.shape[:lead]), *a.shape[lead:]), tree)


def _add(a: Any, b: Any) -> Any:
    return jax.tree.map(jnp.add, a, b)
