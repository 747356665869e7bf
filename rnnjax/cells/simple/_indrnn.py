"""The independently recurrent network: each unit sees only its own last value."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from ..._numerics import add_bias, along, matmul
from .._options import Activation, AffineCell, Initializer, activation, draw


class IndRNNParams(NamedTuple):
    """Parameters of `IndRNN`."""

    w_x: Float[Array, "i h"]
    u: Float[Array, "h"]
    b: Float[Array, "h"] | None


class IndRNN(AffineCell[IndRNNParams, Array]):
    """Independently recurrent network: a recurrent weight a unit instead of a matrix.

        h' = f(x w_x + u h + b)
        y  = h'

    Units meet in the next layer, so several are stacked. The memory of a unit is read off its
    weight: over T steps a gradient changes by up to `u^T`. The paper keeps `|u| <= 2^(1/T)` with
    relu; this class draws `u` in `[0, 1)` and does not clip it. `AffineCell` has further options.

    Args:
        hidden_size: number of units H, which is also the number of output features.
        activation: `f`, a name in `jax.nn` or a hashable elementwise function.
        w_h_init: initializer of `u`.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.cells.IndRNN(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> params.u.shape
        (4,)

    Reference:
        S. Li et al., Independently recurrent neural network (IndRNN): building a longer and
        deeper RNN, CVPR 2018.
    """

    hidden_size: int
    _: KW_ONLY
    activation: Activation = "relu"
    w_h_init: Initializer = "unit_uniform"

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> IndRNNParams:
        key_x, key_u, key_b = jax.random.split(key, 3)
        size = self.hidden_size
        return IndRNNParams(
            w_x=draw(self.w_x_init, key_x, (input_size, size), dtype),
            u=draw(self.w_h_init, key_u, (size,), dtype),
            b=draw(self.b_init, key_b, (size,), dtype) if self.use_bias else None,
        )

    def init_carry(self, weights, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.hidden_size))

    def project(self, weights, xs):
        return matmul(xs, weights.w_x)

    def update(self, weights, carry, z) -> Array:
        s = add_bias(z, weights.b) + along(weights.u, carry) * carry
        return checkpoint_name(activation(self.activation)(s), "hidden state")
