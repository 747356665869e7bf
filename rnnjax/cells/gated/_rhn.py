"""The recurrent highway network: several layers between one time step and the next."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from ..._numerics import add_bias, matmul
from .._options import GatedCell, activation, draw


class RHNParams(NamedTuple):
    """Parameters of `RHN` with L layers; the blocks of the last axis are n, t."""

    w_x: Float[Array, "i 2*h"]
    w_h: Float[Array, "l h 2*h"]
    b: Float[Array, "l 2*h"] | None


class RHN(GatedCell[RHNParams, Array]):
    """Recurrent highway network: L highway layers are passed in each time step.

        h_0     = h
        n_l     = tanh(x w_xn [l = 1] + h_{l-1} w_hn[l] + b_n[l])
        t_l     = sigmoid(x w_xt [l = 1] + h_{l-1} w_ht[l] + b_t[l])
        h_l     = t_l n_l + (1 - t_l) h_{l-1},      l = 1 … L
        y  = h' = h_L

    Variant: the carry gate is coupled to the transform gate, `1 - t_l`, as in all experiments of
    the paper. `GatedCell` and `AffineCell` have further options.

    Args:
        hidden_size: number of units H, which is also the number of output features.
        depth: number of layers L.
        transform_bias: what is added to the initial biases of t; a negative number, such as the
            -2 of the authors' runs on the Penn Treebank, lets the state through at the start.

    Examples:
        >>> import rnnjax
        >>> rnnjax.cells.RHN(4, depth=3).init(jax.random.key(0), 2).w_h.shape
        (3, 4, 8)

    Reference:
        J. G. Zilly, R. K. Srivastava, J. Koutník, J. Schmidhuber, Recurrent highway networks,
        ICML 2017.
    """

    hidden_size: int
    _: KW_ONLY
    depth: int = 5
    transform_bias: float = -2.0

    @property
    def num_products(self) -> int:
        return self.depth

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> RHNParams:
        key_x, key_h, key_b = jax.random.split(key, 3)
        size = self.hidden_size

        def each_layer(rule, key, shape):
            keys = jax.random.split(key, self.depth)
            return jax.vmap(lambda key: draw(rule, key, shape, dtype, gates=2))(keys)

        b = each_layer(self.b_init, key_b, (2 * size,)) if self.use_bias else None
        return RHNParams(
            w_x=draw(self.w_x_init, key_x, (input_size, 2 * size), dtype, gates=2),
            w_h=each_layer(self.w_h_init, key_h, (size, 2 * size)),
            b=b if b is None else b.at[:, size:].add(self.transform_bias),
        )

    def init_carry(self, weights, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.hidden_size))

    def project(self, weights, xs):
        return matmul(xs, weights.w_x)

    def recur(self, weights, carry, z, *s):
        layer = len(s)
        h = self.update(weights, carry, *s)
        s = add_bias(matmul(h, weights.w_h[layer]), _layer(weights.b, layer))
        return s if layer else z + s

    def update(self, weights, carry, *s) -> Array:
        h = carry
        for layer in s:
            n, t = jnp.split(layer, 2, axis=-1)
            n = checkpoint_name(activation(self.activation)(n), "candidate")
            t = checkpoint_name(activation(self.gate_activation)(t), "transform gate")
            h = t * n + (1 - t) * h
        return h


def _layer(b: Array | None, layer: int) -> Array | None:
    return None if b is None else b[layer]
