"""Shapes of trees of arrays, and checks of a carry against them."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from ._checks import LAYOUT, Shape, check_array


def batch_shape(num_feature_axes: int, x: Any) -> Shape:
    """The leading axes of the arrays in `x`, or in a pytree of them.

    Examples:
        >>> batch_shape(1, {"u": jnp.ones((2, 3)), "v": jnp.ones((2, 5))})
        (2,)
    """
    shape = jnp.shape(jax.tree.leaves(x)[0])
    return shape[: len(shape) - num_feature_axes]


def extra_axes(carry: Any, single: Any) -> Shape:
    """The leading axes that `carry` has and `single`, the carry of one sequence, has not.

    Examples:
        >>> extra_axes(jnp.ones((5, 2, 3)), jnp.ones(3))
        (5, 2)
    """
    pairs = zip(jax.tree.leaves(carry), jax.tree.leaves(single), strict=False)
    return next((jnp.shape(a)[: jnp.ndim(a) - jnp.ndim(b)] for a, b in pairs), ())


def check_carry(name: str, cell: Any, weights: Any, carry: Any, batch: Shape) -> None:
    """Checks the structure and the shapes of a carry against the initial one.

    Raises:
        ValueError: if they differ.
    """
    leaves, structure = jax.tree.flatten(weights)
    types = tuple((jnp.shape(a), jax.typeof(a).dtype) for a in leaves)
    expected, got = _carry_shapes(cell, structure, types, batch), shapes(carry)
    if not alike(expected, got):
        raise ValueError(
            f"expected {name} of {cell}: {show(expected)}, got {show(got)}; is it the carry of "
            f"another cell or batch size, or is the data batch-major? {LAYOUT}"
        )


def check_step(cell: Any, weights: Any, carry: Any, x: Any) -> None:
    """Checks the arguments of a single step.

    Raises:
        ValueError: if a leaf is no array, the weights are of another kind than the cell's, or the
            carry does not fit the batch axes of `x`.
    """
    for name, tree in (("weights", weights), ("carry", carry), ("x", x)):
        for leaf in jax.tree.leaves(tree):
            check_array(name, leaf)
    leaves, structure = jax.tree.flatten(x)
    axes = cell.num_feature_axes
    if x is not None and (not leaves or any(jnp.ndim(leaf) < axes for leaf in leaves)):
        raise ValueError(
            f"expected x of shape [*batch, {', '.join(['features'] * axes)}], got {show(shapes(x))}"
        )
    if leaves and axes and not cell.takes_context:
        sizes = tuple(jnp.shape(leaf)[jnp.ndim(leaf) - axes :] for leaf in leaves)
        expected = _weights_like(cell, structure, sizes if axes > 1 else tuple(n for (n,) in sizes))
        same = type(weights) is type(expected) and len(weights) == len(expected)
        if isinstance(expected, tuple | list | dict) and not same:
            raise ValueError(
                f"expected weights of {cell} in {type(expected).__name__}, got "
                f"{type(weights).__name__}; weights are cell.prepare(params), and the parameters "
                "only where a cell prepares nothing"
            )
    if leaves:
        check_carry("a carry", cell, weights, carry, batch_shape(axes, x))
    else:
        batch = extra_axes(carry, jax.eval_shape(cell.init_carry, weights))
        check_carry("a carry", cell, weights, carry, batch)


@lru_cache(maxsize=1024)
def _weights_like(cell: Any, structure: Any, sizes: tuple) -> Any:
    """The types of the weights for inputs of some sizes; kept, as the shapes of the carry are."""
    size = structure.unflatten(sizes)
    return jax.eval_shape(lambda: cell.prepare(cell.init(jax.random.key(0), size)))


def check_update(old: Any, new: Any) -> None:
    """Checks that `update` returned a carry like the old one.

    Raises:
        ValueError: if structure, shapes or dtypes differ.
    """

    def types(tree):
        return jax.tree.map(lambda a: f"{jax.typeof(a).dtype}{list(jnp.shape(a))}", tree)

    expected, got = types(old), types(new)
    if not alike(expected, got):
        raise ValueError(
            f"expected update to return a carry like the old one, {show(expected)}, got "
            f"{show(got)}; does it return the output, too, which is the job of readout?"
        )


@lru_cache(maxsize=1024)
def _carry_shapes(cell: Any, structure: Any, types: tuple, batch: Shape) -> Any:
    """The shapes of the initial carry; kept, since a loop by hand asks for them at every step."""
    weights = structure.unflatten([jax.ShapeDtypeStruct(*each) for each in types])
    return shapes(jax.eval_shape(lambda weights: cell.init_carry(weights, batch), weights))


def alike(a: Any, b: Any) -> bool:
    """Equality by type, too: `LSTMParams` never equals `ElmanParams`."""
    return jax.tree.structure(a) == jax.tree.structure(b) and jax.tree.leaves(a) == jax.tree.leaves(
        b
    )


def shapes(tree: Any) -> Any:
    """The shape of every array as a text."""
    return jax.tree.map(lambda a: str(list(jnp.shape(a))), tree)


def show(shapes: Any) -> str:
    """A tree of shapes as a text."""
    return str(shapes).replace("'", "")
