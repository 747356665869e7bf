"""Batches in the order in which training or evaluation takes them."""

from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any

import jax
import numpy as np

from ..data import Batch

Source = Any  # a Batch, a pair of arrays, an iterable of them, or a function of the position


def from_position(batches: Source, position: int) -> Iterator[Any]:
    """The batches from a position on: a function or a collection without end, an iterator with.

    Examples:
        >>> list(islice(from_position(["a", "b", "c"], 2), 3))
        ['c', 'a', 'b']
    """
    if is_one(batches):
        batches = [batches]
    if callable(batches):
        return map(as_arrays, map(batches, count(position)))
    return map(as_arrays, islice(_endless(_iterable(batches)), position, None))


def once(batches: Source) -> Iterable[Any]:
    """The batches of a whole data set, each once.

    Raises:
        ValueError: if the data set has no end.

    Examples:
        >>> list(once(["a", "b"]))
        ['a', 'b']
    """
    if is_one(batches):
        batches = [batches]
    elif hasattr(batches, "once"):
        batches = batches.once()
    elif callable(batches):
        raise ValueError(
            f"expected data with an end, got the function {batches!r}; pass a list of batches, or "
            "a data set of rnnjax.data, which knows its epoch"
        )
    return map(as_arrays, _iterable(batches))


def per_epoch(batches: Source) -> int:
    """The number of batches of an epoch.

    Raises:
        ValueError: if the data does not know it.

    Examples:
        >>> per_epoch(["a", "b"])
        2
    """
    if is_one(batches):
        return 1
    number = getattr(batches, "per_epoch", None)
    if number is None and hasattr(batches, "__len__"):
        number = len(batches)
    if number is None:
        raise ValueError(
            "expected data that knows its epoch, such as shuffled(…) or a list of batches, got "
            f"{batches!r}; pass steps instead of epochs"
        )
    return number


def is_one(data: Any) -> bool:
    """Whether data is a single batch: a `Batch`, or a pair of arrays.

    Examples:
        >>> is_one((np.ones(3), np.ones(3))), is_one([np.ones(3)])
        (True, False)
    """
    pair = type(data) is tuple and len(data) == 2
    return isinstance(data, Batch) or (pair and all(hasattr(a, "ndim") for a in data))


def as_arrays(batch: Any) -> Any:
    """A batch whose tensors of another library, such as PyTorch, are NumPy arrays.

    Examples:
        >>> class Tensor:
        ...     def __array__(self, dtype=None, copy=None):
        ...         return np.ones(2)
        >>> as_arrays(Batch(Tensor(), np.zeros(2)))[:2]
        (array([1., 1.]), array([0., 0.]))
    """

    def leaf(a: Any) -> Any:
        ours = isinstance(a, np.ndarray | np.generic | jax.Array)
        return np.asarray(a) if hasattr(a, "__array__") and not ours else a

    return jax.tree.map(leaf, batch)


def _iterable(batches: Any) -> Iterable[Any]:
    if not isinstance(batches, Iterable) or isinstance(batches, str | bytes | dict | np.ndarray):
        raise ValueError(
            "expected batches: a Batch, a pair of arrays, an iterable of them, or a function of "
            f"the position, got {type(batches).__name__}"
        )
    return batches


def _endless(batches: Iterable[Any]) -> Iterator[Any]:
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty or iter(batches) is batches:
            return
