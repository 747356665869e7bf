"""Trees of arrays: random ones, parts of them, and whether two are close.

NumPy is used where possible: outside a compiled function JAX compiles every operation by itself.
"""

from collections.abc import Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from .._trees import is_inexact

TOLERANCE = {"bfloat16": 6e-2, "float32": 2e-5, "float64": 1e-9}


def random_like(seed: int, tree: Any) -> Any:
    """The tree with random numbers in its real and complex arrays.

    Examples:
        >>> random_like(0, {"x": jnp.ones(2), "n": jnp.ones(2, int)})["n"]
        Array([1, 1], dtype=int32)
    """
    rng = np.random.default_rng(seed)

    def draw(a):
        if not is_inexact(a):
            return a
        values = rng.standard_normal(a.shape)
        if jnp.issubdtype(a.dtype, jnp.complexfloating):
            values = values + 1j * rng.standard_normal(a.shape)
        return np.asarray(values, a.dtype)

    return jax.tree.map(draw, tree)


def on_host(tree: Any) -> Any:
    """The tree as NumPy arrays; random keys stay what they are."""

    def to(a):
        return a if jnp.issubdtype(a.dtype, jax.dtypes.extended) else np.asarray(a)

    return jax.tree.map(to, tree)


def at(tree: Any, index: Any) -> Any:
    """`a[index]` of every array.

    Examples:
        >>> at((jnp.arange(3), jnp.ones(3)), 2)[0]
        Array(2, dtype=int32)
    """
    return jax.tree.map(lambda a: a[index], tree)


def stacked(trees: Sequence, axis: int = 0) -> Any:
    """One tree of many: their arrays along a new axis.

    Examples:
        >>> stacked([{"x": jnp.ones(2)}, {"x": jnp.ones(2)}])["x"].shape
        (2, 2)
    """
    return jax.tree.map(lambda *arrays: jnp.stack(arrays, axis), *trees)


def assert_close(actual: Any, expected: Any, dtype: Any = jnp.float64) -> None:
    """Equal structure and shapes, and values within the tolerance of `dtype`.

    Raises:
        AssertionError: if they differ.

    Examples:
        >>> assert_close((jnp.ones(2),), (jnp.ones(2) + 1e-7,), jnp.float32)
    """
    chex.assert_trees_all_equal_shapes(actual, expected)
    tolerance = TOLERANCE[jnp.dtype(dtype).name]

    def wide(a):
        a = np.asarray(a)
        return a.astype(np.complex128 if np.iscomplexobj(a) else np.float64)

    actual, expected = (jax.tree.map(wide, tree) for tree in (actual, expected))
    chex.assert_trees_all_close(actual, expected, rtol=tolerance, atol=tolerance)


def cast(tree: Any, dtype: Any) -> Any:
    """The tree with its real arrays in `dtype`, and its complex ones in one as precise.

    Examples:
        >>> cast({"w": jnp.ones(2)}, jnp.bfloat16)["w"].dtype
        dtype(bfloat16)
    """

    def to(a):
        if not is_inexact(a):
            return a.astype(jnp.int32) if jnp.issubdtype(a.dtype, jnp.integer) else a
        return a.astype(jnp.promote_types(dtype, jnp.complex64) if jnp.iscomplexobj(a) else dtype)

    return jax.tree.map(to, tree)
