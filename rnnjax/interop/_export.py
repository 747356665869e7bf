"""A model as one compiled artifact, which runs where rnnjax is not installed."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.export import Exported, export, symbolic_shape
from jaxtyping import PyTree

from .._checks import check_arrays, check_positive
from .._static import Static
from ..engine import Loop, Method
from ..layers import Layer
from ..layers._layer import check_layer
from ._layers import check_names

# Axes and dtype of the signals beside the inputs.
_SIGNALS = {"lengths": ("batch", "int32"), "mask": ("time", "bool"), "resets": ("time", "bool")}
_PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def export_model(
    model: Layer,
    params: PyTree,
    input_size: PyTree = None,
    *,
    extra_inputs: Sequence[str] = (),
    platforms: Sequence[str] | None = None,
) -> Exported:
    """Exports `model.apply` with its parameters inside, for every batch size and length.

    The artifact is a function `(xs, **extra) -> (carry, ys)` of inputs `[B, T, features]`, a
    pytree of them, or int32 tokens `[B, T]`, with B and T of 1 or more. Its carry is a tuple of
    arrays, the leaves of the model's own. Write `exported.serialize()` to a file;
    `jax.export.deserialize(content).call(xs)` runs it on JAX alone, best inside a `jax.jit`.
    Both need the package flatbuffers.

    A stream takes the extra inputs "carry" and "resets": it begins with zeros and a reset at the
    first step, and each call takes the carry that the one before returned.

    The artifact keeps the `dtype` and the `precision` of a method. Its other options affect time
    and memory alone, and need a known number of steps.

    Args:
        model: a layer; a cell becomes one by `RNN(cell)`.
        params: its parameters. Inputs are float32, or float64 where the parameters are.
        input_size: number of features of an input, or the shape of its feature axes; a dictionary
            of these for inputs that are a dictionary; `None` for a model of tokens.
        extra_inputs: further inputs, by keyword: any of "carry" (a tuple of arrays), "lengths"
            (int32 `[B]`), "mask" and "resets" (bool `[B, T]`). All that are named are required.
        platforms: the platforms that run it, such as `("cpu", "cuda")`; by default the one here.

    Raises:
        ValueError: if `extra_inputs` names something else, the parameters do not fit, or the
            model needs a context.

    Examples:
        >>> import rnnjax
        >>> model = rnnjax.layers.RNN(rnnjax.GRU(8))
        >>> exported = export_model(model, model.init(jax.random.key(0), 3), 3)
        >>> (h,), ys = exported.call(jnp.ones((2, 5, 3)))
        >>> ys.shape
        (2, 5, 8)
    """
    check_names("extra_inputs", extra_inputs, ("carry", *_SIGNALS))
    if platforms is not None:
        check_names("platforms", platforms or [platforms], _PLATFORMS)
    check_layer("model", model)
    check_arrays("params", params)
    if model.takes_context:
        raise ValueError(
            f"expected a model without a context, which no artifact takes, got {model}"
        )
    model = _with_plain_loops(model)
    start, structure = jax.tree.flatten(jax.eval_shape(model.init_carry, params))

    def of_one(*args):
        xs, carry, signals = jax.tree.map(lambda a: a[None], args)
        carry = None if carry is None else structure.unflatten(carry)
        carry, ys = model.apply(params, xs, carry, **signals)
        return jax.tree.map(lambda a: a[0], (tuple(jax.tree.leaves(carry)), ys))

    # Some products choose their form by the number of rows, which is not known here; under
    # `vmap` they see a single sequence.
    def run(xs, carry=None, **signals):
        return jax.vmap(of_one)(xs, carry, signals)

    batch, time = symbolic_shape("batch, time")
    shapes = {"batch": (batch,), "time": (batch, time)}
    dtype = jnp.result_type(jnp.float32, *jax.tree.leaves(params))
    xs = _inputs(input_size, shapes["time"], dtype)
    extra: dict[str, Any] = {
        name: jax.ShapeDtypeStruct(shapes[axes], dtype)
        for name, (axes, dtype) in _SIGNALS.items()
        if name in extra_inputs
    }
    if "carry" in extra_inputs:
        extra["carry"] = tuple(jax.ShapeDtypeStruct((batch, *a.shape), a.dtype) for a in start)
    return export(jax.jit(run), platforms=platforms)(xs, **extra)


def _inputs(size: Any, lead: tuple, dtype: Any) -> Any:
    """The shapes of inputs of a size, or of a dictionary of sizes."""
    if isinstance(size, dict) and size:
        return {name: _inputs(each, lead, dtype) for name, each in size.items()}
    if size is None:
        return jax.ShapeDtypeStruct(lead, jnp.int32)
    sizes = size if isinstance(size, tuple) else (size,)
    axes = [check_positive("input_size", size) for size in sizes]
    return jax.ShapeDtypeStruct((*lead, *axes), dtype)


def _with_plain_loops(value: Any) -> Any:
    """A model whose methods do no arithmetic on the number of steps; results are the same."""
    if isinstance(value, Method):
        return Loop(dtype=value.dtype, precision=value.precision)
    if isinstance(value, tuple):
        return tuple(map(_with_plain_loops, value))
    if not isinstance(value, Static):
        return value
    fields: Any = dataclasses.fields(value)  # pyright: ignore[reportArgumentType]
    changed = {f.name: _with_plain_loops(getattr(value, f.name)) for f in fields if f.init}
    return dataclasses.replace(value, **changed)  # pyright: ignore[reportArgumentType]
