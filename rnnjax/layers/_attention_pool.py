"""From a sequence of outputs to one, with learnt weights."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from .._numerics import add_bias, matmul
from ..initializers import glorot_uniform
from ._layer import Layer
from ._pool import valid_entries
from ._signals import Signals


class AttentionPoolParams(NamedTuple):
    """Parameters of `AttentionPool`."""

    w: Float[Array, "i a"]  # of the inputs
    b: Float[Array, "a"]  # bias
    w_s: Float[Array, "a 1"]  # of the score


class AttentionPool(Layer[AttentionPoolParams]):
    """A weighted mean of each sequence: `[B, T, I]` to `[B, I]`, over its valid steps.

    The weights are `softmax(tanh(x w + b) w_s)` over time. A sequence without a valid step gives
    zeros.

    Args:
        size: number of units that score a step.

    Examples:
        >>> layer = AttentionPool(4)
        >>> params = layer.init(jax.random.key(0), 3)
        >>> layer.apply(params, jnp.ones((2, 5, 3)))[1].shape
        (2, 3)

    Reference:
        Z. Yang, D. Yang, C. Dyer, X. He, A. Smola, E. Hovy, Hierarchical attention networks for
        document classification, NAACL 2016.
    """

    size: int

    keeps_time = False

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> AttentionPoolParams:
        one, two = jax.random.split(key)
        w = glorot_uniform(one, (input_size, self.size), dtype)
        return AttentionPoolParams(
            w, jnp.zeros(self.size, dtype), glorot_uniform(two, (self.size, 1), dtype)
        )

    def run(self, params, xs, carry, signals: Signals):
        valid = valid_entries(xs, signals)
        # Zero times NaN would be NaN.
        xs = jnp.where(valid, xs, jnp.zeros_like(xs))
        y = matmul(xs, params.w)
        score = matmul(jnp.tanh(add_bias(y, params.b.astype(y.dtype))), params.w_s)
        # Finite, so that a sequence without a valid step stays finite.
        p = jax.nn.softmax(jnp.where(valid, score, -1e30), axis=1)
        p = checkpoint_name(jnp.where(valid, p, 0), "attention")
        return (), (p * xs.astype(p.dtype)).sum(1)
