"""Long short-term memory whose output is projected to fewer features."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._core import StagedCell, carry_dtype, frozen, matmul, positive
from ..initializers import forget_bias, glorot_uniform, orthogonal, per_gate
from ._lstm import LSTM, LSTMCarry, LSTMParams


class ProjectedLSTMParams(NamedTuple):
    """Parameters of `ProjectedLSTM`; the blocks of the gates are i, f, g, o.

    Attributes:
        w_x: input weights, `[I, 4H]`.
        w_h: recurrent weights, `[P, 4H]`.
        b: bias, `[4H]`.
        w_p: projection, `[H, P]`.

    Example:
        >>> import rnnjax
        >>> rnnjax.ProjectedLSTM(8, 2).init(jax.random.key(0), 3).w_h.shape
        (2, 32)
    """

    w_x: Float[Array, "i 4*h"]
    w_h: Float[Array, "p 4*h"]
    b: Float[Array, "4*h"]
    w_p: Float[Array, "h p"]


@frozen
class ProjectedLSTM(StagedCell[ProjectedLSTMParams, LSTMCarry]):
    """Long short-term memory that feeds back, and gives, a projection of its state.

        i, f, g, o = split(x w_x + h w_h + b)
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = (sigmoid(o) tanh(c')) w_p
        y  = h'

    A large memory c of H numbers costs recurrent products of only P features. Variant: as
    `torch.nn.LSTM(…, proj_size=P)`: nothing of the state reaches the output unprojected.

    Args:
        hidden_size: number of memory cells H.
        projection_size: number P of features of h, which is the output.
        forget_bias: initial value of the forget gate's bias.

    Example:
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
    forget_bias: float = 1.0

    def __post_init__(self):
        positive("hidden_size", self.hidden_size)
        positive("projection_size", self.projection_size)

    @property
    def output_size(self) -> int:
        return self.projection_size

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> ProjectedLSTMParams:
        key_x, key_h, key_b, key_p = jax.random.split(key, 4)
        columns = 4 * self.hidden_size
        return ProjectedLSTMParams(
            w_x=per_gate(glorot_uniform, 4)(key_x, (input_size, columns), dtype),
            w_h=per_gate(orthogonal, 4)(key_h, (self.projection_size, columns), dtype),
            b=forget_bias(self.forget_bias)(key_b, (columns,), dtype),
            w_p=glorot_uniform(key_p, (self.hidden_size, self.projection_size), dtype),
        )

    def init_carry(self, params, batch_shape=()) -> LSTMCarry:
        dtype = carry_dtype(params.w_h.dtype)
        h = jnp.zeros((*batch_shape, self.projection_size), dtype)
        return LSTMCarry(h=h, c=jnp.zeros((*batch_shape, self.hidden_size), dtype))

    def project(self, params, xs):
        return matmul(xs, params.w_x)

    def recur(self, params, carry, z):
        return z + matmul(carry.h, params.w_h) + params.b

    def gate(self, params, carry, s):
        unprojected = LSTMParams(params.w_x, params.w_h, params.b)
        carry, h = LSTM(self.hidden_size).gate(unprojected, carry, s)
        # More than elementwise, which the engine allows: it adds up this gradient step by step. As
        # `recur_again` it would need all pre-activations beside their gradients.
        h = matmul(h, params.w_p)
        return carry._replace(h=h), h
