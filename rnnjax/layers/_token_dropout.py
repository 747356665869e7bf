"""Noise on tokens during training."""

from dataclasses import KW_ONLY
from typing import Any

import jax
import jax.numpy as jnp

from .._checks import Rate
from ._layer import Layer
from ._signals import Signals


class TokenDropout(Layer[tuple]):
    """Replaces tokens `[B, T]` with probability `rate` by one token, such as the unknown word's.

    Also known as word dropout. A model learns to do without any single word, and the vector of an
    unknown one. Active only when `apply` is given a `key`; without one it is the identity.

    Args:
        rate: probability that a token is replaced, at least 0 and below 1.
        token: the token in its place.

    Examples:
        >>> _, ys = TokenDropout(0.5).apply((), jnp.full((1, 6), 7), key=jax.random.key(1))
        >>> sorted({*ys[0].tolist()})
        [0, 7]

    Reference:
        M. Iyyer, V. Manjunatha, J. Boyd-Graber, H. Daumé, Deep unordered composition rivals
        syntactic methods for text classification, ACL 2015.
    """

    rate: Rate
    _: KW_ONLY
    token: int = 0

    num_feature_axes = 0

    def init(self, key, input_size=None, *, dtype: Any = jnp.float32) -> tuple:
        return ()

    def run(self, params, xs, carry, signals: Signals):
        if signals.key is None:
            return (), xs
        dropped = jax.random.bernoulli(signals.key, self.rate, xs.shape)
        return (), jnp.where(dropped, jnp.asarray(self.token, xs.dtype), xs)
