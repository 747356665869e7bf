"""Noise on spectrograms during training: stretches of time and bands of frequency are hidden."""

from dataclasses import KW_ONLY
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

from .._checks import check_above
from ._layer import Layer
from ._signals import Signals


class SpecAugment(Layer[tuple]):
    """Zeroes stretches of steps and bands of neighbouring features, drawn for each sequence.

    Active only when `apply` is given a `key`; without one it is the identity. Zero is the mean of
    features that `standardized` gave. The width of a stretch is uniform from 0 to its largest,
    and so is its place. Stretches of time lie within the valid steps.

    Args:
        time_width: largest number of steps of a stretch.
        frequency_width: largest number of features of a band.
        time_masks: number of stretches.
        frequency_masks: number of bands.
        time_share: largest share of the valid steps in a stretch, above 0 and at most 1.

    Examples:
        >>> layer = SpecAugment(time_width=2, frequency_width=1)
        >>> _, ys = layer.apply((), jnp.ones((1, 9, 4)), key=jax.random.key(0))
        >>> int((ys == 0).sum()) > 0
        True

    Reference:
        D. S. Park et al., SpecAugment: a simple data augmentation method for automatic speech
        recognition, Interspeech 2019, without time warping.
    """

    _: KW_ONLY
    time_width: int = 0
    frequency_width: int = 0
    time_masks: int = 2
    frequency_masks: int = 2
    time_share: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        if check_above("time_share", self.time_share) > 1:
            raise ValueError(f"expected time_share to be at most 1, got {self.time_share}")

    def init(self, key, input_size=None, *, dtype: Any = jnp.float32) -> tuple:
        return ()

    def run(self, params, xs, carry, signals: Signals):
        if signals.key is None:
            return (), xs
        if xs.ndim != 3:
            raise ValueError(f"expected sequences [B, T, features] for {self}, got {xs.shape}")
        batch, steps, features = xs.shape
        valid = signals.valid(steps)
        valid = jnp.ones((batch, steps), bool) if valid is None else valid
        counts = valid.sum(1)
        share = jnp.floor(self.time_share * counts.astype(jnp.float32)).astype(counts.dtype)
        most = jnp.minimum(self.time_width, share)
        keys = jax.random.split(signals.key)
        times = _stretches(keys[0], self.time_masks, most, counts, steps)
        # A stretch counts valid steps only, as if the others were not there.
        place = jnp.maximum(jnp.cumsum(valid, 1) - 1, 0)
        times = jnp.take_along_axis(times, place, 1)
        widest = jnp.full(batch, min(self.frequency_width, features))
        bands = _stretches(
            keys[1], self.frequency_masks, widest, jnp.full(batch, features), features
        )
        hidden = times[:, :, None] | bands[:, None, :]
        return (), jnp.where(hidden, jnp.zeros_like(xs), xs)


def _stretches(
    key: Key[Array, ""], masks: int, most: Int[Array, "b"], sizes: Int[Array, "b"], size: int
) -> Bool[Array, "b size"]:
    """The union of stretches of at most `most` places among the first `sizes`."""
    shape = (len(most), masks)
    of_width, of_start = jax.random.split(key)
    widths = jax.random.randint(of_width, shape, 0, most[:, None] + 1)
    starts = jax.random.randint(of_start, shape, 0, sizes[:, None] - widths + 1)
    place = jnp.arange(size)[None, None]
    inside = (place >= starts[..., None]) & (place < (starts + widths)[..., None])
    return inside.any(1)
