"""Long short-term memory whose output is projected to fewer features."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._numerics import add_bias, matmul
from .._options import Initializer, draw
from ._lstm import LSTMCarry, MemoryCell


class ProjectedLSTMParams(NamedTuple):
    """Parameters of `ProjectedLSTM`; the blocks of the gates are i, f, g, o."""

    w_x: Float[Array, "i 4*h"]
    w_h: Float[Array, "p 4*h"]
    b: Float[Array, "4*h"] | None
    w_p: Float[Array, "h p"]


class ProjectedLSTM(MemoryCell[ProjectedLSTMParams]):
    """Long short-term memory that feeds back, and gives, a projection of its state.

        i, f, g, o = split(x w_x + h w_h + b)
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = (sigmoid(o) tanh(c')) w_p
        y  = h'

    A large memory c of H numbers costs recurrent products of only P features. Variant: as
    `torch.nn.LSTM(…, proj_size=P)`: nothing of the state reaches the output unprojected.
    `MemoryCell`, `GatedCell` and `AffineCell` have further options.

    Args:
        hidden_size: number of memory cells H.
        projection_size: number P of features of h, which is the output.
        w_p_init: initializer of the projection.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.ProjectedLSTM(8, 2)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> carry, y = cell.step(params, cell.init_carry(params), jnp.ones(3))
        >>> carry.c.shape, y.shape
        ((8,), (2,))

    Reference:
        H. Sak, A. Senior, F. Beaufays, Long short-term memory recurrent neural network
        architectures for large scale acoustic modeling, Interspeech 2014.
    """

    hidden_size: int
    projection_size: int
    _: KW_ONLY
    w_p_init: Initializer = "glorot_uniform"

    # The second has no product: what it gives is kept, so that no later stage computes it again.
    num_products = 3

    @property
    def output_size(self) -> int:
        return self.projection_size

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> ProjectedLSTMParams:
        key_x, key_h, key_b, key_p = jax.random.split(key, 4)
        size, projection = self.hidden_size, self.projection_size
        return ProjectedLSTMParams(
            w_x=draw(self.w_x_init, key_x, (input_size, 4 * size), dtype, gates=4),
            w_h=draw(self.w_h_init, key_h, (projection, 4 * size), dtype, gates=4),
            b=self.draw_bias(key_b, size, dtype),
            w_p=draw(self.w_p_init, key_p, (size, projection), dtype),
        )

    def init_carry(self, weights, batch_shape=()) -> LSTMCarry:
        h = jnp.zeros((*batch_shape, self.projection_size))
        return LSTMCarry(h=h, c=jnp.zeros((*batch_shape, self.hidden_size)))

    def project(self, weights, xs):
        return matmul(xs, weights.w_x)

    def recur(self, weights, carry, z, s=None, unprojected=None):
        if s is None:
            return add_bias(z, weights.b) + matmul(carry.h, weights.w_h)
        if unprojected is None:
            return super().update(weights, carry, s)
        return matmul(unprojected.h, weights.w_p)

    def update(self, weights, carry, *s) -> LSTMCarry:
        _, unprojected, h = s
        return unprojected._replace(h=h)
