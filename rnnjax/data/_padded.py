"""Sequences of different lengths as one batch, filled up and masked."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from .._checks import check_choice, check_positive
from ..attention import Source
from ._batch import Batch
from ._batches import is_numeric

Target = Literal["step", "sequence", "labels"]
Sequences = Sequence[Any] | np.ndarray
Arrays = list[np.ndarray]


def padded(
    inputs: Sequences,
    targets: Sequences,
    *,
    target: Target = "step",
    steps: int | None = None,
    batch_size: int | None = None,
    context: Sequences | None = None,
) -> Batch:
    """One batch of sequences of different lengths, filled up with zeros.

    Sequences of different dtypes get the common one.

    Args:
        inputs: the sequences, `[n, …]` each.
        targets: the targets of each sequence.
        target: their meaning. "step": a target for every step, `[n, …]`; "sequence": one target
            `[…]`, of equal shapes; "labels": integers of another length, filled up with -1, for
            `ctc_loss`.
        steps: number of steps to fill up to; by default those of the longest sequence.
        batch_size: number of rows to fill up to, with sequences of length 0 that count in no
            loss; by default none.
        context: for each sequence another one beside it, of its own length, such as the source
            of a translation.

    Returns:
        A batch with lengths; with "sequence" and a batch size, also with a loss mask. The context
        is a `Source` with lengths of its own.

    Raises:
        ValueError: if inputs and targets do not fit together, or into `steps` and `batch_size`.

    Examples:
        >>> batch = padded([[1, 2, 3], [4]], [[1, 1, 1], [1]], batch_size=3)
        >>> batch.inputs.tolist(), batch.lengths.tolist()
        ([[1, 2, 3], [4, 0, 0], [0, 0, 0]], [3, 1, 0])
    """
    inputs, targets = checked_pairs(inputs, targets, target)
    longest = max(map(len, inputs))
    steps = longest if steps is None else check_positive("steps", steps)
    if longest > steps:
        raise ValueError(f"expected sequences of at most {steps} steps, got one of {longest}")
    if batch_size is not None and check_positive("batch_size", batch_size) < len(inputs):
        raise ValueError(
            f"expected a batch_size of at least {len(inputs)}, the number of sequences, got "
            f"{batch_size}; bucketed makes several batches"
        )
    width = max(map(len, targets)) if target == "labels" else 0
    batch = filled_up(inputs, targets, target, steps, batch_size, width)
    beside = checked_context(context, len(inputs))
    return batch if beside is None else with_context(batch, beside, max(map(len, beside)))


def checked_context(context: Any, count: int) -> Arrays | None:
    """The sequences beside `count` others as arrays.

    Raises:
        ValueError: if they are no sequences, or there are more or fewer.

    Examples:
        >>> checked_context([[1, 2]], 1)
        [array([1, 2])]
    """
    if context is None:
        return None
    beside = checked_sequences("context", context)
    if len(beside) != count:
        raise ValueError(f"expected a context for each of {count} sequences, got {len(beside)}")
    return beside


def with_context(batch: Batch, context: Arrays, steps: int) -> Batch:
    """A batch with the sequences beside its own, filled up to `steps`.

    Examples:
        >>> with_context(padded([[1], [2]], [[1], [2]]), [np.array([7, 8])], 3).context.lengths
        array([2, 0], dtype=int32)
    """
    lengths = np.zeros(len(batch.inputs), np.int32)
    lengths[: len(context)] = [len(values) for values in context]
    return batch._replace(context=Source(_filled(context, (len(lengths), steps), 0), lengths))


def filled_up(
    inputs: Arrays, targets: Arrays, target: Target, steps: int, batch_size: int | None, width: int
) -> Batch:
    """A batch of checked sequences; label sequences are filled up to `width`.

    Examples:
        >>> filled_up([np.ones(2)], [np.array([1])], "labels", 3, None, 2).targets
        array([[ 1, -1]])
    """
    rows = len(inputs) if batch_size is None else batch_size
    lengths, loss_mask = np.zeros(rows, np.int32), None
    lengths[: len(inputs)] = [len(x) for x in inputs]
    if target == "sequence":
        filled = np.zeros((rows, *targets[0].shape), targets[0].dtype)
        filled[: len(targets)] = targets
        loss_mask = None if batch_size is None else np.arange(rows) < len(inputs)
    elif target == "labels":
        filled = _filled(targets, (rows, width), -1)
    else:
        filled = _filled(targets, (rows, steps), 0)
    return Batch(_filled(inputs, (rows, steps), 0), filled, lengths, loss_mask=loss_mask)


def checked_pairs(inputs: Any, targets: Any, target: Any) -> tuple[Arrays, Arrays]:
    """Sequences and their targets as arrays, each of one dtype and one shape of a step.

    Raises:
        ValueError: if they do not fit together.

    Examples:
        >>> checked_pairs([[1, 2], [1.5]], [0, 1], "sequence")[0]
        [array([1., 2.]), array([1.5])]
    """
    check_choice("target", target, get_args(Target))
    inputs = checked_sequences("inputs", inputs)
    targets = checked_sequences("targets", targets, time=target != "sequence")
    if len(inputs) != len(targets):
        raise ValueError(
            f"expected inputs and targets of the same sequences, got {len(inputs)} and "
            f"{len(targets)}"
        )
    if target == "labels" and (targets[0].dtype.kind not in "iu" or targets[0].ndim != 1):
        raise ValueError(
            "expected sequences of integers as labels, got targets of "
            f"{targets[0].dtype}{_show(True, targets[0].shape[1:])}"
        )
    if target == "step":
        for number, (x, y) in enumerate(zip(inputs, targets, strict=True)):
            if len(x) != len(y):
                raise ValueError(
                    f"expected a target for each of the {len(x)} steps of sequence {number}, got "
                    f"{len(y)}; one for the whole sequence is target='sequence', labels of their "
                    "own number are target='labels'"
                )
    return inputs, targets


def checked_sequences(name: str, data: Any, *, time: bool = True) -> Arrays:
    """The entries of a list as arrays of one dtype and one shape of a step.

    Raises:
        ValueError: if there is no entry, or one is no array of numbers.

    Examples:
        >>> checked_sequences("inputs", [[1, 2], []])
        [array([1, 2]), array([], dtype=int64)]
    """
    sized = hasattr(data, "__len__") and hasattr(data, "__getitem__")
    if not sized or isinstance(data, str | bytes | dict) or getattr(data, "ndim", 1) == 0:
        raise ValueError(
            f"expected {name} to be a list of arrays, one a sequence, got {type(data).__name__}"
        )
    if not len(data):
        raise ValueError(f"expected {name} of at least one sequence, got none")
    arrays = [_array(f"{name}[{number}]", a, time=time) for number, a in enumerate(data)]
    # `[]` is a sequence without steps, neither of floats nor without features.
    typical = [a for a in arrays if a.size] or arrays
    try:
        dtype = np.result_type(*{a.dtype for a in typical})
    except TypeError:
        kinds = ", ".join(sorted({str(a.dtype) for a in typical}))
        raise ValueError(f"expected {name} with a common dtype, got {kinds}") from None
    shape = typical[0].shape[time:]
    for number, a in enumerate(arrays):
        if a.shape[time:] != shape and (a.size or not time):
            raise ValueError(
                f"expected all {name} to have the shape {_show(time, shape)}, got {list(a.shape)} "
                f"for sequence {number}{'' if time else _HINT}"
            )
    return [
        (a if a.size or not time else a.reshape(0, *shape)).astype(dtype, copy=False)
        for a in arrays
    ]


_HINT = "; a target for every step is target='step', labels are target='labels'"


def _show(time: bool, shape: tuple[int, ...]) -> str:
    return f"[{', '.join(['n'] * time + [str(size) for size in shape])}]"


def _array(name: str, entry: Any, *, time: bool) -> np.ndarray:
    try:
        array = np.asarray(entry)
    except ValueError:
        raise ValueError(
            f"expected {name} to be an array, got lists of different lengths"
        ) from None
    if not is_numeric(array.dtype):
        raise ValueError(f"expected {name} to be an array of numbers, got {array.dtype}")
    if time and not array.ndim:
        raise ValueError(
            f"expected {name} to have a time axis, got the number {entry!r}; a target for a whole "
            "sequence is target='sequence'"
        )
    return array


def _filled(sequences: Arrays, shape: tuple[int, int], value: int) -> np.ndarray:
    filled = np.full((*shape, *sequences[0].shape[1:]), value, sequences[0].dtype)
    for row, sequence in zip(filled, sequences, strict=False):
        row[: len(sequence)] = sequence
    return filled
