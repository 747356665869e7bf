"""Long short-term memory for images: convolutions in the place of products."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import check_positive
from ..._numerics import add_bias, convolve
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
        object.__setattr__(self, "image_size", as_image_size(self.image_size))

    @property
    def output_size(self) -> tuple[int, int, int]:
        return (*self.image_size, self.channels)

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> ConvLSTMParams:
        check_image(input_size, self.image_size)
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


def as_image_size(size: Any) -> tuple[int, ...]:
    """A height and a width in pixels.

    Raises:
        ValueError: unless it is a tuple of two positive integers.

    Examples:
        >>> as_image_size((6, 5))
        (6, 5)
    """
    if not isinstance(size, tuple) or len(size) != 2:
        raise ValueError(f"expected image_size (height, width), got {size!r}")
    return tuple(check_positive("image_size", pixels) for pixels in size)


def check_image(input_size: Any, image_size: tuple[int, ...]) -> None:
    """Checks the shape of an input.

    Raises:
        ValueError: unless it is `(height, width, features)` with this height and width.

    Examples:
        >>> check_image((6, 5, 3), (6, 5))
    """
    if not isinstance(input_size, tuple) or input_size[:-1] != image_size:
        raise ValueError(
            f"expected input_size (height, width, features) with the image_size "
            f"{image_size}, got {input_size!r}"
        )
