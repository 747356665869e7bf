"""The order in which a body's nodes are computed, and where their values are kept.

A body is divided twice. Products of the inputs alone, and all that they need, are done *ahead*, for
a chunk of steps at a time; the rest is done step by step. Either part alternates between *phases*:
elementwise work in the even ones, products in the odd ones. The elementwise work of a phase is a
list of *turns*, loops over the features of a row. A value that is read in another turn, phase or
step, or at another place than its own, is written to memory.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from ._rows import (
    Body,
    Concat,
    Elementwise,
    Input,
    Node,
    Product,
    Reduce,
    Slice,
    arguments,
    in_order,
)

Position = tuple[int, int]  # a phase, and a turn in it


@dataclass
class Part:
    """One of the two parts: its nodes in order, and where each is computed."""

    nodes: list[Node] = field(default_factory=list)
    at: dict[Node, Position] = field(default_factory=dict)

    def phases(self) -> list[int]:
        """The phases in which there is something to do."""
        return sorted({phase for phase, _ in self.at.values()})

    def products(self, phase: int) -> list[Product]:
        """The products of a phase."""
        return [n for n in self.nodes if isinstance(n, Product) and self.at[n][0] == phase]

    def turns(self, phase: int) -> list[list[Node]]:
        """The elementwise work and reductions of a phase."""
        turns = defaultdict(list)
        for node in self.nodes:
            if isinstance(node, Elementwise | Reduce) and self.at[node][0] == phase:
                turns[self.at[node][1]].append(node)
        return [turns[turn] for turn in sorted(turns)]


@dataclass
class Places:
    """Where everything is computed and kept.

    Attributes:
        ahead: the part that is computed for a chunk of steps.
        step: the part that is computed step by step.
        stored: the nodes that have memory of their own.
        homes: the concatenations that are written where a result is, and its number.
        joined: for a node, the concatenations that it is a part of, and where in them.
        results: for a node, the numbers of the results that it is, carry first.
    """

    ahead: Part
    step: Part
    stored: list[Node]
    homes: dict[Node, int]
    joined: dict[Node, list[tuple[Concat, int]]]
    results: dict[Node, list[int]]


def place(body: Body) -> Places:
    """Divides a body into parts, phases and turns."""
    outputs: list[Node] = [*body.carry, *body.rows]
    joined = _join(outputs)
    early = _ahead(in_order(outputs))
    homes: dict[Node, int] = {}
    for number in range(len(body.carry), len(outputs)):
        node = outputs[number]
        of = node.args[0] if isinstance(node, Elementwise) else None
        if isinstance(of, Concat) and of not in homes and of not in early:
            homes[of] = number
            outputs[number] = of
    nodes = in_order(outputs)
    ahead, step = Part(), Part()
    for node in nodes:
        part = ahead if node in early else step
        if not isinstance(node, Input | Slice):
            part.nodes.append(node)
            part.at[node] = _first(node, part)
    results: dict[Node, list[int]] = defaultdict(list)
    for number, node in enumerate(outputs):
        if homes.get(node) != number:
            results[node].append(number)
    for part in (ahead, step):
        _delay(part)
    stored = [node for node in _stored(nodes, ahead, step) if node not in homes]
    return Places(ahead, step, stored, homes, joined, results)


def base(node: Node) -> tuple[Node, int]:
    """The node that a slice is cut from, and where it starts."""
    return (node.of, node.start) if isinstance(node, Slice) else (node, 0)


def _join(outputs: list[Node]) -> dict[Node, list[tuple[Concat, int]]]:
    """Makes each part of a concatenation a node that writes itself there."""
    joined: dict[Node, list[tuple[Concat, int]]] = defaultdict(list)
    for node in in_order(outputs):
        if isinstance(node, Concat):
            node.parts = tuple(
                part
                if isinstance(part, Elementwise) and part not in joined
                else Elementwise(part.size, part.boolean, "copy", (part,))
                for part in node.parts
            )
            start = 0
            for part in node.parts:
                joined[part].append((node, start))
                start += part.size
    return joined


def _ahead(nodes: list[Node]) -> set[Node]:
    """The products of rows and constants, and all that they need."""
    late: set[Node] = set()
    for node in nodes:
        carried = isinstance(node, Input) and node.group in ("carry", "next")
        if carried or any(arg in late for arg in arguments(node)):
            late.add(node)
    return set(in_order([n for n in nodes if isinstance(n, Product) and n not in late]))


def _apart(arg: Node, user: Node) -> bool:
    """Whether an argument must be complete before its user begins."""
    source, _ = base(arg)
    if isinstance(source, Reduce | Concat) or isinstance(user, Product):
        return True
    size = user.of.size if isinstance(user, Reduce) else user.size
    return source.size != 1 and (source is not arg or source.size != size)


def _first(node: Node, part: Part) -> Position:
    """The first phase and turn in which a node can be computed."""
    first: Position = (1, 0) if isinstance(node, Product) else (0, 0)
    for arg in arguments(node):
        source, _ = base(arg)
        if source not in part.at:
            continue
        phase, turn = part.at[source]
        if isinstance(node, Product):
            found = (phase + 2 if phase % 2 else phase + 1, 0)
        elif isinstance(source, Product):
            found = (phase + 1, 0)
        else:
            found = (phase, turn + (_apart(arg, node) and not isinstance(node, Concat)))
        first = max(first, found)
    return first


def _delay(part: Part) -> None:
    """Moves each elementwise node into the turn that needs it first, if only there it is read."""
    users: dict[Node, list[Node]] = defaultdict(list)
    fixed: set[Node] = set()
    for node in part.nodes:
        for arg in arguments(node):
            source, _ = base(arg)
            users[source].append(node)
            if isinstance(node, Concat) or _apart(arg, node):
                fixed.add(source)
    for node in reversed(part.nodes):
        if isinstance(node, Elementwise) and users[node] and node not in fixed:
            part.at[node] = max(part.at[node], min(part.at[user] for user in users[node]))


def _stored(nodes: list[Node], ahead: Part, step: Part) -> list[Node]:
    """The nodes that are read where they are not at hand."""
    read: set[Node] = {node for node in nodes if isinstance(node, Product | Concat)}
    for part in (ahead, step):
        for node in part.nodes:
            for arg in arguments(node):
                source, _ = base(arg)
                if not isinstance(source, Input) and not _at_hand(arg, node, part):
                    read.add(source)
    return [node for node in nodes if node in read]


def _at_hand(arg: Node, user: Node, part: Part) -> bool:
    """Whether a user finds a value in a variable."""
    source, _ = base(arg)
    if isinstance(user, Concat):  # its parts write themselves into it
        return True
    if isinstance(user, Product) or isinstance(source, Product | Concat) or source not in part.at:
        return False
    if source.size == 1:
        return part.at[source][0] == part.at[user][0]
    return part.at[source] == part.at[user] and not _apart(arg, user)


# Results that may be written over an operand.


def may_overwrite(body: Body, places: Places, row: int, result: int) -> bool:
    """Whether the rows of a result may lie where those of an operand are.

    All reads of a row must come before the first write. In one turn a vector of features is read
    before it is written, so reads and writes of the same features, or of others, do not collide. A
    number for the whole row is read at any time.
    """
    number = len(body.carry) + result
    writes = list(_writes(places, places.step, number))
    reads = list(_reads(places.step, row))
    if body.sizes["row"][row] != body.rows[result].size:
        return False
    if not writes or any(_writes(places, places.ahead, number)):
        return False  # the rows of a chunk are written before its steps read theirs
    for at, start, size in reads:
        for when, begin, length in writes:
            apart = start + size <= begin or begin + length <= start
            same = (start, size) == (begin, length) and size > 1
            if at > when or (at == when and not (same or apart)):
                return False
    return True


def _writes(places: Places, part: Part, number: int) -> Iterator[tuple[Position, int, int]]:
    """Where and when a result is written: position, first feature, and number of features."""
    for node in part.nodes:
        if number in places.results.get(node, ()):
            yield part.at[node], 0, node.size
        for concat, start in places.joined.get(node, ()):
            if places.homes.get(concat) == number:
                yield part.at[node], start, node.size


def _reads(part: Part, row: int) -> Iterator[tuple[Position, int, int]]:
    for node in part.nodes:
        for arg in arguments(node):
            source, start = base(arg)
            if isinstance(source, Input) and source.group == "row" and source.index == row:
                yield part.at[node], start, arg.size
