"""The minimal gated recurrent unit that is parallel in time."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from ..._core import Cell
from ..._numerics import add_bias, matmul
from ...initializers import glorot_uniform, per_gate


class MinGRUParams(NamedTuple):
    """Parameters of `MinGRU`; the blocks of the last axis are z and n."""

    w_x: Float[Array, "i 2*h"]
    b: Float[Array, "2*h"]


class MinGRU(Cell[MinGRUParams, Array]):
    """Minimal gated recurrent unit: a GRU whose gate and candidate know only the input.

        z  = sigmoid(x w_z + b_z)
        n  = x w_n + b_n
        h' = (1 - z) h + z n
        y  = h'

    Variant: the plain form. The form in logarithms of `h` needs positive candidates, so it is
    another function.

    Args:
        hidden_size: number of units H, which is also the number of output features.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.cells.MinGRU(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> h, ys = rnnjax.scan(cell, params, jnp.ones((10, 3)))
        >>> cell.linear, ys.shape
        (True, (10, 4))

    Reference:
        L. Feng et al., Were RNNs all we needed?, 2024, section 3.1.
    """

    hidden_size: int

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> MinGRUParams:
        columns = 2 * self.hidden_size
        return MinGRUParams(
            w_x=per_gate(glorot_uniform, 2)(key, (input_size, columns), dtype),
            b=jnp.zeros(columns, dtype),
        )

    def init_carry(self, weights, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.hidden_size))

    def elements(self, weights, xs):
        z, n = jnp.split(add_bias(matmul(xs, weights.w_x), weights.b), 2, axis=-1)
        z = checkpoint_name(jax.nn.sigmoid(z), "update gate")
        n = checkpoint_name(n, "candidate")
        return 1 - z, z * n
