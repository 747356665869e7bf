"""Products and sums in the right precision, for cells here and in other packages."""

from functools import lru_cache
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._checks import brief, check_array, check_dtype, check_positive
from ._sharding import may_be_divided


def carry_dtype(dtype: Any) -> jnp.dtype:
    """The dtype in which to keep a carry and to accumulate: at least float32.

    Examples:
        >>> carry_dtype(jnp.bfloat16), carry_dtype(jnp.float64)
        (dtype('float32'), dtype('float64'))
    """
    known = isinstance(dtype, np.dtype)
    return _wide(dtype if known else jnp.dtype(check_dtype("dtype", dtype, jnp.number)))


@lru_cache(maxsize=64)
def _wide(dtype: np.dtype) -> jnp.dtype:
    with jax.numpy_dtype_promotion("standard"):
        return jnp.promote_types(dtype, jnp.float32)


def matmul(x: Float[Array, "*lead i"], w: Float[Array, "i o"]) -> Float[Array, "*lead o"]:
    """`x @ w`, multiplied in the dtype of `w` and accumulated in at least float32.

    The leading axes are merged: in the gradient of `w` XLA would otherwise transpose whole arrays
    to contract over several axes. They are not merged where the compiler may keep parts of `x` on
    several devices, since merging would gather the batch on each.

    Raises:
        ValueError: if the features of `x` are not the rows of `w`, `w` is no float, or `w` is real
            and `x` complex.

    Examples:
        >>> matmul(jnp.ones(3), jnp.ones((3, 2), jnp.bfloat16)).dtype
        dtype('float32')
    """
    x, w = _factors(x, w)
    *lead, size = x.shape
    merge = len(lead) > 1 and all(isinstance(n, int) for n in lead) and not may_be_divided(x)
    rows = x.reshape(prod(lead), size) if merge else x
    y = jnp.matmul(rows.astype(w.dtype), w, preferred_element_type=carry_dtype(w.dtype))
    return y.reshape(*lead, w.shape[-1]) if merge else y


# Spares the usual case the comparisons of kinds, which an eager step would notice.
_COMMON = frozenset(map(jnp.dtype, ("float32", "float64")))


def _factors(x: Any, w: Any) -> tuple[Array, Array]:
    """The factors of a product, checked: a cast to the dtype of `w` must not lose a part of `x`."""
    x, w = check_array("x", x), check_array("w", w)
    if w.ndim != 2 or not x.ndim or x.shape[-1] != w.shape[0]:
        raise ValueError(
            f"expected x [*lead, I] and w [I, O], got {brief(x)} and {brief(w)}; features are the "
            "last axis"
        )
    if x.dtype == w.dtype and x.dtype in _COMMON:
        return x, w
    if not jnp.issubdtype(w.dtype, jnp.inexact):
        raise ValueError(
            f"expected w to be a float array, got {brief(w)}; were weights rounded to integers?"
        )
    if jnp.iscomplexobj(x) and not jnp.iscomplexobj(w):
        raise ValueError(
            f"expected a real x for a real w, got {brief(x)}; pass real and imaginary parts as "
            "features"
        )
    return x, w


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
    x, w = _factors(x, w)
    at = check_positive("at", at, least=0)
    if x.size <= w.shape[0] ** 2:
        first, second = jnp.split(matmul(x, w), [at], axis=-1)
        return first, second
    return matmul(x, w[:, :at]), matmul(x, w[:, at:])


def convolve(
    x: Float[Array, "*lead h w c"], kernel: Float[Array, "k k c f"], stride: int = 1
) -> Float[Array, "*lead h w f"]:
    """Convolution of images in the dtype of `kernel`, with zeros beyond the border.

    With a stride s, a side of n pixels becomes one of n / s, rounded up.

    Examples:
        >>> convolve(jnp.ones((2, 7, 6, 5, 3)), jnp.ones((3, 3, 3, 4)), stride=2).shape
        (2, 7, 3, 3, 4)
    """
    x, kernel = check_array("x", x), check_array("kernel", kernel)
    lost = jnp.iscomplexobj(x) and not jnp.iscomplexobj(kernel)
    if x.ndim < 3 or x.shape[-1] != kernel.shape[2] or lost:
        raise ValueError(
            f"expected real images [*lead, height, width, {kernel.shape[2]}], got {brief(x)}"
        )
    *lead, height, width, channels = x.shape
    # Cast after the convolution: its gradient needs all dtypes equal.
    y = jax.lax.conv_general_dilated(
        x.reshape(prod(lead), height, width, channels).astype(kernel.dtype),
        kernel,
        window_strides=(stride, stride),
        padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y.reshape(*lead, *y.shape[1:]).astype(carry_dtype(kernel.dtype))


def along(v: Float[Array, "h"], x: Float[Array, "*lead h"]) -> Float[Array, "*lead h"]:
    """A vector of features with the axes of `x`, so that no rank is promoted implicitly.

    Examples:
        >>> along(jnp.ones(3), jnp.ones((5, 2, 3))).shape
        (1, 1, 3)
    """
    v, x = check_array("v", v), check_array("x", x)
    if v.ndim > x.ndim:
        raise ValueError(f"expected v with at most the axes of x, got {brief(v)} and {brief(x)}")
    return v.reshape((1,) * (x.ndim - v.ndim) + v.shape)


def add_bias(x: Float[Array, "*lead h"], b: Float[Array, "h"] | None) -> Float[Array, "*lead h"]:
    """`x + b`; without a bias, `x`.

    Examples:
        >>> add_bias(jnp.ones((2, 3)), jnp.ones(3)).shape
        (2, 3)
    """
    if b is None:
        return check_array("x", x)
    x, b = check_array("x", x), check_array("b", b)
    if b.shape != x.shape[-1:]:
        raise ValueError(f"expected a bias b [H] of x [*lead, H], got {brief(b)} and {brief(x)}")
    return x + along(b, x)
