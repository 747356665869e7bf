"""From a sequence of outputs to one: the many-to-one readouts."""

from typing import Any, Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Shaped

from ._layer import Layer
from ._signals import Signals


class Pool(Layer[tuple]):
    """One vector for each sequence: `[B, T, I]` to `[B, I]`, over its valid steps.

    A sequence without a valid step gives zeros. Behind a layer that runs backwards, `"last"`
    would be the direction's first output; give that layer `return_sequences=False` instead.

    Args:
        how: "last" for the last valid step, "mean" or "max" over the valid steps.

    Examples:
        >>> xs = jnp.array([[[1.0], [2.0], [9.0]]])
        >>> Pool("mean").apply((), xs, lengths=jnp.array([2]))[1]
        Array([[1.5]], dtype=float32)
    """

    how: Literal["last", "mean", "max"]

    keeps_time = False

    def init(self, key, input_size=None, *, dtype: Any = jnp.float32) -> tuple:
        return ()

    def run(self, params, xs, carry, signals: Signals):
        if self.how == "last":
            return (), end(xs, signals)
        valid = valid_entries(xs, signals)
        count = valid.sum(1)
        if self.how == "mean":
            total = jnp.where(valid, xs, 0).sum(1)
            return (), total / jnp.maximum(count, 1).astype(total.dtype)
        most = jnp.where(valid, xs, -jnp.inf).max(1, initial=-jnp.inf)
        return (), jnp.where(count > 0, most, 0)


def end(
    xs: Shaped[Array, "b t *features"], signals: Signals, first: bool = False
) -> Shaped[Array, "b *features"]:
    """The entry at the last (or first) valid step of each sequence, or zeros.

    A masked sum, unlike a gather, leaves sequences on the devices on which they are.
    """
    valid = valid_entries(xs, signals)
    rank = jnp.cumsum(valid, 1)
    at = valid & (rank == (jnp.ones_like(rank[:, :1]) if first else rank[:, -1:]))
    return jnp.where(at, xs, jnp.zeros_like(xs)).sum(1, dtype=xs.dtype)


def valid_entries(xs: Any, signals: Signals) -> Bool[Array, "b t *ones"]:
    """The mask of valid steps, with as many axes as `xs`."""
    valid = signals.valid(xs.shape[1])
    valid = jnp.ones(xs.shape[:2], bool) if valid is None else valid
    return jnp.expand_dims(valid, range(2, xs.ndim))
