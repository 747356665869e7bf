"""Products and sums in the right precision, for cells here and in other packages."""

from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._sharding import may_be_divided


def carry_dtype(dtype: Any) -> jnp.dtype:
    """The dtype in which to keep a carry and to accumulate: at least float32.

    Examples:
        >>> carry_dtype(jnp.bfloat16), carry_dtype(jnp.float64)
        (dtype('float32'), dtype('float64'))
    """
    with jax.numpy_dtype_promotion("standard"):
        return jnp.promote_types(dtype, jnp.float32)


def matmul(x: Float[Array, "*lead i"], w: Float[Array, "i o"]) -> Float[Array, "*lead o"]:
    """`x @ w`, multiplied in the dtype of `w` and accumulated in at least float32.

    The leading axes are merged: in the gradient of `w` XLA would otherwise transpose whole arrays
    to contract over several axes. They are not merged where the compiler may keep parts of `x` on
    several devices, since merging would gather the batch on each.

    Examples:
        >>> matmul(jnp.ones(3), jnp.ones((3, 2), jnp.bfloat16)).dtype
        dtype('float32')
    """
    *lead, size = x.shape
    merge = len(lead) > 1 and all(isinstance(n, int) for n in lead) and not may_be_divided(x)
    rows = x.reshape(prod(lead), size) if merge else x
    y = jnp.matmul(rows.astype(w.dtype), w, preferred_element_type=carry_dtype(w.dtype))
    return y.reshape(*lead, w.shape[-1]) if merge else y


def matmul_split(
    x: Float[Array, "*lead i"], w: Float[Array, "i o"], at: int
) -> tuple[Float[Array, "*lead a"], Float[Array, "*lead b"]]:
    """`x @ w` in two parts, its features before `at` and the others.

    It cuts the smaller of weight and product. Where the parts go different ways, their
    gradients need not be put together again for products of the parts with parts of `w`.

    Examples:
        >>> a, b = matmul_split(jnp.ones((7, 3)), jnp.ones((3, 6)), at=4)
        >>> a.shape, b.shape
        ((7, 4), (7, 2))
    """
    if x.size <= w.shape[0] ** 2:
        first, second = jnp.split(matmul(x, w), [at], axis=-1)
        return first, second
    return matmul(x, w[:, :at]), matmul(x, w[:, at:])


def along(v: Float[Array, "h"], x: Float[Array, "*lead h"]) -> Float[Array, "*lead h"]:
    """A vector of features with the axes of `x`, so that no rank is promoted implicitly.

    Examples:
        >>> along(jnp.ones(3), jnp.ones((5, 2, 3))).shape
        (1, 1, 3)
    """
    return v.reshape((1,) * (x.ndim - v.ndim) + v.shape)


def add_bias(x: Float[Array, "*lead h"], b: Float[Array, "h"] | None) -> Float[Array, "*lead h"]:
    """`x + b`; without a bias, `x`.

    Examples:
        >>> add_bias(jnp.ones((2, 3)), jnp.ones(3)).shape
        (2, 3)
    """
    return x if b is None else x + along(b, x)
