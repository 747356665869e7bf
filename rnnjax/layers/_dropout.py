"""Noise on features during training."""

from dataclasses import KW_ONLY
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import check_rate
from .._numerics import carry_dtype
from ._layer import Layer
from ._signals import Signals


class DropoutParams(NamedTuple):
    """Parameters of `Dropout("param")`."""

    rate: Float[Array, ""]  # probability that a feature is dropped; it has no gradient


class Dropout(Layer[Any]):
    """Zeroes features with probability `rate` and scales the rest by `1 / (1 - rate)`.

    Active only when `apply` is given a `key`; without one it is the identity.

    Args:
        rate: probability that a feature is dropped, at least 0 and below 1. With "param" it is a
            parameter, so that the members of an ensemble may have different ones.
        per_sequence: whether one mask serves all steps of a sequence (variational or locked
            dropout) instead of a fresh one for every step.

    Examples:
        >>> layer = Dropout(0.5, per_sequence=True)
        >>> _, ys = layer.apply((), jnp.ones((1, 2, 4)), key=jax.random.key(0))
        >>> bool((ys[:, 0] == ys[:, 1]).all())
        True

    Reference:
        Y. Gal, Z. Ghahramani, A theoretically grounded application of dropout in recurrent
        neural networks, NeurIPS 2016.
    """

    rate: float | Literal["param"]
    _: KW_ONLY
    per_sequence: bool = False

    def __post_init__(self):
        super().__post_init__()
        if self.rate != "param":
            object.__setattr__(self, "rate", check_rate("rate", self.rate))

    def init(self, key, input_size=None, *, dtype: Any = jnp.float32) -> DropoutParams | tuple:
        return DropoutParams(jnp.zeros((), carry_dtype(dtype))) if self.rate == "param" else ()

    def run(self, params, xs, carry, signals: Signals):
        if signals.key is None or self.rate == 0:
            return (), xs
        rate = jax.lax.stop_gradient(params.rate) if self.rate == "param" else self.rate
        # Behind a layer that gives one vector a sequence there is no time axis, `[B, I]`.
        has_time = xs.ndim > 2
        shape = (xs.shape[0], 1, *xs.shape[2:]) if self.per_sequence and has_time else xs.shape
        keep = jax.random.bernoulli(signals.key, 1 - rate, shape)
        # A rate of 1 keeps nothing; its scale would be infinite, and its gradient NaN.
        scale = jnp.where(jnp.asarray(rate) < 1, 1 / jnp.maximum(1 - rate, 1e-7), 0)
        return (), jnp.where(keep, xs * scale.astype(xs.dtype), jnp.zeros_like(xs))
