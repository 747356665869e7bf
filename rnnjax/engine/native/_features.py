"""The C++ of elementwise work: loops over the features of a row, a vector at a time."""

from collections.abc import Callable
from typing import Protocol

from ._place import Places, base
from ._rows import Elementwise, Input, Node, Reduce

_OPERATORS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "and": "&",
    "or": "|",
    "xor": "^",
}
_FORMS: dict[str, Callable[..., str]] = {
    "copy": lambda x: x,
    "neg": lambda x: f"-{x}",
    "not": lambda x: f"~{x}",
    "square": lambda x: f"{x} * {x}",
    "one_minus_square": lambda x: f"all<T>(1) - {x} * {x}",
    "select": lambda which, no, yes: f"select<T>({which}, {yes}, {no})",
    "clamp": lambda low, x, high: f"min<T>(max<T>({low}, {x}), {high})",
    **{name: lambda a, b, sign=sign: f"{a} {sign} {b}" for name, sign in _OPERATORS.items()},
}


class Memory(Protocol):
    """Where the rows of values are."""

    def rows(self, node: Node) -> str:
        """A pointer to the rows of a value at step `t`."""
        ...

    def result(self, number: int) -> str:
        """A pointer to the rows of a result at step `t`."""
        ...


class Features:
    """The loops of one phase, in `lines`; `pointers` are to stand before them."""

    def __init__(self, places: Places, memory: Memory, turns: list[list[Node]]):
        self.places, self.memory = places, memory
        self.pointers: dict[str, str] = {}
        self.lines: list[str] = []
        self.depth = 0
        self.whole: dict[Node, str] = {}  # variables with one number for the whole row
        self.count = 0
        for turn in turns:
            self.turn(turn)

    def line(self, text: str) -> None:
        self.lines.append("  " * self.depth + text)

    def name(self) -> str:
        self.count += 1
        return f"v{self.count - 1}"

    def turn(self, nodes: list[Node]) -> None:
        loops: dict[int, list[Node]] = {}
        for node in nodes:
            if isinstance(node, Reduce):
                loops.setdefault(node.of.size, []).append(node)
            elif isinstance(node, Elementwise) and node.size == 1:
                self.number(node)
            else:
                loops.setdefault(node.size, []).append(node)
        for size, group in loops.items():
            self.loop(size, group)

    def number(self, node: Elementwise) -> None:
        """A value with one number for the whole row."""
        self.whole[node] = self.define(node, {}, {})
        self.keep(node, self.whole[node])

    def loop(self, size: int, nodes: list[Node]) -> None:
        """One loop over features; every load comes first."""
        reductions = {node: self.name() for node in nodes if isinstance(node, Reduce)}
        for node, name in reductions.items():
            self.line(f"V<T> {name} = {node.function}_start<T>();")
        self.line(f"for (long j = 0; j < {size}; j += L) {{")
        self.depth += 1
        rest = f"{size} - j < L ? {size} - j : L"
        self.line(f"const long m = {size} % L ? ({rest}) : L;")
        loads: dict[str, str] = {}
        values: dict[Node, str] = {}
        first = len(self.lines)
        for node in nodes:
            if isinstance(node, Reduce):
                arg = self.argument(node.of, values, loads)
                name = reductions[node]
                self.line(f"{name} = {node.function}_next<T>({name}, {arg}, m);")
            elif isinstance(node, Elementwise):
                values[node] = self.define(node, values, loads)
                self.keep(node, values[node])
        self.lines[first:first] = [
            f"{'  ' * self.depth}const auto {name} = {load};" for load, name in loads.items()
        ]
        self.depth -= 1
        self.line("}")
        for node, name in reductions.items():
            self.whole[node] = self.name()
            end = f"all<T>({node.function}_end<T>({name}))"
            self.line(f"const V<T> {self.whole[node]} = {end};")
            self.keep(node, self.whole[node])

    def define(self, node: Elementwise, values: dict[Node, str], loads: dict[str, str]) -> str:
        """A variable for a vector of a node's features."""
        args = [self.argument(arg, values, loads) for arg in node.args]
        form = _FORMS.get(node.function)
        text = form(*args) if form else f"{node.function}<T>({', '.join(args)})"
        if text in args:
            return text
        name = self.name()
        self.line(f"const {'VI' if node.boolean else 'V'}<T> {name} = {text};")
        return name

    def argument(self, arg: "Node | float", values: dict[Node, str], loads: dict[str, str]) -> str:
        """A vector of the features of a node, or of a number."""
        if not isinstance(arg, Node):
            return _number(arg)
        if known := values.get(arg) or self.whole.get(arg):
            return known
        source, start = base(arg)
        at = self.pointer(source) + (f" + {start}" if start else "")
        if arg.size == 1:
            return f"{'mask' if source.boolean else 'all'}<T>(*({at}))"
        load = f"{'load_mask<T>' if source.boolean else 'load'}({at} + j, m)"
        if load not in loads:
            loads[load] = self.name()
        return loads[load]

    def pointer(self, node: Node) -> str:
        """The name of a pointer to the features of a row."""
        rows = self.memory.rows(node)
        if isinstance(node, Input) and node.shared:
            return rows
        kind = "bool" if node.boolean else "T"
        return self.point(f"{'const ' if isinstance(node, Input) else ''}{kind}", rows, node.size)

    def point(self, kind: str, rows: str, size: int) -> str:
        name = "r_" + rows.split(" ", 1)[0]
        self.pointers.setdefault(name, f"{kind}* {name} = {rows} + r * {size};")
        return name

    def keep(self, node: Node, value: str) -> None:
        """Writes a value wherever it is wanted."""
        places = [(self.pointer(node), 0)] if node in self.places.stored else []
        places += [(self.pointer(c), start) for c, start in self.places.joined.get(node, ())]
        kind = "bool" if node.boolean else "T"
        places += [
            (self.point(kind, self.memory.result(number), node.size), 0)
            for number in self.places.results.get(node, ())
        ]
        for pointer, start in places:
            at = pointer + (f" + {start}" if start else "")
            if node.size == 1:
                self.line(f"*({at}) = {value}[0];")
            else:
                store = "store_mask" if node.boolean else "store"
                self.line(f"{store}({at} + j, {value}, m);")


def _number(number: float) -> str:
    if isinstance(number, bool):
        return f"mask<T>({str(number).lower()})"
    text = repr(float(number))
    special = {"inf": "__builtin_inf()", "-inf": "-__builtin_inf()", "nan": '__builtin_nan("")'}
    return f"all<T>({special.get(text, text)})"
