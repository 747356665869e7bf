"""The recurrent network of Jordan: the output, not the hidden state, is fed back."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from ..._numerics import add_bias, matmul
from .._options import Activation, AffineCell, Initializer, activation, draw


class JordanParams(NamedTuple):
    """Parameters of `Jordan`."""

    w_x: Float[Array, "i h"]
    w_hy: Float[Array, "o h"]
    b_h: Float[Array, "h"] | None
    w_o: Float[Array, "h o"]
    b_o: Float[Array, "o"] | None


class Jordan(AffineCell[JordanParams, Array]):
    """Jordan network: the network's own output is fed back.

        h  = f(x w_x + y w_hy + b_h)
        y' = g(h w_o + b_o)

    Variant: the feedback is the last output itself; Jordan's plan units, which also keep a
    decaying trace of earlier outputs, are left out. `AffineCell` has further options.

    Args:
        hidden_size: number of hidden units H.
        output_size: number of outputs O, which is also the size of the carry.
        activation: `f`, a name in `jax.nn` or a hashable elementwise function.
        output_activation: `g`, likewise.
        w_h_init: initializer of the feedback weights `w_hy`.
        w_o_init: initializer of the output weights.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.Jordan(hidden_size=8, output_size=2)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> carry, y = cell.step(params, cell.init_carry(params), jnp.ones(3))
        >>> y.shape
        (2,)

    Reference:
        M. I. Jordan, Serial order: a parallel distributed processing approach, ICS report
        8604, UC San Diego, 1986.
    """

    hidden_size: int
    output_size: int
    _: KW_ONLY
    activation: Activation = "tanh"
    output_activation: Activation = "tanh"
    w_h_init: Initializer = "glorot_uniform"
    w_o_init: Initializer = "glorot_uniform"

    num_products = 2

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> JordanParams:
        key_x, key_y, key_o, key_bh, key_bo = jax.random.split(key, 5)
        hidden, out = self.hidden_size, self.output_size
        return JordanParams(
            w_x=draw(self.w_x_init, key_x, (input_size, hidden), dtype),
            w_hy=draw(self.w_h_init, key_y, (out, hidden), dtype),
            b_h=draw(self.b_init, key_bh, (hidden,), dtype) if self.use_bias else None,
            w_o=draw(self.w_o_init, key_o, (hidden, out), dtype),
            b_o=draw(self.b_init, key_bo, (out,), dtype) if self.use_bias else None,
        )

    def init_carry(self, weights, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.output_size))

    def project(self, weights, xs):
        return matmul(xs, weights.w_x)

    def recur(self, weights, carry, z, hidden=None):
        if hidden is None:
            return add_bias(z, weights.b_h) + matmul(carry, weights.w_hy)
        h = checkpoint_name(activation(self.activation)(hidden), "hidden state")
        return add_bias(matmul(h, weights.w_o), weights.b_o)

    def update(self, weights, carry, *s) -> Array:
        _, out = s
        return checkpoint_name(activation(self.output_activation)(out), "output")
