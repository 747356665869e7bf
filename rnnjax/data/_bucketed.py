"""Batches of sequences of similar lengths."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .._checks import brief, check_positive
from ._batch import Batch
from ._batches import Batches
from ._padded import (
    Arrays,
    Sequences,
    Target,
    checked_context,
    checked_pairs,
    filled_up,
    with_context,
)


def bucketed(
    inputs: Sequences,
    targets: Sequences,
    batch_size: int | None = None,
    *,
    target: Target = "step",
    edges: Sequence[int] | None = None,
    buckets: int = 6,
    frames: int | None = None,
    context: Sequences | None = None,
    seed: int = 0,
) -> Batches:
    """Batches of sequences of similar lengths, so that few steps are padding.

    The steps of a batch are filled up to one of a few lengths, the edges, so a training step is
    compiled once for each. Every sequence is in one batch of an epoch, in a new order every
    epoch. Sequences of length 0, which count in no loss, fill up the last batch of each edge.

    Args:
        inputs: the sequences, as for `padded`.
        targets: their targets, as for `padded`.
        batch_size: number of rows of a batch.
        target: the meaning of a target, as for `padded`.
        edges: the lengths to fill up to, ascending; by default chosen by `buckets`.
        buckets: number of edges, at quantiles of the lengths.
        frames: number of steps that a batch may have at most, padding included, instead of
            `batch_size`; a longer sequence is alone in its batch.
        context: for each sequence another one beside it, as for `padded`.
        seed: of the order.

    Raises:
        ValueError: if inputs and targets do not fit together, edges do not ascend, or a sequence
            is longer than the last edge.

    Examples:
        >>> sequences = [np.ones(n) for n in (2, 3, 9, 4)]
        >>> batches = bucketed(sequences, sequences, 2, edges=(4, 10))
        >>> sorted(batch.inputs.shape for batch in batches)
        [(2, 4), (2, 4), (2, 10)]
    """
    inputs, targets = checked_pairs(inputs, targets, target)
    beside = checked_context(context, len(inputs))
    lengths = np.array([len(x) for x in inputs])
    lasts = _quantiles(lengths, buckets) if edges is None else _checked_edges(edges, lengths.max())
    rows = _rows(lasts, batch_size, frames)
    seed = check_positive("seed", seed, least=0)
    places = np.searchsorted(lasts, lengths)
    groups = [np.flatnonzero(places == index) for index in range(len(lasts))]
    # Labels and contexts are filled up to one length a bucket, too.
    widths = _longest(targets, groups) if target == "labels" else [0] * len(groups)
    spans = None if beside is None else _longest(beside, groups)

    @lru_cache(maxsize=2)  # evaluation may be in another epoch than training
    def plan(epoch: int) -> list[tuple[int, np.ndarray]]:
        return _plan(np.random.default_rng((seed, epoch)), groups, rows)

    def make(epoch: int, index: int) -> Batch:
        bucket, chosen = plan(epoch)[index]
        xs, ys = ([sequences[i] for i in chosen] for sequences in (inputs, targets))
        batch = filled_up(xs, ys, target, lasts[bucket], rows[bucket], widths[bucket])
        if beside is None or spans is None:
            return batch
        return with_context(batch, [beside[i] for i in chosen], spans[bucket])

    return Batches(make, sum(-(-len(group) // n) for group, n in zip(groups, rows, strict=True)))


def _plan(
    random: np.random.Generator, groups: list[np.ndarray], rows: list[int]
) -> list[tuple[int, np.ndarray]]:
    """The batches of an epoch: the bucket of each, and the numbers of its sequences."""
    batches = []
    for bucket, (group, n) in enumerate(zip(groups, rows, strict=True)):
        order = random.permutation(group)
        batches += [(bucket, order[i : i + n]) for i in range(0, len(order), n)]
    return [batches[i] for i in random.permutation(len(batches))]


def _longest(sequences: Arrays, groups: list[np.ndarray]) -> list[int]:
    return [max((len(sequences[i]) for i in group), default=0) for group in groups]


def _quantiles(lengths: np.ndarray, buckets: int) -> list[int]:
    shares = np.linspace(0, 1, check_positive("buckets", buckets) + 1)[1:]
    return np.unique(np.maximum(np.quantile(lengths, shares, method="inverted_cdf"), 1)).tolist()


def _checked_edges(edges: Any, longest: int) -> list[int]:
    listed: Any = np.iterable(edges) and not isinstance(edges, str | bytes)
    lasts = [check_positive("every edge", edge) for edge in edges] if listed else []
    if not lasts:
        raise ValueError(f"expected edges to be a list of lengths, got {brief(edges)}")
    if sorted(set(lasts)) != lasts:
        raise ValueError(f"expected edges that ascend, got {lasts}")
    if longest > lasts[-1]:
        raise ValueError(f"expected an edge of at least {longest} steps, got {lasts[-1]}")
    return lasts


def _rows(lasts: list[int], batch_size: Any, frames: Any) -> list[int]:
    """The number of rows of a batch of each bucket."""
    if (batch_size is None) == (frames is None):
        raise ValueError(
            f"expected either batch_size or frames, got batch_size={batch_size!r} and "
            f"frames={frames!r}"
        )
    if frames is None:
        return [check_positive("batch_size", batch_size)] * len(lasts)
    return [max(1, check_positive("frames", frames) // last) for last in lasts]
