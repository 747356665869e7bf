"""Weights from and to the recurrent nodes of ONNX: RNN, GRU and LSTM."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._core import Cell
from ..cells import GRU, LSTM, Elman, ResetBeforeGRU
from ..layers import RNN, Layer
from ._gates import Gates, from_cell, from_layer, join, split, to_cell, to_layer

# The order of gates of each node, in our letters.
ORDERS = {"RNN": "h", "GRU": "zrn", "LSTM": "iofg"}
INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
DIRECTIONS = ("forward", "reverse", "bidirectional")
# What a node applies unless it says otherwise, and what it may apply, by our names.
ACTIVATIONS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
OURS = {"Tanh": "tanh", "Relu": "relu", "Sigmoid": "sigmoid"}
# The last three change nothing here: the order of axes outside the node, and parameters of
# activations other than these.
ATTRIBUTES = (
    *("hidden_size", "direction", "activations", "linear_before_reset", "input_forget"),
    *("layout", "activation_alpha", "activation_beta"),
)


def from_onnx(source: Any, name: str | None = None) -> tuple[Layer, Any]:
    """The layer that computes what a recurrent node of ONNX does, with its parameters.

    The node's two biases become one, their sum, but for those of the candidate of a GRU that
    resets after the product. Lengths and initial states, which are inputs of the node, are
    arguments of the layer's `apply`. A bidirectional node keeps its directions apart in its
    output; the layer concatenates them. A sequence of length 0 keeps its initial state, where
    ONNX Runtime makes it zero.

    Args:
        source: an `onnx.ModelProto` or `GraphProto`, the weights of whose node are
            initializers; or a node in the form that `to_onnx` gives, with `P` if it has one.
            An attribute that is missing has ONNX's default: without `linear_before_reset`,
            a GRU resets before the product.
        name: of the node or of one of its outputs, where a graph has several such nodes.

    Returns:
        An `RNN` or `Bidirectional` layer and its parameters.

    Raises:
        ValueError: if there is no such node, or more than one; if a shape is wrong; or if the
            node has what the cells have not: peepholes, clipping, other activations.

    Examples:
        >>> node = {"op_type": "GRU", "W": np.ones((1, 12, 3)), "R": np.ones((1, 12, 4))}
        >>> layer, params = from_onnx(node | {"attributes": {"linear_before_reset": 1}})
        >>> layer.cell
        GRU(4, use_bias=False)
    """
    node = source if isinstance(source, Mapping) else _node(source, name)
    node = {"attributes": {}, **node}
    direction = _direction(node)
    directions = 2 if direction == "bidirectional" else 1
    reset_after = bool(node["attributes"].get("linear_before_reset", 0))
    cells = [
        to_cell(gates, reset_after=reset_after, **names)
        for gates, names in zip(
            _gates(node, directions), _activations(node, directions), strict=True
        )
    ]
    return to_layer(cells, reverse=direction == "reverse")


def to_onnx(layer: Layer, params: Any) -> dict[str, Any]:
    """The ONNX node that computes what a layer does: its type, attributes and weights.

    The output of a bidirectional node has an axis of directions, whatever the layer's `merge`.

    Args:
        layer: an `RNN` or `Bidirectional` layer of Elman, GRU, ResetBeforeGRU or LSTM
            cells.
        params: its parameters.

    Returns:
        `op_type`; `attributes`, by name; and the inputs `W [D, G H, I]`, `R [D, G H, H]` and,
        where the cells have biases, `B [D, 2 G H]`, for D directions and G gates. The second
        half of `B`, the recurrent bias, is zero but where a GRU resets after the product.

    Raises:
        ValueError: if ONNX has no such layer or cell, or the directions are not of one kind.

    Examples:
        >>> import jax, rnnjax
        >>> layer = rnnjax.layers.RNN(rnnjax.GRU(4))
        >>> node = to_onnx(layer, layer.init(jax.random.key(0), 3))
        >>> node["op_type"], node["W"].shape, node["attributes"]["linear_before_reset"]
        ('GRU', (1, 12, 3), 1)
    """
    cells = from_layer(layer, params)
    kinds = [_kind(cell) for cell, _ in cells]
    gates = [from_cell(cell, cell_params) for cell, cell_params in cells]
    if kinds[0] != kinds[-1] or (gates[0].biases is None) != (gates[-1].biases is None):
        raise ValueError(
            f"expected cells of one kind in both directions, got {[cell for cell, _ in cells]}"
        )
    op_type, attributes = kinds[0]
    reverse = isinstance(layer, RNN) and layer.reverse
    direction = "bidirectional" if len(cells) == 2 else "reverse" if reverse else "forward"
    attributes = {"direction": direction} | attributes
    activations = [name for cell, _ in cells for name in _names(op_type, cell)]
    if op_type == "RNN" or activations != ACTIVATIONS[op_type] * len(cells):
        attributes["activations"] = activations
    order = ORDERS[op_type]
    node = {
        "op_type": op_type,
        "attributes": attributes,
        "W": np.array([join(g.w_x, order).T for g in gates]),
        "R": np.array([join(g.w_h, order).T for g in gates]),
    }
    biases = [join(g.biases, order) for g in gates if g.biases is not None]
    if biases:
        node["B"] = np.reshape(biases, (len(biases), -1))
    return node


def _node(source: Any, name: str | None) -> dict[str, Any]:
    """The one recurrent node of a graph, or the one of that name, in the form of `to_onnx`."""
    from onnx import helper, numpy_helper  # pyright: ignore[reportMissingImports]

    graph = getattr(source, "graph", source)
    all_nodes = [node for node in graph.node if node.op_type in ORDERS]
    nodes = [node for node in all_nodes if name in (None, node.name, *node.output)]
    if len(nodes) != 1:
        outputs = [node.output[0] for node in all_nodes]
        raise ValueError(
            f"expected one RNN, GRU or LSTM node of name {name!r}, got {len(nodes)}; the graph "
            f"has those with the outputs {outputs}"
        )
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    weights = {}
    for key, tensor in zip(INPUTS, nodes[0].input, strict=False):
        if key in ("W", "R", "B", "P") and tensor:
            if tensor not in initializers:
                raise ValueError(
                    f"expected {key} of the node to be an initializer, got {tensor!r}, which "
                    "the graph computes; fold its constants first"
                )
            weights[key] = numpy_helper.to_array(initializers[tensor])
    attributes = {a.name: _decoded(helper.get_attribute_value(a)) for a in nodes[0].attribute}
    return {"op_type": nodes[0].op_type, "attributes": attributes} | weights


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(entry) for entry in value]
    return value.decode() if isinstance(value, bytes) else value


def _direction(node: Mapping[str, Any]) -> str:
    """The direction of a node that our cells can replace."""
    if node.get("op_type") not in ORDERS or not {"W", "R"} <= node.keys():
        raise ValueError(
            "expected a node with an op_type of RNN, GRU or LSTM, W and R, got "
            f"op_type {node.get('op_type')!r} and {sorted(node)}"
        )
    attributes = node["attributes"]
    foreign = {name: value for name, value in attributes.items() if name not in ATTRIBUTES}
    if attributes.get("input_forget"):
        foreign["input_forget"] = attributes["input_forget"]
    if np.any(node.get("P", 0)):
        foreign["P"] = "peepholes"
    if foreign:
        raise ValueError(f"expected a node without {sorted(foreign)}, got {foreign}")
    direction = attributes.get("direction", "forward")
    if direction not in DIRECTIONS:
        raise ValueError(f"expected direction to be one of {DIRECTIONS}, got {direction!r}")
    return direction


def _activations(node: Mapping[str, Any], directions: int) -> list[dict[str, str]]:
    """The activations of the cell of each direction, by the names of its fields."""
    expected = ACTIVATIONS[node["op_type"]] * directions
    names = list(node["attributes"].get("activations", expected))
    count = len(expected) // directions
    parts = [names[k : k + count] for k in range(0, len(names), count)]
    # An LSTM of ours applies the same function to candidate and memory.
    fit = len(names) == len(expected) and set(names) <= OURS.keys()
    if not fit or any(part[-1] != part[-2] for part in parts if count == 3):
        raise ValueError(
            f"expected activations such as {expected} for {node['op_type']}, of {list(OURS)}, and "
            f"the last two of an LSTM equal, got {names}"
        )
    fields = ("activation",) if count == 1 else ("gate_activation", "activation")
    return [dict(zip(fields, (OURS[name] for name in part), strict=False)) for part in parts]


def _gates(node: Mapping[str, Any], directions: int) -> list[Gates]:
    """The gates of each direction."""
    order = ORDERS[node["op_type"]]
    w, r = np.asarray(node["W"]), np.asarray(node["R"])
    hidden_size = node["attributes"].get("hidden_size", r.shape[-1])
    rows = len(order) * hidden_size
    b = np.asarray(node["B"]) if "B" in node else None
    for name, array, shape in (
        ("W", w, (directions, rows, w.shape[-1])),
        ("R", r, (directions, rows, hidden_size)),
        ("B", b, (directions, 2 * rows)),
    ):
        if array is not None and array.shape != shape:
            raise ValueError(
                f"expected {name} of shape {list(shape)}, for {directions} directions of "
                f"{node['op_type']} and hidden_size {hidden_size}, got {list(array.shape)}"
            )
    biases = [None] * directions
    if b is not None:
        biases = split(b.reshape(directions, 2, rows), order)
    return [
        Gates(split(w_x.T, order), split(w_h.T, order), both)
        for w_x, w_h, both in zip(w, r, biases, strict=True)
    ]


def _kind(cell: Cell) -> tuple[str, dict[str, Any]]:
    """The type of node that is such a cell, and its attributes."""
    match cell:
        case Elman():
            return "RNN", {"hidden_size": cell.hidden_size}
        case GRU():
            return "GRU", {"hidden_size": cell.hidden_size, "linear_before_reset": 1}
        case ResetBeforeGRU():
            return "GRU", {"hidden_size": cell.hidden_size, "linear_before_reset": 0}
        case LSTM():
            return "LSTM", {"hidden_size": cell.hidden_size}
        case _:
            raise ValueError(
                f"expected an Elman, GRU, ResetBeforeGRU or LSTM cell, got {cell!r}; ONNX has no "
                "other, and its LSTM no projection"
            )


def _names(op_type: str, cell: Any) -> list[str]:
    """ONNX's names of the activations of a cell."""
    theirs = {ours: name for name, ours in OURS.items()}
    ours = {"Tanh": cell.activation, "Sigmoid": getattr(cell, "gate_activation", None)}
    names = [ours[default] for default in ACTIVATIONS[op_type]]
    if not {*names} <= theirs.keys():
        raise ValueError(f"expected activations of {list(theirs)}, got {names} of {cell!r}")
    return [theirs[name] for name in names]
