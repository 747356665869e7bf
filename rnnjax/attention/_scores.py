"""The ways to compare queries and keys."""

from dataclasses import KW_ONLY
from math import sqrt
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import check_dtype, check_key, check_positive
from .._numerics import matmul
from ..initializers import glorot_uniform
from ._base import Attention


class AdditiveParams(NamedTuple):
    """Parameters of `Additive`."""

    w_q: Float[Array, "q a"]  # of the query
    w_k: Float[Array, "m a"]  # of the keys
    w_s: Float[Array, "a 1"]  # of the score


class Additive(Attention[AdditiveParams]):
    """Additive attention: `score = tanh(q w_q + v w_k) w_s`.

    Variant: without a bias.

    Args:
        size: number of units that compare query and key.

    Examples:
        >>> attention = Additive(8)
        >>> attention.init(jax.random.key(0), 4, 6).w_k.shape
        (6, 8)

    Reference:
        D. Bahdanau, K. Cho, Y. Bengio, Neural machine translation by jointly learning to align
        and translate, ICLR 2015.
    """

    size: int

    def init(self, key, query_size, memory_size, *, dtype: Any = jnp.float32) -> AdditiveParams:
        shapes = (query_size, self.size), (memory_size, self.size), (self.size, 1)
        return AdditiveParams(*_drawn(key, shapes, dtype))

    def query(self, params, query):
        return matmul(query, params.w_q)

    def keys(self, params, values):
        return matmul(values, params.w_k)

    def scores(self, params, query, keys):
        return matmul(jnp.tanh(query[..., None, :] + keys), params.w_s)[..., 0]


class Dot(Attention[tuple]):
    """Dot-product attention: `score = q v`. Queries and values have the same size.

    Args:
        scaled: whether to divide the score by the root of their size.

    Examples:
        >>> Dot(scaled=True).scores((), jnp.ones((1, 4)), jnp.ones((1, 3, 4)))
        Array([[2., 2., 2.]], dtype=float32)

    Reference:
        M. Luong, H. Pham, C. Manning, Effective approaches to attention-based neural machine
        translation, EMNLP 2015. Scaled: A. Vaswani et al., Attention is all you need, NeurIPS 2017.
    """

    _: KW_ONLY
    scaled: bool = False

    def init(self, key, query_size, memory_size, *, dtype: Any = jnp.float32) -> tuple:
        _drawn(key, ((query_size, memory_size),), dtype)
        if query_size != memory_size:
            raise ValueError(
                f"expected queries and values of the same size for {self}, got {query_size} and "
                f"{memory_size}; General() compares different ones"
            )
        return ()

    def scores(self, params, query, keys):
        return _products(query, keys) / (sqrt(query.shape[-1]) if self.scaled else 1)


class GeneralParams(NamedTuple):
    """Parameters of `General`."""

    w_k: Float[Array, "m q"]  # of the keys


class General(Attention[GeneralParams]):
    """General (bilinear) attention: `score = q (v w_k)`.

    The score has no scale. With hundreds of features it can come to pick a single value, whose
    choice then gets no gradient; `MultiHead` divides by the root of their number.

    Examples:
        >>> General().init(jax.random.key(0), 4, 6).w_k.shape
        (6, 4)

    Reference:
        M. Luong, H. Pham, C. Manning, Effective approaches to attention-based neural machine
        translation, EMNLP 2015.
    """

    def init(self, key, query_size, memory_size, *, dtype: Any = jnp.float32) -> GeneralParams:
        return GeneralParams(*_drawn(key, ((memory_size, query_size),), dtype))

    def keys(self, params, values):
        return matmul(values, params.w_k)

    def scores(self, params, query, keys):
        return _products(query, keys)


class MultiHeadParams(NamedTuple):
    """Parameters of `MultiHead`."""

    w_q: Float[Array, "q n"]  # of the query
    w_k: Float[Array, "m n"]  # of the keys
    w_v: Float[Array, "m n"]  # of the values


class MultiHead(Attention[MultiHeadParams]):
    """Scaled dot-product attention of several heads, side by side.

    `score = (q w_q) (v w_k) / sqrt(size / heads)` in each head, which reads `v w_v`.

    Variant: without biases and without a product behind the heads, since the next layer has one.

    Args:
        heads: number of heads.
        size: number of features of all heads together.

    Raises:
        ValueError: if the heads do not divide the size.

    Examples:
        >>> from rnnjax.attention import Source
        >>> attention = MultiHead(2, 8)
        >>> params = attention.init(jax.random.key(0), 4, 6)
        >>> memory = attention.prepare(params, Source(jnp.ones((3, 5, 6))))
        >>> attention.read(params, jnp.ones((3, 4)), memory)[0].shape
        (3, 8)

    Reference:
        A. Vaswani et al., Attention is all you need, NeurIPS 2017.
    """

    heads: int
    size: int

    def __post_init__(self):
        super().__post_init__()
        if self.size % self.heads:
            raise ValueError(
                f"expected a size that the heads divide, got size={self.size} and "
                f"heads={self.heads}"
            )

    def output_size(self, memory_size):
        return self.size

    def init(self, key, query_size, memory_size, *, dtype: Any = jnp.float32) -> MultiHeadParams:
        sizes = query_size, memory_size, memory_size
        return MultiHeadParams(*_drawn(key, [(n, self.size) for n in sizes], dtype))

    def query(self, params, query):
        return matmul(query, params.w_q)

    def keys(self, params, values):
        return matmul(values, params.w_k)

    def values(self, params, values):
        return matmul(values, params.w_v)

    def scores(self, params, query, keys):
        return _products(query, keys) / sqrt(self.size // self.heads)


def _drawn(key: Any, shapes: Any, dtype: Any) -> list[Array]:
    """A matrix of each shape, drawn at random.

    Raises:
        ValueError: if something is no key, no number of features, or no dtype of floats.
    """
    keys, dtype = jax.random.split(check_key("key", key), len(shapes)), check_dtype("dtype", dtype)
    for n in (n for shape in shapes for n in shape):
        check_positive("every number of features", n)
    return [glorot_uniform(k, shape, dtype) for k, shape in zip(keys, shapes, strict=True)]


def _products(query: Array, keys: Array) -> Float[Array, "*lead heads s"]:
    return (keys @ query[..., None])[..., 0]
