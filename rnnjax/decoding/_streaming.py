"""Streaming: inputs that arrive one step at a time, in many sessions at once."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree, Shaped

from ..layers import Bidirectional, Layer, Pool, Recurrent, Sequential


@jax.jit
def stream_step(
    model: Layer,
    params: PyTree,
    carry: PyTree,
    x: Shaped[Array, "*sessions features"],
    *,
    resets: Bool[Array, "*sessions"] | None = None,
    active: Bool[Array, "*sessions"] | None = None,
) -> tuple[PyTree, Array]:
    """One step of every session, compiled: `(carry, x) -> (carry, y)`.

    Step after step this gives what `model.apply` gives for the whole sequence, but for rounding:
    XLA sums in another order when it multiplies more rows at once, or loops over more steps. For
    chunks of several steps call `jax.jit(model.apply)(params, chunk, carry)`.

    To have the new carry written over the old one, wrap it once more:
    `jax.jit(stream_step, donate_argnames="carry")`.

    On a CPU, JAX hands each call to another thread, and waiting for that takes longer than the
    step. A program that serves says first:
    `jax.config.update("jax_cpu_enable_async_dispatch", False)`.

    Args:
        model: a layer whose output at a step depends on no later one.
        params: its parameters.
        carry: what the step before returned; at first `model.init_carry(params, sessions)`.
        x: the inputs of this step, `[*sessions, features]`, or integer tokens `[*sessions]`.
        resets: true for a session that starts afresh with this step.
        active: false for a session that has no input now; it keeps its carry, and its output
            means nothing.

    Raises:
        ValueError: if a layer needs later steps.

    Example:
        >>> import rnnjax
        >>> model = Recurrent(rnnjax.GRU(8))
        >>> params = model.init(jax.random.key(0), 3)
        >>> carry = model.init_carry(params, (16,))
        >>> carry, y = stream_step(model, params, carry, jnp.ones((16, 3)))
        >>> y.shape
        (16, 8)
    """
    _check_streams(model)
    time = x.ndim if jnp.issubdtype(x.dtype, jnp.integer) else x.ndim - 1
    resets, mask = (None if a is None else a[..., None] for a in (resets, active))
    xs = jnp.expand_dims(x, time)
    carry, ys = model.apply(params, xs, carry, resets=resets, mask=mask)
    return carry, jnp.squeeze(ys, time)


def _check_streams(layer: Layer) -> None:
    if isinstance(layer, Sequential):
        for part in layer.layers:
            _check_streams(part)
    backwards = isinstance(layer, Recurrent) and layer.reverse
    if backwards or isinstance(layer, Bidirectional | Pool):
        raise ValueError(f"expected layers that need no later step, got {layer!r}")
