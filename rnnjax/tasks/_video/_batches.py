"""Clips in batches, in the form that a network takes."""

from typing import Any

import numpy as np

from ...data import Batch, Batches
from ._clips import Clips, Video

_EPOCH = 100  # batches; the clips of another epoch are others


def drawn(network: Any, video: Video, size: int, seed: int) -> Batches:
    """Batches of clips to learn from, drawn by chance at every step."""

    def make(epoch: int, index: int) -> Batch:
        rng = np.random.default_rng((seed, epoch, index))
        return network.batch(video.draw(rng, size))

    return Batches(make, _EPOCH)


def in_batches(network: Any, clips: Clips, size: int) -> list[Batch]:
    """All clips, each once."""
    return [network.batch(clips[k : k + size]) for k in range(0, len(clips.frames), size)]
