"""Long short-term memory."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._core import StagedCell, carry_dtype, frozen, matmul, positive
from ..initializers import forget_bias, glorot_uniform, orthogonal, per_gate


class LSTMParams(NamedTuple):
    """Parameters of `LSTM`; the blocks of the last axis are the gates i, f, g, o.

    Attributes:
        w_x: input weights, `[I, 4H]`.
        w_h: recurrent weights, `[H, 4H]`.
        b: bias, `[4H]`.

    Example:
        >>> import rnnjax
        >>> rnnjax.LSTM(4).init(jax.random.key(0), 3).w_x.shape
        (3, 16)
    """

    w_x: Float[Array, "i 4*h"]
    w_h: Float[Array, "h 4*h"]
    b: Float[Array, "4*h"]


class LSTMCarry(NamedTuple):
    """Carry of `LSTM`.

    Attributes:
        h: hidden state, `[*batch, H]`, which is also the output.
        c: cell state, `[*batch, H]`, the memory.

    Example:
        >>> LSTMCarry(h=jnp.zeros(4), c=jnp.ones(4)).c.sum()
        Array(4., dtype=float32)
    """

    h: Float[Array, "*batch h"]
    c: Float[Array, "*batch h"]


@frozen
class LSTM(StagedCell[LSTMParams, LSTMCarry]):
    """Long short-term memory with a forget gate.

        i, f, g, o = split(x w_x + h w_h + b)
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = sigmoid(o) tanh(c')
        y  = h'

    Variant: as `torch.nn.LSTM`, whose two biases are one here. The forget bias is part of
    `b` from the start; nothing is added to it when the cell runs.

    Args:
        hidden_size: number of units H, which is also the number of output features.
        forget_bias: initial value of the forget gate's bias.

    Example:
        >>> import rnnjax
        >>> cell = rnnjax.LSTM(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> carry, y = cell.step(params, cell.init_carry(params), jnp.ones(3))
        >>> carry.c.shape
        (4,)

    Reference:
        S. Hochreiter, J. Schmidhuber, Long short-term memory, Neural Computation 9, 1997;
        F. Gers, J. Schmidhuber, F. Cummins, Learning to forget, Neural Computation 12, 2000.
    """

    hidden_size: int
    forget_bias: float = 1.0

    def __post_init__(self):
        positive("hidden_size", self.hidden_size)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> LSTMParams:
        key_x, key_h, key_b = jax.random.split(key, 3)
        columns = 4 * self.hidden_size
        return LSTMParams(
            w_x=per_gate(glorot_uniform, 4)(key_x, (input_size, columns), dtype),
            w_h=per_gate(orthogonal, 4)(key_h, (self.hidden_size, columns), dtype),
            b=forget_bias(self.forget_bias)(key_b, (columns,), dtype),
        )

    def init_carry(self, params, batch_shape=()) -> LSTMCarry:
        shape, dtype = (*batch_shape, self.hidden_size), carry_dtype(params.w_h.dtype)
        return LSTMCarry(h=jnp.zeros(shape, dtype), c=jnp.zeros(shape, dtype))

    def project(self, params, xs):
        return matmul(xs, params.w_x)

    def recur(self, params, carry, z):
        return z + matmul(carry.h, params.w_h) + params.b

    def gate(self, params, carry, s):
        i, f, g, o = jnp.split(s, 4, axis=-1)
        c = jax.nn.sigmoid(f) * carry.c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return LSTMCarry(h, c), h
