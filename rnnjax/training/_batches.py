"""Data sets as functions of the position: which batch comes after so many steps.

A run that resumes needs nothing else to go on with the very batch that was next.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from ._batch import Batch


def shuffled(data: Any, rows: int, *, seed: int = 0) -> Callable[[int], Any]:
    """Batches of `rows` examples, in a new order every epoch; drops what fills no batch.

    Args:
        data: a `Batch` with all examples, or any pytree of arrays with equal leading axes.
        rows: number of examples of a batch.
        seed: of the order.

    Returns:
        A function of the position, the number of batches before.

    Raises:
        ValueError: if there are fewer than `rows` examples.

    Examples:
        >>> batches = shuffled(Batch(np.arange(6), np.arange(6)), rows=3)
        >>> sorted([*batches(0).inputs, *batches(1).inputs]) == list(range(6))
        True
    """
    examples = len(jax.tree.leaves(data)[0])
    count = examples // rows
    if not count:
        raise ValueError(f"expected at least {rows} examples for a batch, got {examples}")

    @lru_cache(maxsize=1)
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng((seed, epoch)).permutation(examples)

    def batch(position: int) -> Any:
        epoch, index = divmod(position, count)
        chosen = order(epoch)[index * rows : (index + 1) * rows]
        return jax.tree.map(lambda a: np.asarray(a)[chosen], data)

    return batch


def padded(
    inputs: Sequence[Any], targets: Sequence[Any], *, steps: int | None = None, rows: int = 0
) -> Batch:
    """One batch of sequences of different lengths, filled up with zeros.

    Args:
        inputs: the sequences, `[n, …]` each.
        targets: for each sequence a target for every step, `[n, …]`, or one of any shape.
        steps: number of steps to fill up to; by default those of the longest sequence.
        rows: number of rows to fill up to, with sequences of length 0; by default none.

    Returns:
        A batch with lengths, and a mask that is true where a target is.

    Raises:
        ValueError: if a sequence has more than `steps` steps.

    Examples:
        >>> batch = padded([[1, 2, 3], [4]], [[1, 1, 1], [1]], rows=3)
        >>> batch.inputs.tolist(), batch.lengths.tolist(), int(batch.mask.sum())
        ([[1, 2, 3], [4, 0, 0], [0, 0, 0]], [3, 1, 0], 4)
    """
    inputs, targets = [np.asarray(x) for x in inputs], [np.asarray(y) for y in targets]
    lengths = np.array([len(x) for x in inputs] + [0] * (rows - len(inputs)), np.int32)
    steps = int(lengths.max()) if steps is None else steps
    if lengths.max() > steps:
        raise ValueError(f"expected sequences of at most {steps} steps, got one of {lengths.max()}")
    if all(y.shape[:1] == x.shape[:1] for x, y in zip(inputs, targets, strict=True)):
        mask = np.arange(steps) < lengths[:, None]
        return Batch(_filled(inputs, mask.shape), _filled(targets, mask.shape), mask, lengths)
    mask = np.arange(len(lengths)) < len(inputs)
    return Batch(_filled(inputs, (len(mask), steps)), _rows(targets, mask), mask, lengths)


def bucketed(
    inputs: Sequence[Any],
    targets: Sequence[Any],
    edges: Sequence[int],
    rows: int,
    *,
    seed: int = 0,
) -> Callable[[int], Batch]:
    """Batches of sequences of similar lengths, so that few steps are padding.

    Every batch has `rows` rows and as many steps as an edge, so there are as many compiled
    programs as edges. What does not fill a batch is filled up with sequences of length 0.

    Args:
        inputs: the sequences, as for `padded`.
        targets: as for `padded`.
        edges: the lengths to fill up to, ascending, the last at least that of the longest.
        rows: number of rows of a batch.
        seed: of the order, which is new every epoch.

    Returns:
        A function of the position, the number of batches before.

    Raises:
        ValueError: if a sequence is longer than the last edge.

    Examples:
        >>> sequences = [np.ones(n) for n in (2, 3, 9, 4)]
        >>> batches = bucketed(sequences, sequences, edges=(4, 10), rows=2)
        >>> sorted(batches(position).inputs.shape for position in range(3))
        [(2, 4), (2, 4), (2, 10)]
    """
    longest = max(map(len, inputs))
    if longest > edges[-1]:
        raise ValueError(f"expected an edge of at least {longest} steps, got {edges[-1]}")
    bucket = np.searchsorted(edges, [len(x) for x in inputs])

    @lru_cache(maxsize=1)
    def plan(epoch: int) -> list[tuple[int, np.ndarray]]:
        random = np.random.default_rng((seed, epoch))
        batches = []
        for index, edge in enumerate(edges):
            members = random.permutation(np.flatnonzero(bucket == index))
            batches += [(edge, members[i : i + rows]) for i in range(0, len(members), rows)]
        return [batches[i] for i in random.permutation(len(batches))]

    def batch(position: int) -> Batch:
        epoch, index = divmod(position, len(plan(0)))
        edge, members = plan(epoch)[index]
        chosen = ([sequences[i] for i in members] for sequences in (inputs, targets))
        return padded(*chosen, steps=edge, rows=rows)

    return batch


def _filled(sequences: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    whole = np.zeros((*shape, *sequences[0].shape[1:]), sequences[0].dtype)
    for row, sequence in zip(whole, sequences, strict=False):
        row[: len(sequence)] = sequence
    return whole


def _rows(targets: list[np.ndarray], mask: np.ndarray) -> np.ndarray:
    whole = np.zeros((len(mask), *targets[0].shape), targets[0].dtype)
    whole[: len(targets)] = targets
    return whole
