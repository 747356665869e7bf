"""Forecasts without a network, classes by a single frame, and errors."""

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import shift

from ._clips import Clips

Frames = Float[np.ndarray, "n time height width"]
_LEAST = 1e-6  # probability
_SHARES = np.concatenate([np.geomspace(1e-3, 0.9, 60), [1.0]])


def copied(given: UInt8[np.ndarray, "n time height width"], ahead: int) -> Frames:
    """The last frame, again and again."""
    return np.repeat(given[:, -1:], ahead, axis=1) / np.float32(255)


def moved_on(given: UInt8[np.ndarray, "n time height width"], ahead: int) -> Frames:
    """The last frame, moved on at the speed of the centre of brightness in the last frames.

    The speed is a mean over the last three steps. Pixels that leave are gone, and black comes in.
    """
    centres = _centres(given[:, -4:].astype(np.float32))
    speed = (centres[:, -1] - centres[:, 0]) / max(1, centres.shape[1] - 1)
    shifts = np.rint(np.arange(1, ahead + 1)[:, None] * speed[:, None]).astype(int)
    frames = np.zeros((len(given), ahead, *given.shape[2:]), np.float32)
    for clip, row in enumerate(shifts):
        for step, way in enumerate(row):
            frames[clip, step] = shift(given[clip, -1], way, order=0) / np.float32(255)
    return frames


def _centres(frames: np.ndarray) -> Float[np.ndarray, "n time 2"]:
    """The row and the column of the centre of brightness; the middle where all is black."""
    weights = frames + 1e-6
    total = weights.sum((2, 3))
    height, width = frames.shape[2:]
    rows = (weights.sum(3) @ np.arange(height)) / total
    columns = (weights.sum(2) @ np.arange(width)) / total
    return np.stack([rows, columns], -1)


def fit_shares(guess: Frames, truth: Frames, mean: np.ndarray) -> Float[np.ndarray, "time 1 1"]:
    """For each step the share of the mean frame that a guess is best mixed with, in nats.

    A pixel that a guess calls certain, and that is otherwise, would cost infinitely much.
    """
    nats = [errors(mixed(guess, mean, np.array(share, "float32")), truth)[0] for share in _SHARES]
    return _SHARES[np.argmin(nats, axis=0)].astype(np.float32)[:, None, None]


def mixed(guess: Frames, mean: np.ndarray, share: np.ndarray) -> Frames:
    """A guess, mixed with a share of the mean frame."""
    return (1 - share) * guess + share * mean


def errors(found: Frames, truth: Frames) -> tuple[np.ndarray, np.ndarray]:
    """The mean error of a frame for each step: cross-entropy in nats, and squared error.

    Both are sums over the pixels of a frame, and means over clips.
    """
    p = np.clip(found, _LEAST, 1 - _LEAST)
    nats = -(truth * np.log(p) + (1 - truth) * np.log1p(-p))
    return nats.sum((2, 3)).mean(0), np.square(found - truth).sum((2, 3)).mean(0)


def nearest_mean(train: Clips, test: Clips) -> float:
    """The accuracy of the class whose mean frame is nearest to the frame in the middle."""
    steps = train.frames.shape[1]
    seen, new = (clips.frames[:, steps // 2].astype(np.float32) for clips in (train, test))
    classes = np.unique(train.labels)
    means = np.stack([seen[train.labels == label].mean(0) for label in classes])
    distances = np.square(new[:, None] - means).sum((2, 3))
    return float(np.mean(classes[distances.argmin(1)] == test.labels))
