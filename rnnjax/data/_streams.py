"""Long sequences as contiguous streams, and streams as windows."""

from typing import Any

import numpy as np

from .._checks import check_positive
from ._batch import Batch
from ._batches import Batches, is_numeric
from ._padded import Sequences, checked_sequences


def joined(sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
    """Sequences end to end, and the resets, true where each starts.

    Args:
        sequences: the sequences, `[n, …]` each.

    Raises:
        ValueError: if they are no list of arrays of numbers, or their shapes do not fit together.

    Examples:
        >>> tokens, resets = joined([[1, 2, 3], [4, 5]])
        >>> tokens.tolist(), resets.astype(int).tolist()
        ([1, 2, 3, 4, 5], [1, 0, 0, 1, 0])
    """
    arrays = checked_sequences("sequences", sequences)
    return np.concatenate(arrays), np.concatenate([np.arange(len(a)) == 0 for a in arrays])


def streams(sequence: Any, batch_size: int) -> np.ndarray:
    """One long sequence as `batch_size` contiguous streams of equal length, without the rest.

    Raises:
        ValueError: if the sequence is no array of numbers, or shorter than `batch_size`.

    Examples:
        >>> streams([1, 2, 3, 4, 5], 2)
        array([[1, 2],
               [3, 4]])
    """
    sequence = _array("sequence", sequence, "[n, …]", 1)
    batch_size = check_positive("batch_size", batch_size)
    if len(sequence) < batch_size:
        raise ValueError(
            f"expected at least {batch_size} steps for {batch_size} streams, got {len(sequence)}"
        )
    steps = len(sequence) // batch_size
    return sequence[: steps * batch_size].reshape(batch_size, steps, *sequence.shape[1:])


def windows(streams: Any, steps: int, *, context: int = 0, resets: Any = None) -> Batches:
    """Windows with `steps` targets, each the input one step later, for `TBPTTObjective`.

    The targets of one window are followed by those of the next. The steps that do not fill a
    last window are left out. At the start of the streams there is a reset, so that every epoch
    starts afresh. The entries of a context before it repeat the first one.

    Args:
        streams: `[B, n, …]`.
        steps: number of targets, which is `k1` of truncated backpropagation.
        context: number of inputs before those of the targets, which is `k2 - k1`.
        resets: true where a new document starts, `[B, n]`. The first step of a document is no
            target: nothing before it belongs to the document.

    Raises:
        ValueError: if the streams are too short for one window, or shapes do not fit.

    Examples:
        >>> for batch in windows(np.arange(7).reshape(1, 7), 3, context=1):
        ...     print(batch.inputs, batch.targets, batch.resets.astype(int))
        [[0 0 1 2]] [[1 2 3]] [[0 1 0 0]]
        [[2 3 4 5]] [[4 5 6]] [[0 0 0 0]]
    """
    rows = _array("streams", streams, "[B, n, …]", 2)
    steps = check_positive("steps", steps)
    context = check_positive("context", context, least=0)
    borders = None if resets is None else _array("resets", resets, "[B, n]", 2)
    if borders is not None and (borders.dtype != bool or borders.shape != rows.shape[:2]):
        raise ValueError(
            f"expected resets to be bool of shape {list(rows.shape[:2])}, those of the streams, "
            f"got {borders.dtype}{list(borders.shape)}"
        )
    length = rows.shape[1]
    if not length > steps:
        raise ValueError(
            f"expected streams of more than {steps} steps, got {length}: no window fits"
        )

    def make(epoch: int, index: int) -> Batch:
        start = index * steps
        place = np.arange(start - context, start + steps)
        inside, after = np.maximum(place, 0), slice(start + 1, start + steps + 1)
        starts = np.broadcast_to(place == 0, (len(rows), len(place)))
        if borders is not None:
            starts = starts | borders[:, inside] & (place >= 0)
        loss_mask = None if borders is None else ~borders[:, after]
        return Batch(rows[:, inside], rows[:, after], resets=starts, loss_mask=loss_mask)

    return Batches(make, (length - 1) // steps)


def _array(name: str, data: Any, shape: str, least: int) -> np.ndarray:
    try:
        array = np.asarray(data)
    except ValueError:
        raise ValueError(
            f"expected {name} to be an array {shape}, got lists of different lengths; joined puts "
            "them end to end"
        ) from None
    if not is_numeric(array.dtype) or array.ndim < least:
        raise ValueError(
            f"expected {name} to be an array of numbers {shape}, got "
            f"{array.dtype}{list(array.shape)}; Vocabulary turns text into numbers"
        )
    return array
