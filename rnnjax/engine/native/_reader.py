"""The jaxpr of a loop's body, read as operations on rows."""

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal as Number

from ._rows import Body, Elementwise, Group, Input, Node, Obstacle, Product, in_order
from ._rules import SAME, rule
from ._values import Constant, Row, size_of
from ._variation import variation

Value = Any  # a Row, a Constant, or a number
_CALLED = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # the parameters that are jaxprs, if they are alone
_LOOPS = ("scan", "pallas_call", "shard_map")  # these have one, too, and do not call it once


def read(jaxpr: Any, groups: Sequence[Group], batch: tuple[int, ...], kept: Sequence[bool]) -> Body:
    """The body whose arguments belong to `groups`, with rows of the shape `batch`.

    Args:
        jaxpr: the body, closed.
        groups: the group of each argument.
        batch: the shape of the rows.
        kept: which results are wanted.

    Raises:
        Obstacle: if it is not row-wise, or has an operation that is not compiled.
    """
    return _Reader(jaxpr, groups, batch, kept).body


class _Reader:
    def __init__(self, jaxpr: Any, groups: Sequence[Group], batch: tuple, kept: Sequence[bool]):
        self.rows = prod(batch)
        self.dtype = _real_dtype(jaxpr)
        self.env: dict[Any, Value] = {}
        self.count = 0  # of constants
        self.known: dict[int, Any] = {}  # the values of some
        self.given: list[int] = []  # the operands among them
        self.equations: list[tuple[Any, list, list[int]]] = []  # those done before the loop
        self.flipped: dict[int, Constant] = {}  # what a transposed constant is made of
        # The constants that the loop reads, by number and use, and how each is laid out.
        self.wanted: dict[tuple, tuple[Input, int, Callable]] = {}
        self.inputs: dict[Group, list[Input]] = {"carry": [], "row": [], "next": []}
        inner = jaxpr.jaxpr
        self.enter_known(inner.constvars, jaxpr.consts)
        for var, group in zip(inner.invars, groups, strict=True):
            self.enter(var, group, batch)
        results = [var for var, keep in zip(inner.outvars, kept, strict=True) if keep]
        self.equate(inner, results)
        self.body = self.finish([self.output(var, batch) for var in results])

    def new(self, var: Any, varies: tuple[bool, ...] | None = None) -> Constant:
        """A constant with the type of a variable."""
        self.count += 1
        aval = var.aval
        varies = tuple(n > 1 for n in aval.shape) if varies is None else varies
        return Constant(self.count, aval.shape, aval.dtype, varies)

    def enter_known(self, variables: Sequence[Any], values: Sequence[Any]) -> None:
        for var, value in zip(variables, values, strict=True):
            self.env[var] = constant = self.new(var)
            self.known[constant.key] = value

    def enter(self, var: Any, group: Group, lead: tuple[int, ...]) -> None:
        """An argument of the body."""
        if group == "constant":
            self.env[var] = constant = self.new(var)
            self.given.append(constant.key)
            return
        inputs = self.inputs[group]
        node = Input(size_of(var, lead), self.boolean(var.aval.dtype), group, len(inputs))
        if group == "carry" and node.boolean:
            raise Obstacle("a carry of truth values is not compiled")
        inputs.append(node)
        self.env[var] = Row(node, lead)

    def finish(self, outputs: list[Node]) -> Body:
        """The body, with the operands that it reads numbered anew."""
        nodes = in_order(outputs)
        used = {node for node in nodes if isinstance(node, Input)}
        used |= {node.matrix for node in nodes if isinstance(node, Product)}
        reads = {g: [g == "carry" or n in used for n in self.inputs[g]] for g in self.inputs}
        kept = [entry for entry in self.wanted.values() if entry[0] in used]
        groups: dict[Group, list[Input]] = {"constant": [node for node, _, _ in kept]}
        for group, read in reads.items():
            groups[group] = [n for n, r in zip(self.inputs[group], read, strict=True) if r]
        for inputs in groups.values():
            for index, node in enumerate(inputs):
                node.index = index
        split = len(groups["carry"])
        return Body(
            self.dtype,
            partial(self.constants, [(key, layout) for _, key, layout in kept]),
            outputs[:split],
            outputs[split:],
            {group: [node.size for node in inputs] for group, inputs in groups.items()},
            [*reads["carry"], *reads["row"], *reads["next"], *reads["next"]],
        )

    def boolean(self, dtype: Any) -> bool:
        """Whether it is the dtype of truth values; raises if it is another than the body's."""
        if dtype not in (np.bool_, self.dtype):
            raise Obstacle(f"{dtype} beside {self.dtype} is not compiled")
        return dtype == np.bool_

    def look(self, var: Any) -> Value:
        """The value of a variable."""
        return var.val if isinstance(var, Number) else self.env[var]

    def equate(self, jaxpr: Any, results: Sequence[Any]) -> None:
        """Follows the equations on which some results depend."""
        wanted, live = {var for var in results if not isinstance(var, Number)}, []
        for equation in reversed(jaxpr.eqns):
            if not wanted.isdisjoint(equation.outvars):
                live.append(equation)
                wanted.update(var for var in equation.invars if not isinstance(var, Number))
        for equation in reversed(live):
            name = equation.primitive.name
            values = [self.look(var) for var in equation.invars]
            called = next(filter(None, map(equation.params.get, _CALLED)), None)
            if called is not None and name not in _LOOPS:
                found = self.inline(called, values)
            elif not any(isinstance(value, Row) for value in values):
                found = self.before(equation, name, values)
            elif name in SAME:
                found = values
            else:
                found = self.row(equation, name)
            self.env.update(zip(equation.outvars, found, strict=True))

    def inline(self, called: Any, values: list[Value]) -> list[Value]:
        """The results of an equation that calls another jaxpr once."""
        inner = getattr(called, "jaxpr", called)
        self.enter_known(inner.constvars, getattr(called, "consts", ()))
        self.env.update(zip(inner.invars, values, strict=True))
        self.equate(inner, inner.outvars)
        return [self.look(var) for var in inner.outvars]

    def before(self, equation: Any, name: str, values: list[Value]) -> list[Value]:
        """An equation of constants, which is computed before the loop."""
        given = [value for value in values if isinstance(value, Constant)]
        found = [self.new(v, variation(equation, name, v, given)) for v in equation.outvars]
        self.equations.append((equation, values, [constant.key for constant in found]))
        if name == "broadcast_in_dim" and len(values) == 1 and not given:
            found = [found[0]._replace(fill=_plain(values[0]))]
        if name == "transpose" and tuple(equation.params["permutation"]) == (1, 0):
            self.flipped[found[0].key] = given[0]
        return found

    def constants(self, wanted: list, operands: list) -> list:
        """The arrays that the loop reads, of the constants among its operands."""
        arrays = self.known | dict(zip(self.given, operands, strict=True))
        for equation, values, results in self.equations:
            args = [arrays[v.key] if isinstance(v, Constant) else v for v in values]
            found = equation.primitive.bind(*args, **equation.params)
            found = found if equation.primitive.multiple_results else [found]
            arrays.update(zip(results, found, strict=True))
        return [layout(arrays[key]) for key, layout in wanted]

    def want(self, constant: Constant, use: Any, node: Input, layout: Callable) -> Input:
        """The node of a constant that the loop reads, the same for the same use."""
        return self.wanted.setdefault((constant.key, use), (node, constant.key, layout))[0]

    def matrix(self, constant: Constant) -> tuple[Input, bool]:
        """The node of a constant that is a factor of products, and whether it is flipped."""
        turned = constant.key in self.flipped
        constant = self.flipped.get(constant.key, constant)
        self.boolean(constant.dtype)
        if constant.dtype != self.dtype or len(constant.shape) != 2:
            raise Obstacle("a product with an array that is no matrix is not compiled")
        node = Input(prod(constant.shape), False, "constant", 0, shared=True)
        return self.want(constant, "matrix", node, lambda a: a), turned

    def argument(self, var: Any, lead: tuple[int, ...], features: tuple = ()) -> Any:
        """A number or node, given the axes that are rows, and the features of the result."""
        value = self.look(var)
        if isinstance(value, Row):
            return value.node
        if not isinstance(value, Constant):
            return _plain(value)
        if value.fill is not None:
            return value.fill
        at = len(lead)
        shape = features if any(value.varies[at:]) and features else value.shape[at:]
        shape, shared = shape if any(value.varies[at:]) else (1,), not any(value.varies[:at])
        node = Input(prod(shape), self.boolean(value.dtype), "constant", 0, shared)
        layout = partial(_lay_out, () if shared else lead, at, shape)
        return self.want(value, (lead, shape), node, layout)

    def output(self, var: Any, lead: tuple[int, ...]) -> Node:
        """The node of a result, which is one of its own."""
        boolean = self.boolean(var.aval.dtype)
        return Elementwise(size_of(var, lead), boolean, "copy", (self.argument(var, lead),))

    def row(self, equation: Any, name: str) -> list[Row]:
        """The results of an equation of rows."""
        lead = next(v.lead for v in map(self.look, equation.invars) if isinstance(v, Row))
        return rule(name)(self, equation, lead)


def _real_dtype(jaxpr: Any) -> np.dtype:
    kinds = {a.dtype for a in jaxpr.out_avals if a.dtype != np.bool_} or {np.dtype("float32")}
    if len(kinds) > 1 or not kinds <= {np.dtype("float32"), np.dtype("float64")}:
        raise Obstacle(f"results of {' and '.join(sorted(map(str, kinds)))} are not compiled")
    return kinds.pop()


def _lay_out(lead: tuple[int, ...], axes: int, shape: tuple[int, ...], a: Any) -> Any:
    """A constant, `axes` of rows in front, as `[features]`, or `[rows, features]` if rows differ.

    It may lack axes, or have them with length 1, along which it does not vary.
    """
    a = a.reshape((1,) * (axes - a.ndim) + a.shape)
    a = a if lead else a[(0,) * axes]
    at = len(lead)
    if shape == (1,):
        a = a[(..., *(0,) * (a.ndim - at))][..., None]
    return jnp.broadcast_to(a, (*lead, *shape)).reshape(*([prod(lead)] if lead else []), -1)


def _plain(number: Any) -> Any:
    return number.item() if hasattr(number, "item") else number
