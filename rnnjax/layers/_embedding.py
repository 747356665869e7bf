"""The table of vectors that discrete inputs choose from."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._layer import Pointwise


class EmbeddingParams(NamedTuple):
    """Parameters of `Embedding`."""

    table: Float[Array, "v o"]  # a row for each token


class Embedding(Pointwise[EmbeddingParams]):
    """A vector for each token: integers `[B, T]` to `[B, T, size]`.

    A token outside the vocabulary gives NaN, so that it is not overlooked; at masked steps, where
    tokens such as -1 may pad, it reaches nothing.

    Args:
        vocabulary: number of tokens.
        size: number of features of a vector.
        scale: standard deviation of the initial vectors. A small one lets tokens that are seen a
            few times in all leave the start.

    Examples:
        >>> layer = Embedding(10, 4)
        >>> params = layer.init(jax.random.key(0))
        >>> _, ys = layer.apply(params, jnp.array([[1, 2, 3]]))
        >>> ys.shape
        (1, 3, 4)
    """

    vocabulary: int
    size: int
    _: KW_ONLY
    scale: float = 1.0

    num_feature_axes = 0
    output_size = property(lambda self: self.size)

    def init(self, key, input_size=None, *, dtype: Any = jnp.float32) -> EmbeddingParams:
        table = jax.random.normal(key, (self.vocabulary, self.size), dtype)
        return EmbeddingParams(self.scale * table)

    def transform(self, params, xs):
        if not jnp.issubdtype(xs.dtype, jnp.integer):
            raise ValueError(f"expected integer tokens, got {xs.dtype}{list(xs.shape)}")
        table = jnp.asarray(params.table)  # a NumPy array has no `at`
        return table.at[xs].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
