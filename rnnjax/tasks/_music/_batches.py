"""Batches of frames: every frame but the first of a piece is predicted from those before."""

from collections.abc import Sequence

import numpy as np

from ...data import Batch, Batches, bucketed
from ._baselines import Roll

_LONGEST = 256  # frames of a training sequence
_FRAMES = 4096  # of a batch in evaluation


def training_batches(
    rolls: Sequence[Roll], batch_size: int, *, semitones: int, autoregressive: bool, seed: int
) -> Batches:
    """Pieces, long ones in parts, each moved up or down by a random interval in every epoch."""
    parts = [part for roll in rolls for part in _parts(roll)]
    before, after = [roll[:-1] for roll in parts], [roll[1:] for roll in parts]
    feed = bucketed(before, after, batch_size, buckets=4, seed=seed)

    def make(epoch: int, index: int) -> Batch:
        random = np.random.default_rng((seed, epoch, index))
        return _with_frames(transposed(feed.make(epoch, index), semitones, random), autoregressive)

    return Batches(make, feed.per_epoch)


def whole_pieces(rolls: Sequence[Roll], *, autoregressive: bool) -> Batches:
    """Pieces as they are, each in one batch."""
    feed = bucketed([r[:-1] for r in rolls], [r[1:] for r in rolls], frames=_FRAMES, buckets=4)
    return feed.map(lambda batch: _with_frames(batch, autoregressive))


def transposed(batch: Batch, semitones: int, random: np.random.Generator) -> Batch:
    """Each piece moved by a random interval, up to so many semitones, within the keyboard."""
    inputs, targets = np.array(batch.inputs), np.array(batch.targets)
    for row, (x, y) in enumerate(zip(inputs, targets, strict=True)):
        sounding = np.flatnonzero(x.any(0) | y.any(0))
        if len(sounding):
            least = max(-semitones, -sounding[0])
            most = min(semitones, x.shape[-1] - 1 - sounding[-1])
            moved = int(random.integers(least, most + 1))
            inputs[row], targets[row] = np.roll(x, moved, 1), np.roll(y, moved, 1)
    return batch._replace(inputs=inputs, targets=targets)


def _with_frames(batch: Batch, autoregressive: bool) -> Batch:
    """A batch whose targets are also a context, for a model that reads them key by key."""
    return batch._replace(context=batch.targets) if autoregressive else batch


def _parts(roll: Roll) -> list[Roll]:
    """A piece in equal parts, each of which starts with the last frame of the one before."""
    steps = len(roll) - 1
    count = -(-steps // _LONGEST)
    cuts = np.linspace(0, steps, count + 1).round().astype(int)
    return [roll[a : b + 1] for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
