"""Streaming: inputs that arrive one step at a time, in many sessions at once."""

from typing import Any

import jax
from jax.typing import ArrayLike
from jaxtyping import Bool, PyTree

from .._checks import check_array, check_arrays
from ..layers import Layer
from ._model import check_streams


def stream_step(
    model: Layer,
    params: PyTree,
    x: PyTree,
    carry: PyTree = None,
    *,
    resets: Bool[ArrayLike, "b"] | None = None,
    mask: Bool[ArrayLike, "b"] | None = None,
    context: PyTree = None,
) -> tuple[PyTree, PyTree]:
    """Compute one step of every session, compiled: `(x, carry)` to `(carry, y)`.

    The steps of a sequence give the outputs of `model.apply` for the whole of it, up to rounding:
    the order of sums depends on the rows that are multiplied at once, and on the loop that runs.
    For chunks of several steps call `jax.jit(model.apply)(params, chunk, carry)`.

    `jax.jit(stream_step, donate_argnames="carry")` writes the new carry over the old one.

    On a CPU, JAX hands each call to another thread, which takes longer than a small step. A server
    avoids it by `jax.config.update("jax_cpu_enable_async_dispatch", False)` at its start.

    Args:
        model: a layer whose output at a step depends on no later one.
        params: its parameters.
        x: the inputs of this step, `[B, …features]`, or a pytree of them, one row a session; tokens
            are `[B]`.
        carry: the carry that the step before returned; by default the initial one.
        resets: true for a session that starts afresh with this step.
        mask: false for a session without an input at this step: it keeps its carry, and its output
            is zero.
        context: as in `Layer.apply`.

    Raises:
        ValueError: if the model needs later steps, or where `Layer.apply` raises one.

    Examples:
        >>> import rnnjax
        >>> model = rnnjax.layers.RNN(rnnjax.GRU(8))
        >>> params = model.init(jax.random.key(0), 3)
        >>> carry, y = stream_step(model, params, jax.numpy.ones((16, 3)))
        >>> carry, y = stream_step(model, params, jax.numpy.ones((16, 3)), carry)
        >>> y.shape
        (16, 8)
    """
    try:
        return _step(model, params, x, carry, resets, mask, context)
    except TypeError:
        # JAX refuses anything but arrays without a name; to look first would cost a server time.
        check_streams(model)
        named = {"params": params, "x": x, "carry": carry, "context": context}
        for name, tree in (named | {"resets": resets, "mask": mask}).items():
            check_arrays(name, tree)
        raise


@jax.jit
def _step(
    model: Layer, params: PyTree, x: PyTree, carry: PyTree, resets: Any, mask: Any, context: PyTree
) -> tuple[PyTree, PyTree]:
    check_streams(model)
    resets = None if resets is None else check_array("resets", resets)
    mask = None if mask is None else check_array("mask", mask)
    _check_rows(model.num_feature_axes, x, resets, mask)
    xs, resets, mask = jax.tree.map(lambda a: a[:, None], (x, resets, mask))
    carry, ys = model.apply(params, xs, carry, resets=resets, mask=mask, context=context)
    return carry, jax.tree.map(lambda y: y[:, 0], ys)


def _check_rows(axes: int, x: Any, resets: Any, mask: Any) -> None:
    shapes = [list(a.shape) for a in jax.tree.leaves(x)]
    if not shapes or any(len(shape) != 1 + axes for shape in shapes):
        features = {0: "", 1: ", features"}.get(axes, ", *features")
        raise ValueError(
            f"expected the inputs of one step, [B{features}], got "
            f"{', '.join(map(str, shapes)) or x}; a single session needs a batch axis, x[None], "
            "and several steps are for model.apply"
        )
    for name, signal in (("resets", resets), ("mask", mask)):
        if signal is not None and list(signal.shape) != shapes[0][:1]:
            raise ValueError(
                f"expected {name} to be bool of shape {shapes[0][:1]}, one a session, got "
                f"{signal.dtype}{list(signal.shape)}"
            )
