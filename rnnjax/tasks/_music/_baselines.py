"""The loss of a frame by trivial models: a uniform one, frequencies, a Markov chain of each key."""

from collections.abc import Sequence
from math import log
from typing import Any

import numpy as np
from jaxtyping import Float

from ..._checks import brief

Roll = Float[np.ndarray, "time keys"]


def frame_baselines(train: Sequence[Roll], held_out: Sequence[Roll]) -> dict[str, float]:
    """The loss of a held-out frame by trivial models, in nats.

    "uniform" gives each key a half; "frequency" its share of the training frames; "Markov chain"
    its share, given whether it sounded in the frame before. Counts start at a half.

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
