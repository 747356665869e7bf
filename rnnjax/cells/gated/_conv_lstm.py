"""Long short-term memory for images: convolutions in the place of products."""

from dataclasses import KW_ONLY
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import brief, check_array, check_positive
from ..._numerics import add_bias, carry_dtype
from .._options import draw
from ._lstm import LSTMCarry, MemoryCell


class ConvLSTMParams(NamedTuple):
    """Parameters of `ConvLSTM`; the blocks of the last axis are the gates i, f, g, o."""

    w_x: Float[Array, "k k c 4*f"]
    w_h: Float[Array, "k k f 4*f"]
    b: Float[Array, "4*f"] | None


class ConvLSTM(MemoryCell[ConvLSTMParams]):
    """Convolutional long short-term memory: state and gates are images.

        i, f, g, o = split(x * w_x + h * w_h + b)
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = sigmoid(o) tanh(c')
        y  = h'

    `*` is a convolution, with zeros beyond the border. Inputs are `[*batch, height, width, C]`,
    state and outputs `[*batch, height, width, F]`. Variant: without the paper's peepholes.
    `MemoryCell`, `GatedCell` and `AffineCell` have further options.

    Args:
        image_size: `(height, width)` in pixels.
        channels: number of features F of a pixel of the state and of the output.
        kernel_size: width and height k of the kernels, in pixels.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.cells.ConvLSTM((6, 5), 8)
        >>> params = cell.init(jax.random.key(0), (6, 5, 3))
        >>> carry, y = cell.step(params, cell.init_carry(params, (2,)), jnp.ones((2, 6, 5, 3)))
        >>> y.shape
        (2, 6, 5, 8)

    Reference:
        X. Shi et al., Convolutional LSTM network: a machine learning approach for precipitation
        nowcasting, NeurIPS 2015.
    """

    image_size: tuple[int, int]
    channels: int
    _: KW_ONLY
    kernel_size: int = 3

    num_feature_axes = 3

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.image_size, tuple) or len(self.image_size) != 2:
            raise ValueError(f"expected image_size (height, width), got {self.image_size!r}")
        size = tuple(check_positive("image_size", pixels) for pixels in self.image_size)
        object.__setattr__(self, "image_size", size)

    @property
    def output_size(self) -> tuple[int, int, int]:
        return (*self.image_size, self.channels)

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> ConvLSTMParams:
        if not isinstance(input_size, tuple) or input_size[:-1] != self.image_size:
            raise ValueError(
                f"expected input_size (height, width, features) with the image_size "
                f"{self.image_size}, got {input_size!r}"
            )
        key_x, key_h, key_b = jax.random.split(key, 3)
        window, size = (self.kernel_size, self.kernel_size), self.channels
        return ConvLSTMParams(
            w_x=draw(self.w_x_init, key_x, (*window, input_size[-1], 4 * size), dtype, gates=4),
            w_h=draw(self.w_h_init, key_h, (*window, size, 4 * size), dtype, gates=4),
            b=self.draw_bias(key_b, size, dtype),
        )

    def init_carry(self, weights, batch_shape=()) -> LSTMCarry:
        shape = (*batch_shape, *self.output_size)
        return LSTMCarry(h=jnp.zeros(shape), c=jnp.zeros(shape))

    def project(self, weights, xs):
        return convolve(xs, weights.w_x)

    def recur(self, weights, carry, z):
        return add_bias(z, weights.b) + convolve(carry.h, weights.w_h)


def convolve(
    x: Float[Array, "*lead h w c"], kernel: Float[Array, "k k c f"]
) -> Float[Array, "*lead h w f"]:
    """Convolution of images in the dtype of `kernel`, with zeros beyond the border.

    Examples:
        >>> convolve(jnp.ones((2, 7, 6, 5, 3)), jnp.ones((3, 3, 3, 4))).shape
        (2, 7, 6, 5, 4)
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
        window_strides=(1, 1),
        padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y.reshape(*lead, *y.shape[1:]).astype(carry_dtype(kernel.dtype))
