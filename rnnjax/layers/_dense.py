"""The affine map, and the table of vectors that discrete inputs choose from."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._core import frozen, matmul, positive
from ..initializers import glorot_uniform
from ._layer import Layer, Signals


class DenseParams(NamedTuple):
    """Parameters of `Dense`.

    Attributes:
        w: weights, `[I, O]`.
        b: bias, `[O]`.

    Example:
        >>> Dense(2).init(jax.random.key(0), 3).w.shape
        (3, 2)
    """

    w: Float[Array, "i o"]
    b: Float[Array, "o"]


@frozen
class Dense(Layer[DenseParams]):
    """An affine map of every step: `y = x w + b`. The many-to-many readout.

    Args:
        size: number of output features.

    Example:
        >>> layer = Dense(2)
        >>> params = layer.init(jax.random.key(0), 3)
        >>> _, ys = layer.apply(params, jnp.ones((4, 5, 3)))
        >>> ys.shape
        (4, 5, 2)
    """

    size: int

    def __post_init__(self):
        positive("size", self.size)

    @property
    def output_size(self) -> int:
        return self.size

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> DenseParams:
        return DenseParams(
            w=glorot_uniform(key, (input_size, self.size), dtype), b=jnp.zeros(self.size, dtype)
        )

    def run(self, params, xs, carry, signals: Signals):
        if xs.shape[-1] != params.w.shape[0]:
            raise ValueError(
                f"expected inputs with {params.w.shape[0]} features, got shape {list(xs.shape)}"
            )
        return (), matmul(xs, params.w) + params.b


@frozen
class Embedding(Layer[Array]):
    """A vector for each token: integers `[*batch, T]` to `[*batch, T, size]`.

    The parameter is the table `[vocabulary, size]`. A token outside the vocabulary gives NaN.

    Args:
        vocabulary: number of tokens.
        size: number of features of a vector.

    Example:
        >>> layer = Embedding(vocabulary=10, size=4)
        >>> table = layer.init(jax.random.key(0))
        >>> _, ys = layer.apply(table, jnp.array([[1, 2, 3]]))
        >>> ys.shape
        (1, 3, 4)
    """

    vocabulary: int
    size: int

    def __post_init__(self):
        positive("vocabulary", self.vocabulary)
        positive("size", self.size)

    @property
    def output_size(self) -> int:
        return self.size

    def init(self, key, input_size=None, *, dtype: Any = jnp.float32) -> Array:
        del input_size
        return jax.random.normal(key, (self.vocabulary, self.size), dtype)

    def run(self, params, xs, carry, signals: Signals):
        if not jnp.issubdtype(xs.dtype, jnp.integer):
            raise ValueError(f"expected integer tokens, got {xs.dtype}{list(xs.shape)}")
        return (), params.at[xs].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
