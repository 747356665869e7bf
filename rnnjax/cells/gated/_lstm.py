"""Long short-term memory."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from ... import initializers
from ..._core import Params
from ..._numerics import add_bias, matmul
from .._options import GatedCell, activation, draw


class LSTMParams(NamedTuple):
    """Parameters of `LSTM`; the blocks of the last axis are the gates i, f, g, o."""

    w_x: Float[Array, "i 4*h"]
    w_h: Float[Array, "h 4*h"]
    b: Float[Array, "4*h"] | None


class LSTMCarry(NamedTuple):
    """Carry of the LSTMs."""

    h: Float[Array, "*batch h"]
    """Hidden state, which is also the output."""
    c: Float[Array, "*batch h"]
    """Cell state: the memory."""


class MemoryCell(GatedCell[Params, LSTMCarry]):
    """Base of the LSTMs: their gates, given the pre-activations.

    Args:
        forget_bias: what is added to the initial bias of the forget gate.

    Examples:
        >>> import rnnjax
        >>> rnnjax.LSTM(1, forget_bias=2.0).init(jax.random.key(0), 3).b
        Array([0., 2., 0., 0.], dtype=float32)
    """

    _: KW_ONLY
    forget_bias: float = 1.0

    def draw_bias(self, key, size: int, dtype: Any) -> Array | None:
        """The bias of four gates of `size` units each; `None` where there is none."""
        if not self.use_bias:
            return None
        b = draw(self.b_init, key, (4 * size,), dtype, gates=4)
        return b + initializers.forget_bias(self.forget_bias)(key, b.shape, dtype)

    def update(self, weights, carry, s) -> LSTMCarry:
        tanh, sigmoid = activation(self.activation), activation(self.gate_activation)
        i, f, g, o = jnp.split(s, 4, axis=-1)
        i = checkpoint_name(sigmoid(i), "input gate")
        f = checkpoint_name(sigmoid(f), "forget gate")
        g = checkpoint_name(tanh(g), "candidate")
        o = checkpoint_name(sigmoid(o), "output gate")
        c = f * carry.c + i * g
        return LSTMCarry(h=o * tanh(c), c=c)


class LSTM(MemoryCell[LSTMParams]):
    """Long short-term memory with a forget gate.

        i, f, g, o = split(x w_x + h w_h + b)
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = sigmoid(o) tanh(c')
        y  = h'

    Variant: as `torch.nn.LSTM`, whose two biases are one here. The forget bias is part of
    `b` from the start; nothing is added to it when the cell runs. `MemoryCell`, `GatedCell` and
    `AffineCell` have further options.

    Args:
        hidden_size: number of units H, which is also the number of output features.

    Examples:
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

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> LSTMParams:
        key_x, key_h, key_b = jax.random.split(key, 3)
        size = self.hidden_size
        return LSTMParams(
            w_x=draw(self.w_x_init, key_x, (input_size, 4 * size), dtype, gates=4),
            w_h=draw(self.w_h_init, key_h, (size, 4 * size), dtype, gates=4),
            b=self.draw_bias(key_b, size, dtype),
        )

    def init_carry(self, weights, batch_shape=()) -> LSTMCarry:
        shape = (*batch_shape, self.hidden_size)
        return LSTMCarry(h=jnp.zeros(shape), c=jnp.zeros(shape))

    def project(self, weights, xs):
        return matmul(xs, weights.w_x)

    def recur(self, weights, carry, z):
        return add_bias(z, weights.b) + matmul(carry.h, weights.w_h)
