"""Checks of arguments, made once, while JAX traces: they cost nothing at run time."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from ._checks import Shape, brief, check_arrays, check_instance, check_shape
from ._core import Cell
from ._numerics import carry_dtype
from ._shapes import alike, check_carry, extra_axes, shapes, show
from ._trees import inexact, is_inexact, is_weight, leaf_names


def as_inputs(xs: Any) -> Any:
    """Inputs as arrays.

    Raises:
        ValueError: if a leaf is no array, or a number of a list.
    """
    for leaf in jax.tree.leaves(xs):
        if isinstance(leaf, bool | int | float | complex):
            raise ValueError(
                f"expected arrays as inputs, got the number {leaf!r} in {brief(xs)}; "
                "jnp.asarray makes an array of a list"
            )
    return check_arrays("xs", xs)


def steps_and_batch(cell: Cell, xs: Any) -> tuple[int, Shape]:
    """The number of steps T and the batch shape of `xs`, a pytree of `[T, *batch, *features]`."""
    axes, leaves = cell.num_feature_axes, jax.tree.leaves(xs)
    if not leaves:
        raise ValueError(
            f"expected xs to hold at least one array, got {xs!r}; a free run is xs=None, length=T"
        )
    leads = [leaf.shape[: max(leaf.ndim - axes, 0)] for leaf in leaves]
    for leaf, lead in zip(leaves, leads, strict=True):
        if not lead:
            features = {0: "", 1: ", features"}.get(axes, ", *features")
            raise ValueError(
                f"expected xs of shape [T, *batch{features}], got {list(leaf.shape)}; a sequence "
                "of scalars needs a feature axis: xs[..., None]"
            )
        if lead != leads[0]:
            raise ValueError(
                "expected all arrays in xs to have the same axes before the features, "
                f"got {[list(leaf.shape) for leaf in leaves]}"
            )
    steps, *batch = leads[0]
    return steps, tuple(batch)


def free_batch(cell: Cell, weights: Any, carry: Any, lengths: Any, mask: Any, resets: Any) -> Shape:
    """The batch shape of a run without inputs, from the signals, or else from the carry."""
    for signal, axes in ((lengths, 0), (mask, 1), (resets, 1)):
        if signal is not None:
            return signal.shape[axes:]
    return () if carry is None else extra_axes(carry, jax.eval_shape(cell.init_carry, weights))


def check_params(cell: Any, params: Any, xs: Any) -> None:
    """Checks parameters of a cell or a layer against the draws of its `init` for inputs like `xs`.

    Raises:
        ValueError: if structure, shapes or kinds differ.
    """
    axes = cell.num_feature_axes
    if not axes and isinstance(cell, Cell):
        return  # the number of tokens is not seen in the inputs

    def size(x):
        return x.shape[-1] if axes == 1 else tuple(x.shape[x.ndim - axes :])

    leaves, structure = jax.tree.flatten(xs)
    sizes = tuple(map(size, leaves)) if axes else None
    arrays, inner = jax.tree.flatten(params)
    types = tuple((a.shape, a.dtype) for a in arrays)
    if _fit(cell, structure, sizes, inner, types):
        return
    drawn = _drawn(cell, structure, sizes)
    expected, got = shapes(drawn), shapes(params)
    if alike(expected, got):
        _refuse_kinds(cell, drawn, params)
    if sizes and isinstance(xs, jax.Array | jax.ShapeDtypeStruct) and axes == 1:
        for other in sorted({n for leaf in jax.tree.leaves(params) for n in leaf.shape}):
            if _made_for(cell, other, got):
                raise ValueError(
                    f"expected xs with {other} features, for which the parameters of {cell} were "
                    f"made, got {sizes[0]} in xs of shape {list(xs.shape)}; features are the last "
                    "axis"
                )
    raise ValueError(
        f"expected parameters of {cell}: {show(expected)}, got {show(got)}; do they belong "
        "to another cell or layer, or to several members, which need vmap?"
    )


@lru_cache(maxsize=1024)
def _fit(cell: Any, structure: Any, sizes: tuple | None, inner: Any, types: tuple) -> bool:
    """Whether parameters of these types fit inputs of these sizes; kept for layers run eagerly."""
    drawn, same = jax.tree.flatten(_drawn(cell, structure, sizes))
    return inner == same and all(
        a.shape == shape and same_kind(a.dtype, dtype)
        for a, (shape, dtype) in zip(drawn, types, strict=True)
    )


def same_kind(a: Any, b: Any) -> bool:
    """Whether two dtypes are both real, complex, integer or boolean, in any precision."""
    kinds = (jnp.floating, jnp.complexfloating, jnp.integer, jnp.bool_)
    return all(jnp.issubdtype(a, kind) == jnp.issubdtype(b, kind) for kind in kinds)


def _refuse_kinds(cell: Any, drawn: Any, params: Any) -> None:
    for a, b in zip(jax.tree.leaves(drawn), jax.tree.leaves(params), strict=True):
        if not same_kind(a.dtype, b.dtype):
            raise ValueError(
                f"expected a parameter of {cell} like {a.dtype}{list(a.shape)}, got "
                f"{b.dtype}{list(b.shape)}; were weights rounded to integers?"
            )


def check_real(params: Any, xs: Any) -> None:
    """Raises if complex inputs meet real parameters, which would drop the imaginary part."""

    def is_complex(tree):
        return any(jnp.issubdtype(a.dtype, jnp.complexfloating) for a in jax.tree.leaves(tree))

    if is_complex(xs) and jax.tree.leaves(params) and not is_complex(params):
        raise ValueError(
            f"expected real inputs for real parameters, got {show(_dtypes(xs))}; pass real and "
            "imaginary parts as features"
        )


def _dtypes(tree: Any) -> Any:
    return jax.tree.map(lambda a: f"{a.dtype}{list(a.shape)}", tree)


def fit_carry(cell: Cell, weights: Any, carry: Any, batch: Shape) -> Any:
    """The given carry in the dtypes of the initial one, which may only be wider.

    Without a carry, the initial one.

    Raises:
        ValueError: if structure, shapes or kinds differ, or precision would be lost.
    """
    if carry is None:
        return initial_carry(cell, weights, batch)
    check_carry("a carry", cell, weights, carry, batch)
    expected = jax.eval_shape(lambda weights: initial_carry(cell, weights, batch), weights)

    def widen(a, like):
        if a.dtype == like.dtype:
            return a
        with jax.numpy_dtype_promotion("standard"):
            fits = jnp.promote_types(a.dtype, like.dtype) == like.dtype
        if not fits:
            raise ValueError(
                f"expected a carry of {cell} in {like.dtype}, got {a.dtype}{list(a.shape)}; a "
                "carry has at least float32 and the precision of the parameters"
            )
        return a.astype(like.dtype)

    return jax.tree.map(widen, carry, expected)


def cast_params(params: Any, dtype: Any = None) -> Any:
    """Parameters in the dtypes of the computation: `w…` in `dtype`, others in at least float32."""

    def cast(name, a):
        if not jnp.issubdtype(a.dtype, jnp.floating):
            return a
        if is_weight(name):
            return a if dtype is None else a.astype(dtype)
        return a.astype(carry_dtype(a.dtype))

    return jax.tree.map(cast, leaf_names(params), params)


def initial_carry(cell: Cell, weights: Any, batch_shape: Shape = ()) -> Any:
    """`cell.init_carry` in the dtypes that a loop keeps: at least float32, and the weights'.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.GRU(4)
        >>> initial_carry(cell, cell.init(jax.random.key(0), 3, dtype=jnp.bfloat16), (2,)).dtype
        dtype('float32')
    """
    check_instance("cell", cell, Cell)
    check_shape("batch_shape", batch_shape)
    wide = jnp.float32
    with jax.numpy_dtype_promotion("standard"):
        for a in inexact(weights):
            wide = jnp.promote_types(wide, jnp.finfo(a.dtype).dtype)

        def cast(a):
            if not is_inexact(a):
                return a
            return a.astype(jnp.promote_types(wide, jnp.complex64) if jnp.iscomplexobj(a) else wide)

        return jax.tree.map(cast, jax.tree.map(jnp.asarray, cell.init_carry(weights, batch_shape)))


def check_free_run(cell: Cell, weights: Any, carry: Any) -> None:
    """Raises unless a cell steps without an input."""
    try:
        jax.eval_shape(lambda weights, carry: cell.step(weights, carry, None), weights, carry)
    except (AttributeError, TypeError) as error:
        raise ValueError(
            f"expected a cell that runs freely, whose update takes x=None, got {cell}; give it "
            "inputs, or write a cell whose next input is its last output"
        ) from error


def check_context(taker: Any, context: Any) -> None:
    """Raises unless a cell or a layer gets a context exactly where it takes one."""
    if taker.takes_context and context is None:
        raise ValueError(
            f"expected a context for {taker}, such as the memory it attends to, got None"
        )
    if not taker.takes_context and context is not None:
        raise ValueError(
            f"expected no context, since nothing in {taker} takes one, got {type(context).__name__}"
        )


@lru_cache(maxsize=1024)
def _drawn(cell: Any, structure: Any, sizes: tuple | None) -> Any:
    """The types of the parameters for inputs of some sizes."""
    size = None if sizes is None else structure.unflatten(sizes)
    return jax.eval_shape(lambda: cell.init(jax.random.key(0), size))


def _made_for(cell: Any, size: int, expected: Any) -> bool:
    """Whether parameters of these shapes belong to inputs of `size` features."""
    try:
        return alike(shapes(_drawn(cell, jax.tree.structure(0), (size,))), expected)
    except ValueError:
        return False
