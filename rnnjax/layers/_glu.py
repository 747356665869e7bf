"""The gated linear unit."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._numerics import add_bias, matmul
from ..cells import draw
from ._layer import Pointwise


class GLUParams(NamedTuple):
    """Parameters of `GLU`; the blocks of the last axis are the value and the gate."""

    w: Float[Array, "i 2*o"]  # weights
    b: Float[Array, "2*o"]  # bias


class GLU(Pointwise[GLUParams]):
    """A product of two affine maps of every step, one of them a gate.

        v, g = split(x w + b),  y = v sigmoid(g)

    It is the nonlinearity between linear cells, such as `cells.LRU`.

    Args:
        size: number of output features.

    Examples:
        >>> import jax
        >>> layer = GLU(2)
        >>> params = layer.init(jax.random.key(0), 3)
        >>> layer.apply(params, jnp.ones((4, 5, 3)))[1].shape
        (4, 5, 2)

    Reference:
        Y. Dauphin et al., Language modeling with gated convolutional networks, ICML 2017.
    """

    size: int

    output_size = property(lambda self: self.size)

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> GLUParams:
        w = draw("glorot_uniform", key, (input_size, 2 * self.size), dtype, gates=2)
        return GLUParams(w, jnp.zeros(2 * self.size, dtype))

    def transform(self, params, xs):
        y = matmul(xs, params.w)
        value, gate = jnp.split(add_bias(y, params.b.astype(y.dtype)), 2, axis=-1)
        return value * jax.nn.sigmoid(gate)
