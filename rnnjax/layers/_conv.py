"""The convolution of images."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._numerics import add_bias, convolve
from ..cells import Activation, Initializer, activation, initializer
from ._layer import Pointwise


class ConvParams(NamedTuple):
    """Parameters of `Conv`."""

    w: Float[Array, "k k c f"]  # weights
    b: Float[Array, "f"] | None  # bias, `None` without


class Conv(Pointwise[ConvParams]):
    """A convolution of the image of every step: `y = f(x * w + b)`, with zeros beyond the border.

    It maps `[B, T, height, width, C]` to `[B, T, height / s, width / s, F]`, rounded up. With a
    kernel of one pixel it is an affine map of every pixel: the readout of `cells.ConvLSTM`.

    Args:
        channels: number of output features F of a pixel.
        kernel_size: width and height k of the kernels, in pixels.
        stride: number s of pixels from one output to the next.
        activation: the function f: a name in `jax.nn` or a hashable elementwise function.
        use_bias: whether there is a bias `b`.
        w_init: initializer of the weights: a name in `rnnjax.initializers` or a hashable
            function of `(key, shape, dtype)`.
        b_init: initializer of the bias.

    Examples:
        >>> import jax
        >>> layer = Conv(8, stride=2, activation="relu")
        >>> params = layer.init(jax.random.key(0), (16, 16, 1))
        >>> layer.apply(params, jnp.ones((4, 10, 16, 16, 1)))[1].shape
        (4, 10, 8, 8, 8)
    """

    channels: int
    _: KW_ONLY
    kernel_size: int = 3
    stride: int = 1
    activation: Activation = "identity"
    use_bias: bool = True
    w_init: Initializer = "glorot_uniform"
    b_init: Initializer = "zeros"

    num_feature_axes = 3

    def output_size_of(self, input_size):
        if input_size is None:
            return None
        sides = (-(-side // self.stride) for side in input_size[:-1])
        return (*sides, self.channels)

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> ConvParams:
        shape = (self.kernel_size, self.kernel_size, input_size[-1], self.channels)
        w = initializer(self.w_init)(key, shape, dtype)
        b = initializer(self.b_init)(key, (self.channels,), dtype) if self.use_bias else None
        return ConvParams(w, b)

    def transform(self, params, xs):
        y = convolve(xs, params.w, self.stride)
        y = add_bias(y, None if params.b is None else params.b.astype(y.dtype))
        return activation(self.activation)(y)
