"""The gated recurrent unit that resets before the recurrent product."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from ..._numerics import matmul, matmul_split
from .._options import GatedCell, activation, draw
from ._gru import add_biases


class ResetBeforeGRUParams(NamedTuple):
    """Parameters of `ResetBeforeGRU`; the blocks of the last axis are the gates r, z, n."""

    w_x: Float[Array, "i 3*h"]
    w_h: Float[Array, "h 2*h"]
    w_hn: Float[Array, "h h"]
    b: Float[Array, "3*h"] | None


class ResetBeforeGRU(GatedCell[ResetBeforeGRUParams, Array]):
    """Gated recurrent unit whose reset gate acts on the state itself.

        r  = sigmoid(x w_xr + h w_hr + b_r)
        z  = sigmoid(x w_xz + h w_hz + b_z)
        n  = tanh(x w_xn + b_n + (r h) w_hn)
        h' = (1 - z) n + z h
        y  = h'

    Variant: as in the paper and in Haiku; another function of the same weights than `GRU`.
    `GatedCell` and `AffineCell` have further options.

    Args:
        hidden_size: number of units H, which is also the number of output features.

    Examples:
        >>> import rnnjax
        >>> rnnjax.ResetBeforeGRU(4).init(jax.random.key(0), 3).w_hn.shape
        (4, 4)

    Reference:
        K. Cho et al., Learning phrase representations using RNN encoder-decoder for
        statistical machine translation, EMNLP 2014, version 3 of the preprint.
    """

    hidden_size: int

    num_products = 2

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> ResetBeforeGRUParams:
        key_x, key_h, key_b = jax.random.split(key, 3)
        size = self.hidden_size
        w_h = draw(self.w_h_init, key_h, (size, 3 * size), dtype, gates=3)
        return ResetBeforeGRUParams(
            w_x=draw(self.w_x_init, key_x, (input_size, 3 * size), dtype, gates=3),
            w_h=w_h[:, : 2 * size],
            w_hn=w_h[:, 2 * size :],
            b=draw(self.b_init, key_b, (3 * size,), dtype, gates=3) if self.use_bias else None,
        )

    def init_carry(self, weights, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.hidden_size))

    def project(self, weights, xs):
        return matmul_split(xs, weights.w_x, at=2 * self.hidden_size)

    def recur(self, weights, carry, z, rz=None):
        rz_x, n_x = add_biases(z, weights.b)
        if rz is None:
            return rz_x + matmul(carry, weights.w_h)
        r = activation(self.gate_activation)(rz[..., : self.hidden_size])
        return n_x + matmul(checkpoint_name(r, "reset gate") * carry, weights.w_hn)

    def update(self, weights, carry, *s) -> Array:
        rz, n = s
        z = activation(self.gate_activation)(rz[..., self.hidden_size :])
        z = checkpoint_name(z, "update gate")
        n = checkpoint_name(activation(self.activation)(n), "candidate")
        return (1 - z) * n + z * carry
