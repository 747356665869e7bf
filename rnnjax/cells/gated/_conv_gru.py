"""The gated recurrent unit for images: convolutions in the place of products."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from ..._numerics import add_bias, convolve
from .._options import GatedCell, activation, draw
from ._conv_lstm import as_image_size, check_image


class ConvGRUParams(NamedTuple):
    """Parameters of `ConvGRU`; the blocks of the last axis are the gates r, z, n."""

    w_x: Float[Array, "k k c 3*f"]
    w_h: Float[Array, "k k f 2*f"]
    w_hn: Float[Array, "k k f f"]
    b: Float[Array, "3*f"] | None


class ConvGRU(GatedCell[ConvGRUParams, Array]):
    """Convolutional gated recurrent unit: state and gates are images.

        r  = sigmoid(x * w_xr + h * w_hr + b_r)
        z  = sigmoid(x * w_xz + h * w_hz + b_z)
        n  = tanh(x * w_xn + (r h) * w_hn + b_n)
        h' = (1 - z) n + z h
        y  = h'

    `*` is a convolution, with zeros beyond the border. Inputs are `[*batch, height, width, C]`,
    state and outputs `[*batch, height, width, F]`. Variant: z and 1 - z are exchanged, as in
    `ResetBeforeGRU`, and there are biases. `GatedCell` and `AffineCell` have further options.

    Args:
        image_size: `(height, width)` in pixels.
        channels: number of features F of a pixel of the state and of the output.
        kernel_size: width and height k of the kernels, in pixels.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.cells.ConvGRU((6, 5), 8)
        >>> params = cell.init(jax.random.key(0), (6, 5, 3))
        >>> h, y = cell.step(params, cell.init_carry(params, (2,)), jnp.ones((2, 6, 5, 3)))
        >>> y.shape
        (2, 6, 5, 8)

    Reference:
        N. Ballas et al., Delving deeper into convolutional networks for learning video
        representations, ICLR 2016.
    """

    image_size: tuple[int, int]
    channels: int
    _: KW_ONLY
    kernel_size: int = 3

    num_feature_axes = 3
    num_products = 2

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "image_size", as_image_size(self.image_size))

    @property
    def output_size(self) -> tuple[int, int, int]:
        return (*self.image_size, self.channels)

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> ConvGRUParams:
        check_image(input_size, self.image_size)
        key_x, key_h, key_b = jax.random.split(key, 3)
        window, size = (self.kernel_size, self.kernel_size), self.channels
        w_h = draw(self.w_h_init, key_h, (*window, size, 3 * size), dtype, gates=3)
        return ConvGRUParams(
            w_x=draw(self.w_x_init, key_x, (*window, input_size[-1], 3 * size), dtype, gates=3),
            w_h=w_h[..., : 2 * size],
            w_hn=w_h[..., 2 * size :],
            b=draw(self.b_init, key_b, (3 * size,), dtype, gates=3) if self.use_bias else None,
        )

    def init_carry(self, weights, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, *self.output_size))

    def project(self, weights, xs):
        return tuple(jnp.split(convolve(xs, weights.w_x), [2 * self.channels], axis=-1))

    def recur(self, weights, carry, z, rz=None):
        b = weights.b
        if rz is None:
            rz_x = add_bias(z[0], None if b is None else b[: 2 * self.channels])
            return rz_x + convolve(carry, weights.w_h)
        r = activation(self.gate_activation)(rz[..., : self.channels])
        n_x = add_bias(z[1], None if b is None else b[2 * self.channels :])
        return n_x + convolve(checkpoint_name(r, "reset gate") * carry, weights.w_hn)

    def update(self, weights, carry, *s) -> Array:
        rz, n = s
        z = activation(self.gate_activation)(rz[..., self.channels :])
        z = checkpoint_name(z, "update gate")
        n = checkpoint_name(activation(self.activation)(n), "candidate")
        return (1 - z) * n + z * carry
