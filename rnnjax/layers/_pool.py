"""From a sequence of outputs to one: the many-to-one readouts."""

from typing import Any, Literal

import jax.numpy as jnp

from .._core import frozen
from ._layer import Layer, Signals


@frozen
class Pool(Layer[tuple]):
    """One vector for each sequence: `[*batch, T, I]` to `[*batch, I]`, over its valid steps.

    A sequence with no valid step gives zeros.

    Args:
        how: "last" for the last valid step, "mean" or "max" over the valid steps.

    Example:
        >>> xs = jnp.array([[[1.0], [2.0], [9.0]]])
        >>> Pool("mean").apply((), xs, lengths=jnp.array([2]))[1]
        Array([[1.5]], dtype=float32)
    """

    how: Literal["last", "mean", "max"] = "last"

    def __post_init__(self):
        if self.how not in ("last", "mean", "max"):
            raise ValueError(f"expected how to be 'last', 'mean' or 'max', got {self.how!r}")

    @property
    def output_size(self) -> None:
        return None

    def init(self, key, input_size=None, *, dtype: Any = jnp.float32) -> tuple:
        del key, input_size, dtype
        return ()

    def run(self, params, xs, carry, signals: Signals):
        valid = signals.valid(xs.shape[-2])
        valid = jnp.ones(xs.shape[:-1], bool) if valid is None else valid
        return (), _pool(self.how, xs, valid[..., None])


def _pool(how, xs, valid):
    count = valid.sum(-2)
    if how == "mean":
        return jnp.where(valid, xs, 0).sum(-2) / jnp.maximum(count, 1)
    if how == "max":
        return jnp.where(count > 0, jnp.where(valid, xs, -jnp.inf).max(-2, initial=-jnp.inf), 0)
    is_last = valid & (jnp.cumsum(valid, -2) == count[..., None, :])
    return jnp.where(is_last, xs, 0).sum(-2)
