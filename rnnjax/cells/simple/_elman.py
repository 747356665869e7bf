"""The simple recurrent network of Elman. The cell to read first, and the file to copy."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from ..._numerics import add_bias, matmul
from .._options import Activation, AffineCell, activation, draw


class ElmanParams(NamedTuple):
    """Parameters of `Elman`."""

    w_x: Float[Array, "i h"]
    w_h: Float[Array, "h h"]
    b: Float[Array, "h"] | None


class Elman(AffineCell[ElmanParams, Array]):
    """Elman network: the hidden state is fed back.

        h' = f(x w_x + h w_h + b)
        y  = h'

    Variant: as `torch.nn.RNN`, whose two biases are one here. `AffineCell` has further options.

    Args:
        hidden_size: number of units H, which is also the number of output features.
        activation: `f`, a name in `jax.nn` or a hashable elementwise function.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.Elman(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> h, y = cell.step(params, cell.init_carry(params), jnp.ones(3))
        >>> y.shape
        (4,)

    Reference:
        J. L. Elman, Finding structure in time, Cognitive Science 14, 1990.
    """

    hidden_size: int
    _: KW_ONLY
    activation: Activation = "tanh"

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> ElmanParams:
        key_x, key_h, key_b = jax.random.split(key, 3)
        size = self.hidden_size
        return ElmanParams(
            w_x=draw(self.w_x_init, key_x, (input_size, size), dtype),
            w_h=draw(self.w_h_init, key_h, (size, size), dtype),
            b=draw(self.b_init, key_b, (size,), dtype) if self.use_bias else None,
        )

    def init_carry(self, weights, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.hidden_size))

    def project(self, weights, xs):
        return matmul(xs, weights.w_x)

    def recur(self, weights, carry, z):
        return add_bias(z, weights.b) + matmul(carry, weights.w_h)

    def update(self, weights, carry, s) -> Array:
        return checkpoint_name(activation(self.activation)(s), "hidden state")
