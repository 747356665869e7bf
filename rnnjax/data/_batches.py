"""Data sets as functions of the position: the batch that comes after a number of steps.

The position is all that a resumed run needs to go on with the batch that was next.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import check_function, check_positive
from .._static import Static
from ._batch import Batch, as_batch

B = TypeVar("B")
C = TypeVar("C")


class Batches(Static, Generic[B]):
    """A data set: a function of the position that knows the length of its epoch.

    `batches(position)` is the batch after `position` others, without end. Iteration gives one
    epoch, the first.

    Args:
        make: the batch of an epoch and an index in it, both counted from 0.
        per_epoch: number of batches of an epoch.

    Raises:
        ValueError: if `make` is not callable, or `per_epoch` or a position is no integer, or too
            small.

    Examples:
        >>> batches = Batches(lambda epoch, index: Batch(epoch, index), 2)
        >>> batches(5)[:2], [batch[:2] for batch in batches]
        ((2, 1), [(0, 0), (0, 1)])
    """

    make: Callable[[int, int], B]
    per_epoch: int

    def __post_init__(self):
        super().__post_init__()
        check_function("make", self.make)

    def __call__(self, position: int) -> B:
        position = check_positive("position", position, least=0)
        return self.make(*divmod(position, self.per_epoch))

    def once(self) -> Iterator[B]:
        """The batches of one epoch, the first."""
        return map(self, range(self.per_epoch))

    __iter__ = once

    def map(self, function: Callable[[B], C]) -> "Batches[C]":
        """The data set with a function of every batch in its place.

        Raises:
            ValueError: if it is no function.
        """
        check_function("function", function)
        return Batches(lambda epoch, index: function(self.make(epoch, index)), self.per_epoch)


def shuffled(data: Any, batch_size: int, *, seed: int = 0) -> Batches[Batch]:
    """Batches of examples in a new order every epoch, without the rest that fills no batch.

    Every example counts in an evaluation of `data` itself, or of `padded` and `bucketed` data.

    Args:
        data: all examples, as a `Batch` or a pair `(inputs, targets)`; pytrees of arrays with
            equal leading axes.
        batch_size: number of examples of a batch.
        seed: of the order.

    Raises:
        ValueError: if the leading axes differ, something is no array of numbers, or there are
            fewer than `batch_size` examples.

    Examples:
        >>> batches = shuffled((np.arange(6), np.arange(6)), 3)
        >>> sorted([*batches(0).inputs, *batches(1).inputs]) == list(range(6))
        True
    """
    data, batch_size = as_batch(data), check_positive("batch_size", batch_size)
    seed, examples = check_positive("seed", seed, least=0), _count(data)
    if examples < batch_size:
        raise ValueError(f"expected at least {batch_size} examples for a batch, got {examples}")
    arrays = jax.tree.map(np.asarray, data)

    @lru_cache(maxsize=2)  # evaluation may be in another epoch than training
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng((seed, epoch)).permutation(examples)

    def make(epoch: int, index: int) -> Batch:
        chosen = order(epoch)[index * batch_size : (index + 1) * batch_size]
        return jax.tree.map(lambda a: a[chosen], arrays)

    return Batches(make, examples // batch_size)


def is_numeric(dtype: Any) -> bool:
    """Whether a dtype is of numbers or truth values.

    Examples:
        >>> is_numeric(np.dtype("int8")), is_numeric(np.asarray("text").dtype)
        (True, False)
    """
    return jnp.issubdtype(dtype, jnp.number) or jnp.issubdtype(dtype, jnp.bool_)


def _count(data: Batch) -> int:
    """The number of examples, of which all arrays have an entry each."""
    examples = {}
    for name, field in data._asdict().items():
        for leaf in jax.tree.leaves(field):
            shape, dtype = np.shape(leaf), getattr(leaf, "dtype", None)
            if dtype is None or not shape or not is_numeric(dtype):
                kind = type(leaf).__name__ if dtype is None else f"{dtype}{list(shape)}"
                raise ValueError(
                    f"expected {name} to be arrays of numbers with an entry for each example, got "
                    f"{kind}; lists become arrays by np.asarray, sequences of different lengths a "
                    "batch by padded or bucketed"
                )
            examples[name, shape[0]] = shape[0]
    if len(set(examples.values())) != 1:
        counts = ", ".join(f"{name} [{count}, …]" for name, count in examples)
        raise ValueError(
            f"expected arrays with an entry for each example, got {counts or 'no array'}; the "
            "first axis is that of the examples"
        )
    return next(iter(examples.values()))
