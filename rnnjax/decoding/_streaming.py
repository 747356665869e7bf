"""Streaming: inputs that arrive one step at a time, in many sessions at once."""

import jax
from jaxtyping import Array, Bool, PyTree

from ..layers import Layer


@jax.jit
def stream_step(
    model: Layer,
    params: PyTree,
    carry: PyTree,
    x: PyTree,
    *,
    resets: Bool[Array, "b"] | None = None,
    mask: Bool[Array, "b"] | None = None,
    context: PyTree = None,
) -> tuple[PyTree, PyTree]:
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
        carry: what the step before returned; at first `model.init_carry(params, (B,))`, or
            `None`.
        x: the inputs of this step, `[B, …features]`, one row a session; tokens are `[B]`.
        resets: true for a session that starts afresh with this step.
        mask: false for a session that has no input now; it keeps its carry, and its output is
            zero.
        context: as in `Layer.apply`.

    Raises:
        ValueError: if the model needs later steps, or where `Layer.apply` does.

    Examples:
        >>> import rnnjax
        >>> model = rnnjax.layers.RNN(rnnjax.GRU(8))
        >>> params = model.init(jax.random.key(0), 3)
        >>> carry = model.init_carry(params, (16,))
        >>> carry, y = stream_step(model, params, carry, jax.numpy.ones((16, 3)))
        >>> y.shape
        (16, 8)
    """
    if not model.causal:
        raise ValueError(f"expected a model that needs no later step, got {model}")
    xs, resets, mask = jax.tree.map(lambda a: a[:, None], (x, resets, mask))
    carry, ys = model.apply(params, xs, carry, resets=resets, mask=mask, context=context)
    return carry, jax.tree.map(lambda y: y[:, 0], ys)
