"""The values of a jaxpr's variables, where the jaxpr is the body of a loop."""

from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np

from ._rows import Input, Node


class Row(NamedTuple):
    """An array that has rows: its node, and the sizes of its axes that are rows."""

    node: Node
    lead: tuple[int, ...]


class Constant(NamedTuple):
    """An array that is the same in every step.

    Attributes:
        key: which one it is.
        shape: its shape.
        dtype: its dtype.
        varies: whether it varies along each axis.
        fill: the number that all entries are, if it is known.
    """

    key: int
    shape: tuple[int, ...]
    dtype: np.dtype
    varies: tuple[bool, ...]
    fill: float | None = None


class Reader(Protocol):
    """What a rule needs to know of the body around an equation."""

    rows: int

    def look(self, var: Any) -> Any:
        """The value of a variable."""
        ...

    def argument(self, var: Any, lead: tuple[int, ...], features: tuple = ()) -> Any:
        """A number or node, given the axes that are rows, and the features of the result."""
        ...

    def boolean(self, dtype: Any) -> bool:
        """Whether it is the dtype of truth values."""
        ...

    def matrix(self, constant: Constant) -> tuple[Input, bool]:
        """The node of a factor of products, and whether it is flipped."""
        ...


def size_of(var: Any, lead: tuple[int, ...]) -> int:
    """The number of features of a variable whose first axes are rows."""
    return prod(var.aval.shape[len(lead) :])
