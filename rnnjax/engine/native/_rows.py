"""The values in the body of a loop, for one row of the batch.

A body is row-wise where no row affects another. Each of its arrays is then either a constant of
the loop, such as a weight, or has a row for each sequence, whose features lie side by side.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jax import Array

# Of operands: "constant", "carry", "row" of a step, or "next", the row of the step that follows.
Group = str


class Obstacle(Exception):
    """The reason why a body cannot be compiled."""


@dataclass(eq=False)
class Node:
    """A value of a row: `size` features; with size 1, a number for the whole row."""

    size: int
    boolean: bool


@dataclass(eq=False)
class Input(Node):
    """A part of an operand: of a constant, the carry, this step's row or the next step's."""

    group: Group
    index: int  # in its group
    shared: bool = False  # the same for all rows


@dataclass(eq=False)
class Elementwise(Node):
    """A function of each feature, of nodes and numbers."""

    function: str
    args: tuple["Node | float", ...]


@dataclass(eq=False)
class Slice(Node):
    """Neighbouring features of a node."""

    of: Node
    start: int


@dataclass(eq=False)
class Concat(Node):
    """The features of several nodes, one after the other."""

    parts: tuple[Node, ...]


@dataclass(eq=False)
class Reduce(Node):
    """The "sum", "max" or "min" over all features of a node."""

    function: str
    of: Node


@dataclass(eq=False)
class Product(Node):
    """The features of a node, as a row vector, times a matrix."""

    of: Node
    matrix: Input
    transposed: bool  # whether the matrix is `[size, inner]` instead of `[inner, size]`


@dataclass(frozen=True)
class Body:
    """A row-wise body.

    Attributes:
        dtype: the dtype of every real value.
        constants: makes the arrays that the loop reads in every step, of the loop's constants:
            matrices as they are, all others `[features]`, or `[rows, features]` if not shared.
        carry: the nodes of the new carry.
        rows: the nodes of the other results.
        sizes: the number of features of each operand of a group that is read, in order.
        reads: whether each operand of the loop after the constants is read: the carry, rows, next
            rows and their ends.
    """

    dtype: np.dtype
    constants: Callable[[list[Array]], list[Array]]
    carry: list[Node]
    rows: list[Node]
    sizes: dict[Group, list[int]]
    reads: list[bool]


def arguments(node: Node) -> tuple[Node, ...]:
    """The nodes from which a node is computed."""
    match node:
        case Elementwise(args=args) | Concat(parts=args):
            return tuple(arg for arg in args if isinstance(arg, Node))
        case Slice(of=of) | Reduce(of=of) | Product(of=of):
            return (of,)
    return ()


def in_order(outputs: list[Node]) -> list[Node]:
    """All nodes on which outputs depend, each after its arguments."""
    found: dict[Node, None] = {}
    waiting = [(node, False) for node in reversed(outputs)]
    while waiting:
        node, ready = waiting.pop()
        if node in found:
            continue
        if ready:
            found[node] = None
            continue
        waiting.append((node, True))
        waiting += [(arg, False) for arg in reversed(arguments(node))]
    return list(found)
