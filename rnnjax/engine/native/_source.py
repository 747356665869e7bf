"""The C++ of a row-wise body."""

from collections.abc import Iterator
from contextlib import contextmanager

from ._features import Features
from ._place import Part, base, may_overwrite, place
from ._rows import Body, Concat, Group, Input, Node, Product, in_order

# Rows, steps times batch, to project at once, and the bytes that the projection may take.
ROWS_AHEAD = 64
BYTES_AHEAD = 2**18

LETTERS: dict[Group, str] = {"constant": "k", "carry": "h", "row": "x", "next": "u"}
GROUPS: tuple[Group, ...] = ("constant", "carry", "row", "next")


class Source:
    """The file that defines the handler `rnnjax_loop` of a body.

    Attributes:
        text: the file.
        overwrites: for a result's number the operand over which its rows may be written.
    """

    def __init__(self, body: Body, over: dict[int, int]):
        self.body, self.places = body, place(body)
        self.lines: list[str] = []
        self.depth = 0
        self.early = set(self.places.ahead.nodes)
        stored = self.places.stored
        products = [node for node in stored if isinstance(node, Product)]
        others = [node for node in stored if not isinstance(node, Product)]
        self.names: dict[Node, str] = {node: f"p{k}" for k, node in enumerate(products)}
        self.names |= {node: f"s{k}" for k, node in enumerate(others)}
        nodes = in_order([*body.carry, *body.rows])
        inputs = [node for node in nodes if isinstance(node, Input)]
        self.inputs = {self.name(node): node for node in inputs}
        self.matrices = list(dict.fromkeys(map(_matrix, products)))
        self.overwrites = {
            result: self.number("row", row)
            for result, row in over.items()
            if result < len(body.rows) and may_overwrite(body, self.places, row, result)
        }
        self.file()
        self.text = "\n".join(self.lines) + "\n"

    # Names.

    def name(self, node: Node) -> str:
        return f"{LETTERS[node.group]}{node.index}" if isinstance(node, Input) else self.names[node]

    def number(self, group: Group, index: int) -> int:
        """The position of an operand among all."""
        before = GROUPS[: GROUPS.index(group)]
        return sum(len(self.body.sizes[g]) for g in before) + index

    def rows(self, node: Node) -> str:
        """A pointer to the rows of a value at step `t`."""
        if node in self.places.homes:
            return self.result(self.places.homes[node])
        name = self.name(node)
        if isinstance(node, Input):
            if node.group == "next":
                return f"next{node.index}"
            return f"{name} + t * R * {node.size}" if node.group == "row" else name
        return f"{name} + (t - low) * rows * {node.size}" if node in self.early else name

    def result(self, number: int) -> str:
        """A pointer to the rows of a result at step `t`."""
        carry = len(self.body.carry)
        if number < carry:
            return f"after{number}"
        return f"y{number - carry} + t * R * {self.body.rows[number - carry].size}"

    # The file.

    def line(self, *texts: str) -> None:
        self.lines += ["  " * self.depth + text if text else "" for text in texts]

    @contextmanager
    def block(self, head: str, tail: str = "}") -> Iterator[None]:
        self.line(head + " {")
        self.depth += 1
        yield
        self.depth -= 1
        self.line(tail)

    def file(self) -> None:
        self.line(
            '#include "loop.h"',
            "",
            "using namespace rnn;",
            f"using T = {'float' if self.body.dtype.itemsize == 4 else 'double'};",
            "constexpr long L = Lanes<T>::n;",
            "",
            "// Operands: k constants, h the carry, x rows of a step, u of the step that follows.",
            "// Values: p products, s stored ones, v vectors of features; results: y.",
            "namespace {",
            "",
        )
        with self.block("struct Loop", "};"):
            self.describe()
            self.run()
        self.line("", "}  // namespace", "")
        with self.block("EXPORT XLA_FFI_Error* rnnjax_loop(XLA_FFI_CallFrame* frame)"):
            self.line("return handle<T, Loop>(frame);")

    def describe(self) -> None:
        rows = [f"{{{k}, {i}, {o}, {str(t).lower()}}}, " for k, t, i, o in self.matrices]
        self.line(f"static constexpr Matrix matrices[] = {{{''.join(rows)}{{}}}};")
        nodes = [*self.places.ahead.nodes, *self.places.step.nodes]
        products = sum(n.of.size * n.size for n in nodes if isinstance(n, Product))
        others = sum(n.size for n in nodes if not isinstance(n, Product | Concat))
        self.line(
            f"static constexpr long cost = {products + 4 * others};  // operations a row and step"
        )
        early = sum(n.size for n in self.places.stored if n in self.early)
        late = sum(n.size for n in self.places.stored if n not in self.early)
        late += 2 * sum(self.body.sizes["carry"])
        count = len(self.places.stored) + 2 * len(self.body.sizes["carry"])
        most = BYTES_AHEAD // max(1, early * self.body.dtype.itemsize)
        at_once = max(8, min(ROWS_AHEAD, most)) if early else 1
        self.line(
            "// Steps whose products of the inputs are done at once.",
            f"static long chunk(long rows) {{ return rows < {at_once} ? {at_once} / rows : 1; }}",
            "// Elements of memory for some rows.",
            "static long memory(long rows) {",
            f"  return rows * {late} + chunk(rows) * rows * {early} + {16 * count + 16};",
            "}",
        )

    def run(self) -> None:
        with self.block(
            "static void run(const Call<T>& call, long member, long first, long rows, T* memory)"
        ):
            self.line("const long R = call.rows, S = call.steps, C = chunk(rows);")
            self.operands()
            self.memory()
            with self.block("for (long begin = 0; begin < S; begin += C)"):
                self.line(
                    "const long n = S - begin < C ? S - begin : C;",
                    "const long low = call.reverse ? S - begin - n : begin;",
                )
                self.ahead()
                with self.block("for (long i = begin; i < begin + n; ++i)"):
                    self.step()
            for k, size in enumerate(self.body.sizes["carry"]):
                to = f"call.out({k}, member, R * {size}) + first * {size}"
                self.line(f"memcpy({to}, h{k}, rows * {size} * sizeof(T));")

    def operands(self) -> None:
        carry, sizes = len(self.body.carry), self.body.sizes
        for name, node in self.inputs.items():
            number = self.number(node.group, node.index)
            if node.group == "next":
                self.operand(f"end{node.index}", number + len(sizes["next"]), node, "R * ")
            if node.group != "carry":
                lead = "S * R * " if node.group in ("row", "next") else "R * " * (not node.shared)
                self.operand(name, number, node, lead)
        for k, node in enumerate(self.body.rows):
            kind = "bool" if node.boolean else "T"
            size = node.size
            out = f"call.out<{kind}>({carry + k}, member, S * R * {size}) + first * {size}"
            self.line(f"{kind}* y{k} = {out};")
        self.line("const T* packed = call.packed + member * packed_sizes<T>(matrices);")
        for k, _ in enumerate(self.matrices):
            self.line(f"const T* w{k} = packed;")
            self.line(f"packed += packed_size<T>(matrices[{k}]);")

    def operand(self, name: str, number: int, node: Input, lead: str) -> None:
        kind = "bool" if node.boolean else "T"
        first = f" + first * {node.size}" if lead else ""
        value = f"call.in<{kind}>({number}, member, {lead}{node.size}){first}"
        self.line(f"const {kind}* {name} = {value};")

    def memory(self) -> None:
        for k, size in enumerate(self.body.sizes["carry"]):
            start = f"call.in<T>({self.number('carry', k)}, member, R * {size}) + first * {size}"
            self.line(
                f"T* h{k} = take<T>(memory, rows * {size});",
                f"T* after{k} = take<T>(memory, rows * {size});",
                f"memcpy(h{k}, {start}, rows * {size} * sizeof(T));",
            )
        for node in self.places.stored:
            steps = "C * rows" if node in self.early else "rows"
            kind = "bool" if node.boolean else "T"
            self.line(f"{kind}* {self.names[node]} = take<{kind}>(memory, {steps} * {node.size});")

    def ahead(self) -> None:
        part = self.places.ahead
        for phase in part.phases():
            if part.turns(phase):
                with self.block("for (long t = low; t < low + n; ++t)"):
                    self.features(part, phase)
            for product in part.products(phase):
                self.project(product)

    def project(self, product: Product) -> None:
        """A product of the rows of all steps of a chunk."""
        node, start = base(product.of)
        if isinstance(node, Input):
            lead, at = "R", f"{self.name(node)} + low * R * {node.size}"
        else:
            lead, at = "rows", self.name(node)
        at += f" + {start}" if start else ""
        self.line(
            f"products(n, rows, {product.of.size}, {product.size}, {at}, {lead} * {node.size}, "
            f"{node.size}, {self.weight(product)}, {self.names[product]});"
        )

    def step(self) -> None:
        self.line("const long t = call.at(i);")
        for name, node in self.inputs.items():
            if node.group == "next":
                k = node.index
                after = f"{name} + call.at(i + 1) * R * {node.size}"
                self.line(f"const T* next{k} = i + 1 < S ? {after} : end{k};")
        part = self.places.step
        for phase in part.phases():
            if part.turns(phase):
                self.features(part, phase)
            for product in part.products(phase):
                node, start = base(product.of)
                at = self.rows(node) + (f" + {start}" if start else "")
                self.line(
                    f"product(rows, {product.of.size}, {product.size}, {at}, {node.size}, "
                    f"{self.weight(product)}, {self.names[product]}, {product.size});"
                )
        self.line(*(f"swap(h{k}, after{k});" for k in range(len(self.body.carry))))

    def features(self, part: Part, phase: int) -> None:
        loops = Features(self.places, self, part.turns(phase))
        with self.block("for (long r = 0; r < rows; ++r)"):
            self.line(*loops.pointers.values(), *loops.lines)

    def weight(self, product: Product) -> str:
        return f"w{self.matrices.index(_matrix(product))}"


def _matrix(product: Product) -> tuple[int, bool, int, int]:
    """The operand, whether it is transposed, and both sizes."""
    return product.matrix.index, product.transposed, product.of.size, product.size
