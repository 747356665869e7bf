"""The simple recurrent network of Elman. The cell to read first, and the file to copy."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._core import StagedCell, carry_dtype, frozen, matmul, positive
from ..initializers import glorot_uniform, orthogonal
from ._activation import activation


class ElmanParams(NamedTuple):
    """Parameters of `Elman`.

    Attributes:
        w_x: input weights, `[I, H]`.
        w_h: recurrent weights, `[H, H]`.
        b: bias, `[H]`.

    Example:
        >>> import rnnjax
        >>> rnnjax.Elman(4).init(jax.random.key(0), 3).b.shape
        (4,)
    """

    w_x: Float[Array, "i h"]
    w_h: Float[Array, "h h"]
    b: Float[Array, "h"]


@frozen
class Elman(StagedCell[ElmanParams, Array]):
    """Elman network: the hidden state is fed back.

        h' = f(x w_x + h w_h + b)
        y  = h'

    Variant: as `torch.nn.RNN`, whose two biases are one here.

    Args:
        hidden_size: number of units H, which is also the number of output features.
        activation: the name of `f` in `jax.nn`: "tanh", "relu", "sigmoid", "identity", …

    Example:
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
    activation: str = "tanh"

    def __post_init__(self):
        positive("hidden_size", self.hidden_size)
        activation(self.activation)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> ElmanParams:
        key_x, key_h = jax.random.split(key)
        return ElmanParams(
            w_x=glorot_uniform(key_x, (input_size, self.hidden_size), dtype),
            w_h=orthogonal(key_h, (self.hidden_size, self.hidden_size), dtype),
            b=jnp.zeros(self.hidden_size, dtype),
        )

    def init_carry(self, params, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.hidden_size), carry_dtype(params.w_h.dtype))

    def project(self, params, xs):
        return matmul(xs, params.w_x)

    def recur(self, params, carry, z):
        return z + matmul(carry, params.w_h) + params.b

    def gate(self, params, carry, s):
        h = activation(self.activation)(s)
        return h, h
