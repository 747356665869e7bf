"""A model as one compiled artifact, which runs where rnnjax is not installed."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.export import Exported, export, symbolic_shape
from jaxtyping import PyTree

from ..layers import Layer

# Axes and dtype of what may come with the inputs.
_SIGNALS = {"lengths": ("batch", "int32"), "mask": ("time", "bool"), "resets": ("time", "bool")}


def export_model(
    model: Layer,
    params: PyTree,
    input_size: int | None = None,
    *,
    takes: Sequence[str] = (),
    platforms: Sequence[str] | None = None,
) -> Exported:
    """Exports `model.apply` with its parameters inside, for every batch size and length.

    What is exported is a function `(xs, **taken) -> (carry, ys)` of inputs `[B, T, features]`,
    or of int32 tokens `[B, T]`, in which B and T are 1 or more. Its carry is a tuple of arrays,
    the leaves of the model's own. Write `exported.serialize()` to a file;
    `jax.export.deserialize(content).call(xs)` runs it, on JAX alone, and is best put into a
    `jax.jit`. Both need the package flatbuffers.

    To stream, let it take "carry" and "resets": begin with zeros and a reset at the first step,
    and hand the carry that a call returns to the next one.

    Args:
        model: a layer; a cell becomes one by `Recurrent(cell)`.
        params: its parameters. Inputs are float32, or float64 where the parameters are.
        input_size: number of features of an input; `None` for a model of tokens.
        takes: what it takes besides the inputs, by keyword: any of "carry" (a tuple of arrays),
            "lengths" (int32 `[B]`), "mask" and "resets" (bool `[B, T]`). What is named here is
            then required.
        platforms: where it is to run, such as `("cpu", "cuda")`; by default where it is made.

    Raises:
        ValueError: if `takes` names something else, or the parameters do not fit.

    Example:
        >>> import rnnjax
        >>> model = rnnjax.layers.Recurrent(rnnjax.GRU(8))
        >>> exported = export_model(model, model.init(jax.random.key(0), 3), 3)
        >>> (h,), ys = exported.call(jnp.ones((2, 5, 3)))
        >>> ys.shape
        (2, 5, 8)
    """
    unknown = set(takes) - {"carry", *_SIGNALS}
    if unknown:
        raise ValueError(
            f"expected takes to name any of carry, {', '.join(_SIGNALS)}, got {sorted(unknown)}"
        )
    start, structure = jax.tree.flatten(jax.eval_shape(model.init_carry, params))

    def of_one(xs, taken):
        if "carry" in taken:
            taken = taken | {"carry": structure.unflatten(taken["carry"])}
        carry, ys = model.apply(params, xs, **taken)
        return tuple(jax.tree.leaves(carry)), ys

    # Some products choose their form by the number of rows, which is not known here; under
    # `vmap` they see a single sequence.
    def run(xs, **taken):
        return jax.vmap(of_one)(xs, taken)

    batch, time = symbolic_shape("batch, time")
    shapes = {"batch": (batch,), "time": (batch, time)}
    xs = jax.ShapeDtypeStruct((batch, time), jnp.int32)
    if input_size is not None:
        dtype = jnp.result_type(jnp.float32, *jax.tree.leaves(params))
        xs = jax.ShapeDtypeStruct((batch, time, input_size), dtype)
    taken: dict[str, Any] = {
        name: jax.ShapeDtypeStruct(shapes[axes], dtype)
        for name, (axes, dtype) in _SIGNALS.items()
        if name in takes
    }
    if "carry" in takes:
        taken["carry"] = tuple(jax.ShapeDtypeStruct((batch, *a.shape), a.dtype) for a in start)
    return export(jax.jit(run), platforms=platforms)(xs, **taken)
