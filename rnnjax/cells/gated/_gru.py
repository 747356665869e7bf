"""The gated recurrent unit that resets after the recurrent product."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from ..._numerics import add_bias, matmul, matmul_split
from .._options import GatedCell, activation, draw


class GRUParams(NamedTuple):
    """Parameters of `GRU`; the blocks of the last axis are the gates r, z, n."""

    w_x: Float[Array, "i 3*h"]
    w_h: Float[Array, "h 3*h"]
    b: Float[Array, "3*h"] | None
    b_hn: Float[Array, "h"] | None
    """The bias that the reset gate multiplies."""


class GRU(GatedCell[GRUParams, Array]):
    """Gated recurrent unit.

        r  = sigmoid(x w_xr + h w_hr + b_r)
        z  = sigmoid(x w_xz + h w_hz + b_z)
        n  = tanh(x w_xn + b_n + r (h w_hn + b_hn))
        h' = (1 - z) n + z h
        y  = h'

    Variant: as in PyTorch, cuDNN and Keras, and the faster one: one recurrent product a step,
    where `ResetBeforeGRU` needs two. PyTorch's two biases of r and of z are one each here.
    `GatedCell` and `AffineCell` have further options.

    Args:
        hidden_size: number of units H, which is also the number of output features.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.GRU(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> h, y = cell.step(params, cell.init_carry(params), jnp.ones(3))
        >>> y.shape
        (4,)

    Reference:
        K. Cho et al., Learning phrase representations using RNN encoder-decoder for
        statistical machine translation, EMNLP 2014, version 1 of the preprint.
    """

    hidden_size: int

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> GRUParams:
        key_x, key_h, key_b, key_bn = jax.random.split(key, 4)
        size = self.hidden_size
        return GRUParams(
            w_x=draw(self.w_x_init, key_x, (input_size, 3 * size), dtype, gates=3),
            w_h=draw(self.w_h_init, key_h, (size, 3 * size), dtype, gates=3),
            b=draw(self.b_init, key_b, (3 * size,), dtype, gates=3) if self.use_bias else None,
            b_hn=draw(self.b_init, key_bn, (size,), dtype) if self.use_bias else None,
        )

    def init_carry(self, weights, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.hidden_size))

    def project(self, weights, xs):
        return matmul_split(xs, weights.w_x, at=2 * self.hidden_size)

    def recur(self, weights, carry, z):
        rz, n_x = add_biases(z, weights.b)
        h_rz, h_n = jnp.split(matmul(carry, weights.w_h), [2 * self.hidden_size], axis=-1)
        return rz + h_rz, n_x, add_bias(h_n, weights.b_hn)

    def update(self, weights, carry, s) -> Array:
        rz, n_x, n_h = s
        r, z = jnp.split(activation(self.gate_activation)(rz), 2, axis=-1)
        r = checkpoint_name(r, "reset gate")
        z = checkpoint_name(z, "update gate")
        n = checkpoint_name(activation(self.activation)(n_x + r * n_h), "candidate")
        return (1 - z) * n + z * carry


def add_biases(z: Any, b: Float[Array, "3*h"] | None) -> Any:
    """The biases of the gates r, z and of the candidate n, added to their parts of `z`.

    Examples:
        >>> rz, n = add_biases((jnp.zeros(6), jnp.zeros(3)), jnp.ones(9))
        >>> rz.shape, n.shape
        ((6,), (3,))
    """
    rz, n = z
    at = rz.shape[-1]
    return z if b is None else (add_bias(rz, b[:at]), add_bias(n, b[at:]))
