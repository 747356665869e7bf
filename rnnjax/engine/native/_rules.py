"""How the equations of a jaxpr become operations on rows."""

from collections.abc import Callable, Iterable
from functools import partial
from math import prod
from typing import Any

import numpy as np

from ._rows import Concat, Elementwise, Node, Obstacle, Product, Reduce, Slice
from ._values import Constant, Reader, Row, size_of

# The functions that are called as JAX calls them; more arguments are numbers.
_NAMES = """
    abs acos acosh add and asin asinh atan atan2 atanh cbrt ceil clamp cos cosh div eq erf erfc exp
    exp2 expm1 floor ge gt is_finite le log log1p logistic lt max min mul ne neg not
    one_minus_square or pow rem sign sin sinh sqrt square rsqrt sub tan tanh xor
"""
ELEMENTWISE = frozenset(_NAMES.split())
# The identity, as far as one step is concerned.
SAME = frozenset(
    ("copy", "copy_p", "name", "stop_gradient", "pvary", "pcast", "optimization_barrier")
)
_REDUCTIONS = {"reduce_sum": "sum", "reduce_max": "max", "reduce_min": "min"}
_ARITHMETIC = frozenset(("add", "ge", "gt", "le", "lt", "max", "min", "mul", "rem", "sub"))


Rule = Callable[[Reader, Any, tuple[int, ...]], list[Row]]


def rule(name: str) -> Rule:
    """The rule of a primitive: of the reader, an equation and the axes of rows.

    Raises:
        Obstacle: if there is none.
    """
    found = RULES.get(name) or (_elementwise if name in ELEMENTWISE else None)
    if found is None:
        raise Obstacle(f"{name} is not compiled")
    return found


def _elementwise(
    reader: Reader, equation: Any, lead: tuple[int, ...], function: str = ""
) -> list[Row]:
    name = function or equation.primitive.name
    (out,) = equation.outvars
    features = out.aval.shape[len(lead) :]
    args = tuple(reader.argument(var, lead, features) for var in equation.invars)
    if equation.primitive.name == "add_any" and 0.0 in args:  # the sum of gradients
        (same,) = (arg for arg in args if isinstance(arg, Node))
        return [Row(same, lead)]
    if name in _ARITHMETIC and any(isinstance(arg, Node) and arg.boolean for arg in args):
        raise Obstacle(f"{name} of truth values is not compiled")
    size, boolean = size_of(out, lead), reader.boolean(out.aval.dtype)
    if any(_width(arg) not in (1, size) for arg in args):
        raise Obstacle(f"{name} along some of the features is not compiled")
    return [Row(Elementwise(size, boolean, name, args), lead)]


def _select(reader: Reader, equation: Any, lead: tuple[int, ...]) -> list[Row]:
    if len(equation.invars) != 3:
        raise Obstacle("select_n of more than two cases is not compiled")
    which, *_ = equation.invars
    if which.aval.dtype != np.bool_:
        raise Obstacle("select_n by integers is not compiled")
    return _elementwise(reader, equation, lead, "select")


def _integer_pow(reader: Reader, equation: Any, lead: tuple[int, ...]) -> list[Row]:
    (out,) = equation.outvars
    args = (reader.argument(equation.invars[0], lead), float(equation.params["y"]))
    return [Row(Elementwise(size_of(out, lead), False, "integer_pow", args), lead)]


def _convert(reader: Reader, equation: Any, lead: tuple[int, ...]) -> list[Row]:
    (var,), (out,) = equation.invars, equation.outvars
    node = reader.argument(var, lead)
    if reader.boolean(out.aval.dtype) == node.boolean:
        return [Row(node, lead)]
    if not node.boolean:
        return [Row(Elementwise(node.size, True, "ne", (node, 0.0)), lead)]
    return [Row(Elementwise(node.size, False, "select", (node, 0.0, 1.0)), lead)]


def _reshape(reader: Reader, equation: Any, lead: tuple[int, ...]) -> list[Row]:
    var, out = equation.invars[0], equation.outvars[0]
    node, shape = reader.argument(var, lead), out.aval.shape
    if equation.primitive.name == "reshape" and equation.params["dimensions"] is not None:
        raise Obstacle("reshape in another order is not compiled")
    fits = [n for n in range(len(shape) + 1) if prod(shape[:n]) == reader.rows]
    if not fits or prod(shape[fits[0] :]) != node.size:
        raise Obstacle("reshape that mixes rows and features is not compiled")
    # An axis of length 1 may be one of either kind; it stays what it was.
    new = max([n for n in fits if n <= len(lead)], default=fits[0])
    return [Row(node, shape[:new])]


def _transpose(reader: Reader, equation: Any, lead: tuple[int, ...]) -> list[Row]:
    if list(equation.params["permutation"]) != sorted(equation.params["permutation"]):
        raise Obstacle("transpose of rows is not compiled")
    return [Row(reader.argument(equation.invars[0], lead), lead)]


def _broadcast(reader: Reader, equation: Any, lead: tuple[int, ...]) -> list[Row]:
    (out,), params = equation.outvars, equation.params
    node, shape = reader.argument(equation.invars[0], lead), out.aval.shape
    dims, at = params["broadcast_dimensions"], len(lead)
    if tuple(dims[:at]) != tuple(range(at)) or shape[:at] != lead:
        raise Obstacle("broadcast_in_dim along new rows is not compiled")
    size = prod(shape[at:])
    if node.size not in (1, size):
        raise Obstacle("broadcast_in_dim along some of the features is not compiled")
    same = node.size == size
    return [Row(node if same else Elementwise(size, node.boolean, "copy", (node,)), lead)]


def _feature_axis(name: str, shape: tuple[int, ...], lead: tuple[int, ...], axis: int) -> int:
    """Features per entry of an axis along which they may be cut and joined."""
    if axis < len(lead) or prod(shape[len(lead) : axis]) != 1:
        raise Obstacle(
            f"{name} along an axis that is not the first of the features is not compiled"
        )
    return prod(shape[axis + 1 :])


def _slice(reader: Reader, equation: Any, lead: tuple[int, ...]) -> list[Row]:
    (var,), params = equation.invars, equation.params
    shape, starts = var.aval.shape, params["start_indices"]
    cut = [
        axis for axis, n in enumerate(shape) if params["limit_indices"][axis] - starts[axis] != n
    ]
    if params["strides"] is not None and any(s != 1 for s in params["strides"]):
        raise Obstacle("slice with strides is not compiled")
    node = reader.argument(var, lead)
    if not cut:
        return [Row(node, lead)]
    each = _feature_axis("slice", shape, lead, cut[0])
    if len(cut) > 1:
        raise Obstacle("slice along several axes is not compiled")
    size = (params["limit_indices"][cut[0]] - starts[cut[0]]) * each
    return [Row(_cut(node, starts[cut[0]] * each, size), lead)]


def _cut(node: Node, start: int, size: int) -> Node:
    """Neighbouring features of a node, of the part in which they lie if there is one."""
    if start == 0 and size == node.size:
        return node
    if isinstance(node, Slice):
        return _cut(node.of, node.start + start, size)
    if isinstance(node, Concat):
        at = 0
        for part in node.parts:
            if at <= start and start + size <= at + part.size:
                return _cut(part, start - at, size)
            at += part.size
    if isinstance(node, Elementwise) and node.function == "copy" and _width(node.args[0]) == 1:
        return Elementwise(size, node.boolean, "copy", node.args)
    return Slice(size, node.boolean, node, start)


def _width(arg: Node | float) -> int:
    return arg.size if isinstance(arg, Node) else 1


def _split(reader: Reader, equation: Any, lead: tuple[int, ...]) -> list[Row]:
    (var,), params = equation.invars, equation.params
    each = _feature_axis("split", var.aval.shape, lead, params["axis"])
    node, at, found = reader.argument(var, lead), 0, []
    for size in params["sizes"]:
        found.append(Row(_cut(node, at * each, size * each), lead))
        at += size
    return found


def _concatenate(reader: Reader, equation: Any, lead: tuple[int, ...]) -> list[Row]:
    (out,) = equation.outvars
    _feature_axis("concatenate", out.aval.shape, lead, equation.params["dimension"])
    return [Row(_join(_part(reader, var, lead) for var in equation.invars), lead)]


def _part(reader: Reader, var: Any, lead: tuple[int, ...]) -> Node:
    """A part of a row, with its own features even if they are all the same."""
    node, size = reader.argument(var, lead), size_of(var, lead)
    if isinstance(node, Node) and node.size == size:
        return node
    return Elementwise(size, reader.boolean(var.aval.dtype), "copy", (node,))


def _join(nodes: Iterable[Node]) -> Node:
    parts = tuple(node for node in nodes if node.size)
    if any(part.boolean for part in parts):
        raise Obstacle("concatenate of truth values is not compiled")
    return Concat(sum(part.size for part in parts), False, parts)


def _pad(reader: Reader, equation: Any, lead: tuple[int, ...]) -> list[Row]:
    var, fill = equation.invars
    padded = [axis for axis, p in enumerate(equation.params["padding_config"]) if p != (0, 0, 0)]
    node = _part(reader, var, lead)
    if not padded:
        return [Row(node, lead)]
    low, high, inner = equation.params["padding_config"][padded[0]]
    if len(padded) > 1 or inner or low < 0 or high < 0:
        raise Obstacle("pad between features, or of several axes, is not compiled")
    each = _feature_axis("pad", var.aval.shape, lead, padded[0])
    number = reader.argument(fill, ())
    before, after = (Elementwise(n * each, False, "copy", (number,)) for n in (low, high))
    return [Row(_join((before, node, after)), lead)]


def _reduce(reader: Reader, equation: Any, lead: tuple[int, ...]) -> list[Row]:
    (var,), axes = equation.invars, equation.params["axes"]
    shape, node = var.aval.shape, reader.argument(var, lead)
    over, at = [axis for axis in axes if shape[axis] != 1], len(lead)
    new = tuple(n for axis, n in enumerate(lead) if axis not in axes)
    if any(axis < at for axis in over):
        raise Obstacle(f"{equation.primitive.name} over rows is not compiled")
    if not over:
        return [Row(node, new)]
    if prod(n for axis, n in enumerate(shape) if axis >= at and axis not in axes) != 1:
        raise Obstacle(f"{equation.primitive.name} over some of the features is not compiled")
    return [Row(Reduce(1, False, _REDUCTIONS[equation.primitive.name], _real(node)), new)]


def _real(node: Node) -> Node:
    if node.boolean:
        raise Obstacle("a reduction of truth values is not compiled")
    return node


def _dot(reader: Reader, equation: Any, lead: tuple[int, ...]) -> list[Row]:
    (left, right), (out,) = equation.invars, equation.outvars
    (over_left, over_right), (batch, _) = equation.params["dimension_numbers"]
    flipped = isinstance(reader.look(left), Constant)
    row, matrix = (right, left) if flipped else (left, right)
    over_row, over = (over_right, over_left) if flipped else (over_left, over_right)
    if batch or isinstance(reader.look(matrix), Row) or len(over) != 1:
        raise Obstacle("dot_general of two arrays that both have rows is not compiled")
    shape, at = row.aval.shape, len(lead)
    if len(shape) != at + 1 or tuple(over_row) != (at,) or (flipped and prod(lead) != 1):
        raise Obstacle("dot_general over other axes than the features is not compiled")
    factor, turned = reader.matrix(reader.look(matrix))
    size = prod(out.aval.shape) // prod(lead)
    node = Product(size, False, _part(reader, row, lead), factor, (over[0] == 1) != turned)
    return [Row(node, () if flipped else lead)]


RULES: dict[str, Rule] = {
    "add_any": partial(_elementwise, function="add"),
    "select_n": _select,
    "integer_pow": _integer_pow,
    "convert_element_type": _convert,
    "reshape": _reshape,
    "squeeze": _reshape,
    "expand_dims": _reshape,
    "transpose": _transpose,
    "broadcast_in_dim": _broadcast,
    "slice": _slice,
    "split": _split,
    "concatenate": _concatenate,
    "pad": _pad,
    "dot_general": _dot,
    **dict.fromkeys(_REDUCTIONS, _reduce),
}
