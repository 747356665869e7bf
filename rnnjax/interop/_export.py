"""A model as one compiled artifact, which runs where rnnjax is not installed."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.export import Exported, export, symbolic_shape
from jaxtyping import PyTree

from .._static import Static
from ..engine import Loop, Method
from ..layers import Layer

# Axes and dtype of what may come with the inputs.
_SIGNALS = {"lengths": ("batch", "int32"), "mask": ("time", "bool"), "resets": ("time", "bool")}


def export_model(
    model: Layer,
    params: PyTree,
    input_size: int | tuple[int, ...] | None = None,
    *,
    extra_inputs: Sequence[str] = (),
    platforms: Sequence[str] | None = None,
) -> Exported:
    """Exports `model.apply` with its parameters inside, for every batch size and length.

    What is exported is a function `(xs, **extra) -> (carry, ys)` of inputs `[B, T, features]`,
    or of int32 tokens `[B, T]`, in which B and T are 1 or more. Its carry is a tuple of arrays,
    the leaves of the model's own. Write `exported.serialize()` to a file;
    `jax.export.deserialize(content).call(xs)` runs it, on JAX alone, and is best put into a
    `jax.jit`. Both need the package flatbuffers.

    To stream, let it take "carry" and "resets": begin with zeros and a reset at the first step,
    and hand the carry that a call returns to the next one.

    Of a method only `dtype` and `precision` reach the artifact. Its other options are about
    time and memory, where a number of steps has to be known.

    Args:
        model: a layer; a cell becomes one by `RNN(cell)`.
        params: its parameters. Inputs are float32, or float64 where the parameters are.
        input_size: number of features of an input, or the shape of its feature axes; `None` for
            a model of tokens.
        extra_inputs: what it takes besides the inputs, by keyword: any of "carry" (a tuple of
            arrays), "lengths" (int32 `[B]`), "mask" and "resets" (bool `[B, T]`). What is named
            here is then required.
        platforms: where it is to run, such as `("cpu", "cuda")`; by default where it is made.

    Raises:
        ValueError: if `extra_inputs` names something else, or the parameters do not fit.

    Examples:
        >>> import rnnjax
        >>> model = rnnjax.layers.RNN(rnnjax.GRU(8))
        >>> exported = export_model(model, model.init(jax.random.key(0), 3), 3)
        >>> (h,), ys = exported.call(jnp.ones((2, 5, 3)))
        >>> ys.shape
        (2, 5, 8)
    """
    if unknown := set(extra_inputs) - {"carry", *_SIGNALS}:
        raise ValueError(
            f"expected extra_inputs to name any of carry, {', '.join(_SIGNALS)}, got "
            f"{sorted(unknown)}"
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
    sizes = input_size if isinstance(input_size, tuple) else (input_size,)
    xs = jax.ShapeDtypeStruct((batch, time), jnp.int32)
    if input_size is not None:
        dtype = jnp.result_type(jnp.float32, *jax.tree.leaves(params))
        xs = jax.ShapeDtypeStruct((batch, time, *sizes), dtype)
    extra: dict[str, Any] = {
        name: jax.ShapeDtypeStruct(shapes[axes], dtype)
        for name, (axes, dtype) in _SIGNALS.items()
        if name in extra_inputs
    }
    if "carry" in extra_inputs:
        extra["carry"] = tuple(jax.ShapeDtypeStruct((batch, *a.shape), a.dtype) for a in start)
    return export(jax.jit(run), platforms=platforms)(xs, **extra)


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
