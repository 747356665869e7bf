"""From a sequence of outputs to one: the many-to-one readouts."""

from typing import Any, Literal

import jax.numpy as jnp

from .._core import Layer, Signals, frozen
from ..engine import valid_steps


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
        xs = jnp.moveaxis(xs, -2, 0)
        mask = None if signals.mask is None else jnp.moveaxis(signals.mask, -1, 0)
        mask = valid_steps(xs.shape[0], signals.lengths, mask)
        mask = jnp.ones(xs.shape[:-1], bool) if mask is None else mask
        return (), _pool(self.how, xs, mask[..., None])


def _pool(how, xs, mask):
    count = mask.sum(0)
    if how == "mean":
        return jnp.where(mask, xs, 0).sum(0) / jnp.maximum(count, 1)
    if how == "max":
        return jnp.where(count > 0, jnp.where(mask, xs, -jnp.inf).max(0, initial=-jnp.inf), 0)
    later = jnp.flip(jnp.cumsum(jnp.flip(mask, 0), 0), 0)
    return jnp.where(mask & (later == 1), xs, 0).sum(0)
