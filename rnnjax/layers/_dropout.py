"""Noise on features during training."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._core import carry_dtype, frozen
from ._layer import Layer, Signals


class DropoutParams(NamedTuple):
    """Parameters of `Dropout(None)`.

    Attributes:
        rate: probability that a feature is dropped, a number; no gradient reaches it.

    Example:
        >>> Dropout(None).init(jax.random.key(0)).rate
        Array(0., dtype=float32)
    """

    rate: Float[Array, ""]


@frozen
class Dropout(Layer[Any]):
    """Zeroes features with probability `rate` and scales the rest by `1 / (1 - rate)`.

    Active only when `apply` is given a `key`; without one it is the identity.

    Args:
        rate: probability that a feature is dropped, at least 0 and below 1. With `None` it is a
            parameter, so that the members of an ensemble may have different ones.
        per_sequence: whether one mask serves all steps of a sequence (variational or locked
            dropout) instead of a fresh one for every step.

    Example:
        >>> layer = Dropout(0.5, per_sequence=True)
        >>> _, ys = layer.apply((), jnp.ones((1, 2, 4)), key=jax.random.key(0))
        >>> bool((ys[:, 0] == ys[:, 1]).all())
        True

    Reference:
        Y. Gal, Z. Ghahramani, A theoretically grounded application of dropout in recurrent
        neural networks, NeurIPS 2016.
    """

    rate: float | None
    per_sequence: bool = False

    def __post_init__(self):
        if self.rate is None:
            return
        if not isinstance(self.rate, (int, float)) or not 0 <= self.rate < 1:
            raise ValueError(f"expected rate to be at least 0 and below 1, got {self.rate!r}")

    @property
    def output_size(self) -> None:
        return None

    def init(self, key, input_size=None, *, dtype: Any = jnp.float32) -> DropoutParams | tuple:
        del key, input_size
        return () if self.rate is not None else DropoutParams(jnp.zeros((), carry_dtype(dtype)))

    def run(self, params, xs, carry, signals: Signals):
        if signals.key is None or self.rate == 0:
            return (), xs
        shape = (*xs.shape[:-2], 1, xs.shape[-1]) if self.per_sequence else xs.shape
        rate = jax.lax.stop_gradient(params.rate) if self.rate is None else self.rate
        keep = jax.random.bernoulli(signals.key, 1 - rate, shape)
        return (), jnp.where(keep, xs / (1 - rate), 0).astype(xs.dtype)
