"""The recurrent network of Jordan: the output, not the hidden state, is fed back."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._core import StagedCell, carry_dtype, frozen, matmul, positive
from ..initializers import glorot_uniform
from ._activation import activation


class JordanParams(NamedTuple):
    """Parameters of `Jordan`.

    Attributes:
        w_x: input weights, `[I, H]`.
        w_y: feedback weights, `[O, H]`.
        b_h: bias of the hidden units, `[H]`.
        w_o: output weights, `[H, O]`.
        b_o: bias of the outputs, `[O]`.

    Example:
        >>> import rnnjax
        >>> rnnjax.Jordan(4, 2).init(jax.random.key(0), 3).w_y.shape
        (2, 4)
    """

    w_x: Float[Array, "i h"]
    w_y: Float[Array, "o h"]
    b_h: Float[Array, "h"]
    w_o: Float[Array, "h o"]
    b_o: Float[Array, "o"]


class JordanSums(NamedTuple):
    """Pre-activations of `Jordan`.

    Attributes:
        h: of the hidden units, `[*batch, H]`.
        y: of the outputs, `[*batch, O]`.

    Example:
        >>> import rnnjax
        >>> cell = rnnjax.Jordan(4, 2)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> s = cell.recur(params, cell.init_carry(params), cell.project(params, jnp.ones(3)))
        >>> s.h.shape, s.y.shape
        ((4,), (2,))
    """

    h: Float[Array, "*batch h"]
    y: Float[Array, "*batch o"]


@frozen
class Jordan(StagedCell[JordanParams, Array]):
    """Jordan network: the network's own output is fed back.

        h  = f(x w_x + y w_y + b_h)
        y' = g(h w_o + b_o)

    Variant: the feedback is the last output itself; Jordan's plan units, which also keep a
    decaying trace of earlier outputs, are left out. PyTorch has no such network.

    Args:
        hidden_size: number of hidden units H.
        out_size: number of outputs O, which is also the size of the carry.
        activation: the name of `f` in `jax.nn`.
        output_activation: the name of `g` in `jax.nn`.

    Example:
        >>> import rnnjax
        >>> cell = rnnjax.Jordan(hidden_size=8, out_size=2)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> carry, y = cell.step(params, cell.init_carry(params), jnp.ones(3))
        >>> y.shape
        (2,)

    Reference:
        M. I. Jordan, Serial order: a parallel distributed processing approach, ICS report
        8604, UC San Diego, 1986.
    """

    hidden_size: int
    out_size: int
    activation: str = "tanh"
    output_activation: str = "tanh"

    def __post_init__(self):
        positive("hidden_size", self.hidden_size)
        positive("out_size", self.out_size)
        activation(self.activation)
        activation(self.output_activation)

    @property
    def output_size(self) -> int:
        return self.out_size

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> JordanParams:
        key_x, key_y, key_o = jax.random.split(key, 3)
        return JordanParams(
            w_x=glorot_uniform(key_x, (input_size, self.hidden_size), dtype),
            w_y=glorot_uniform(key_y, (self.out_size, self.hidden_size), dtype),
            b_h=jnp.zeros(self.hidden_size, dtype),
            w_o=glorot_uniform(key_o, (self.hidden_size, self.out_size), dtype),
            b_o=jnp.zeros(self.out_size, dtype),
        )

    def init_carry(self, params, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.out_size), carry_dtype(params.w_o.dtype))

    def project(self, params, xs):
        return matmul(xs, params.w_x)

    def recur(self, params, carry, z):
        h = z + matmul(carry, params.w_y) + params.b_h
        return JordanSums(h, y=jnp.zeros_like(carry) + params.b_o)

    def recur_again(self, params, carry, s):
        h = activation(self.activation)(s.h)
        return s._replace(y=s.y + matmul(h, params.w_o))

    def gate(self, params, carry, s):
        y = activation(self.output_activation)(s.y)
        return y, y
