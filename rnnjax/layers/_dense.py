"""The affine map."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._numerics import add_bias, matmul
from ..cells import Initializer, initializer
from ._layer import Pointwise


class DenseParams(NamedTuple):
    """Parameters of `Dense`."""

    w: Float[Array, "i o"]  # weights
    b: Float[Array, "o"] | None  # bias, `None` without


class Dense(Pointwise[DenseParams]):
    """An affine map of every step: `y = x w + b`. The many-to-many readout.

    Args:
        size: number of output features.
        use_bias: whether there is a bias `b`.
        w_init: initializer of the weights: a name in `rnnjax.initializers` or a hashable
            function of `(key, shape, dtype)`.
        b_init: initializer of the bias.

    Examples:
        >>> import jax
        >>> layer = Dense(2)
        >>> params = layer.init(jax.random.key(0), 3)
        >>> _, ys = layer.apply(params, jnp.ones((4, 5, 3)))
        >>> ys.shape
        (4, 5, 2)
    """

    size: int
    _: KW_ONLY
    use_bias: bool = True
    w_init: Initializer = "glorot_uniform"
    b_init: Initializer = "zeros"

    output_size = property(lambda self: self.size)

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> DenseParams:
        w = initializer(self.w_init)(key, (input_size, self.size), dtype)
        b = initializer(self.b_init)(key, (self.size,), dtype) if self.use_bias else None
        return DenseParams(w, b)

    def transform(self, params, xs):
        y = matmul(xs, params.w)
        return add_bias(y, None if params.b is None else params.b.astype(y.dtype))
