"""Long sequences as contiguous streams, and streams as windows."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._batch import Batch


def streams(sequence: Any, rows: int) -> np.ndarray:
    """Cuts one long sequence into `rows` contiguous streams of equal length; drops the rest.

    Raises:
        ValueError: if the sequence is shorter than `rows`.

    Examples:
        >>> streams([1, 2, 3, 4, 5], rows=2)
        array([[1, 2],
               [3, 4]])
    """
    sequence = np.asarray(sequence)
    if len(sequence) < rows:
        raise ValueError(f"expected at least {rows} steps for {rows} streams, got {len(sequence)}")
    steps = len(sequence) // rows
    return sequence[: steps * rows].reshape(rows, steps, *sequence.shape[1:])


def windows(
    streams: np.ndarray, steps: int, *, context: int = 0, resets: np.ndarray | None = None
) -> Iterator[Batch]:
    """Windows with `steps` targets, each the input one step later, for `TBPTTObjective`.

    The targets of one window are followed by those of the next: nothing is left out but what
    does not fill a last window. With a context, all windows have the same shape too: what
    stands before the start of a stream is its first entry, and a reset follows it.

    Args:
        streams: `[rows, n, …]`.
        steps: number of targets, which is `k1` of truncated backpropagation.
        context: number of inputs before those of the targets, which is `k2 - k1`.
        resets: true where a new document starts, `[rows, n]`.

    Raises:
        ValueError: if the streams are too short for one window.

    Examples:
        >>> for batch in windows(np.arange(7).reshape(1, 7), 3, context=1):
        ...     print(batch.inputs, batch.targets, batch.resets.astype(int))
        [[0 0 1 2]] [[1 2 3]] [[0 1 0 0]]
        [[2 3 4 5]] [[4 5 6]] [[0 0 0 0]]
    """
    length = streams.shape[1]
    if not length > steps:
        raise ValueError(
            f"expected streams of more than {steps} steps, got {length}: no window fits"
        )
    borders = np.zeros(streams.shape[:2], bool) if resets is None else resets
    for start in range(0, length - steps, steps):
        place = np.arange(start - context, start + steps)
        inside = np.maximum(place, 0)
        # The carry that reaches a stream's first step has gone through what is no part of it.
        starts = borders[:, inside] & (place >= 0) | (place == 0) & (context > 0)
        yield Batch(
            inputs=streams[:, inside],
            targets=streams[:, start + 1 : start + steps + 1],
            resets=starts if context or resets is not None else None,
        )
