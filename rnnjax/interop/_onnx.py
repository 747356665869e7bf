"""Weights from and to the recurrent nodes of ONNX: RNN, GRU and LSTM."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._checks import brief, check_instance, check_positive
from .._core import Cell
from ..cells import GRU, LSTM, Elman, ProjectedLSTM, ResetBeforeGRU
from ..layers import RNN, Layer
from ._layers import from_layer, to_layer
from ._peer import Form, Peer
from ._tree import as_numpy

# Of each kind of cell: the type of node, the order of gates, and its attributes.
NODES: dict[type[Cell], tuple[str, str, dict[str, int]]] = {
    Elman: ("RNN", "h", {}),
    GRU: ("GRU", "zrn", {"linear_before_reset": 1}),
    ResetBeforeGRU: ("GRU", "zrn", {"linear_before_reset": 0}),
    LSTM: ("LSTM", "iofg", {}),
}
OURS = {"Tanh": "tanh", "Relu": "relu", "Sigmoid": "sigmoid"}
THEIRS = {ours: theirs for theirs, ours in OURS.items()}
ONNX = Peer(
    "ONNX",
    tuple(
        Form(
            cell,
            {"W": f"w_x {gates}", "R": f"w_h {gates}", "B": f"b_x {gates} b_h {gates}"},
            tuple(THEIRS),
            tuple(THEIRS),
        )
        for cell, (_, gates, _) in NODES.items()
    ),
    transposed=True,
    notes={ProjectedLSTM: "; its LSTM has no projection"},
)
INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
DIRECTIONS = ("forward", "reverse", "bidirectional")
ENTRIES = ("op_type", "attributes", "W", "R", "B", "P")
# The default activations of each type of node.
ACTIVATIONS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
# The last three change nothing here: the order of axes outside the node, and parameters of
# activations other than these.
ATTRIBUTES = (
    *("hidden_size", "direction", "activations", "linear_before_reset", "input_forget"),
    *("layout", "activation_alpha", "activation_beta"),
)


def from_onnx(source: Any, name: str | None = None) -> tuple[Layer, Any]:
    """Convert a recurrent node of ONNX to the layer with the same function.

    The node's two biases become one, their sum, except in the candidate of a GRU that resets
    after the product. Lengths and initial states, which are inputs of the node, are
    arguments of the layer's `apply`. A bidirectional node keeps its directions apart in its
    output; the layer concatenates them. A sequence of length 0 keeps its initial state, where
    ONNX Runtime makes it zero.

    Args:
        source: an `onnx.ModelProto` or `GraphProto` with the weights of the node as
            initializers; or a node in the form that `to_onnx` gives, with `P` if it has one.
            An attribute that is missing has ONNX's default: without `linear_before_reset`,
            a GRU resets before the product.
        name: of the node or of one of its outputs, where a graph has several such nodes.

    Returns:
        An `RNN` or `Bidirectional` layer and its parameters.

    Raises:
        ValueError: if there is no such node, or more than one; if a shape is wrong; or if the
            node has peepholes, clipping, or other activations.

    Examples:
        >>> node = {"op_type": "GRU", "W": np.ones((1, 12, 3)), "R": np.ones((1, 12, 4))}
        >>> layer, params = from_onnx(node | {"attributes": {"linear_before_reset": 1}})
        >>> layer.cell
        GRU(4, use_bias=False)
    """
    if name is not None:
        check_instance("name", name, str)
    node = source if isinstance(source, Mapping) else _node(source, name)
    node = {"attributes": {}, **node}
    direction = _direction(node)
    directions = 2 if direction == "bidirectional" else 1
    arrays, names = _arrays(node, directions), _activations(node, directions)
    after = int(bool(node["attributes"].get("linear_before_reset", 0)))
    kinds = [
        cell
        for cell, (op_type, _, attributes) in NODES.items()
        if op_type == node["op_type"] and attributes.get("linear_before_reset", after) == after
    ]
    cells: list[tuple[Any, Any]] = [
        ONNX.read({k: a[d] for k, a in arrays.items()}, kinds=kinds, **names[d])
        for d in range(directions)
    ]
    hidden_size = node["attributes"].get("hidden_size")
    if any(hidden_size not in (None, cell.hidden_size) for cell, _ in cells):
        raise ValueError(
            f"expected weights for hidden_size {hidden_size}, got those of {cells[0][0]!r}"
        )
    return to_layer(cells, reverse=direction == "reverse")


def to_onnx(layer: Layer, params: Any) -> dict[str, Any]:
    """Convert a layer to the ONNX node with the same function: its type, attributes and weights.

    The output of a bidirectional node has an axis of directions, for every `merge` of the layer.

    Args:
        layer: an `RNN` or `Bidirectional` layer of Elman, GRU, ResetBeforeGRU or LSTM
            cells.
        params: its parameters.

    Returns:
        `op_type`; `attributes`, by name; and the inputs `W [D, G H, I]`, `R [D, G H, H]` and,
        where the cells have biases, `B [D, 2 G H]`, for D directions and G gates. The second
        half of `B`, the recurrent bias, is zero except in a GRU that resets after the product.

    Raises:
        ValueError: if ONNX has no such layer or cell, if the directions are not of one kind, or
            if the parameters are not the layer's.

    Examples:
        >>> import jax, rnnjax
        >>> layer = rnnjax.layers.RNN(rnnjax.GRU(4))
        >>> node = to_onnx(layer, layer.init(jax.random.key(0), 3))
        >>> node["op_type"], node["W"].shape, node["attributes"]["linear_before_reset"]
        ('GRU', (1, 12, 3), 1)
    """
    cells = from_layer(layer, params)
    parts = [ONNX.write(*pair) for pair in cells]
    first: Any = cells[0][0]
    if len({type(cell) for cell, _ in cells}) > 1 or any(
        [a.shape for a in part.values()] != [a.shape for a in parts[0].values()] for part in parts
    ):
        raise ValueError(
            f"expected cells of one kind in both directions, got {[cell for cell, _ in cells]}"
        )
    op_type, _, attributes = NODES[type(first)]
    reverse = isinstance(layer, RNN) and layer.reverse
    direction = "bidirectional" if len(cells) == 2 else "reverse" if reverse else "forward"
    activations = [name for cell, _ in cells for name in _names(op_type, cell)]
    attributes = {"direction": direction, "hidden_size": first.hidden_size} | attributes
    if op_type == "RNN" or activations != ACTIVATIONS[op_type] * len(cells):
        attributes["activations"] = activations
    arrays = {name: np.array([part[name] for part in parts]) for name in parts[0]}
    return {"op_type": op_type, "attributes": attributes} | arrays


def _node(source: Any, name: str | None) -> dict[str, Any]:
    """The one recurrent node of a graph, or the one of that name, in the form of `to_onnx`."""
    graph = getattr(source, "graph", source)
    if not hasattr(graph, "node"):
        raise ValueError(
            f"expected an onnx.ModelProto, a GraphProto or a node as a mapping, got {brief(source)}"
        )
    from onnx import helper, numpy_helper  # pyright: ignore[reportMissingImports]

    all_nodes = [node for node in graph.node if node.op_type in ACTIVATIONS]
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
    if node.get("op_type") not in ACTIVATIONS or not {"W", "R"} <= node.keys():
        raise ValueError(
            "expected a node with an op_type of RNN, GRU or LSTM, W and R, got "
            f"op_type {node.get('op_type')!r} and {[*node]}"
        )
    if unknown := [key for key in node if key not in ENTRIES]:
        raise ValueError(f"expected a node with entries of {ENTRIES}, got {unknown}")
    attributes = check_instance("attributes", node["attributes"], Mapping)
    foreign = {name: value for name, value in attributes.items() if name not in ATTRIBUTES}
    if attributes.get("input_forget"):
        foreign["input_forget"] = attributes["input_forget"]
    if np.any(node.get("P", 0)):
        foreign["P"] = "peepholes"
    if foreign:
        raise ValueError(f"expected a node without {sorted(foreign)}, got {foreign}")
    if (after := attributes.get("linear_before_reset", 0)) not in (0, 1):
        raise ValueError(f"expected linear_before_reset to be 0 or 1, got {after!r}")
    if attributes.get("hidden_size") is not None:
        check_positive("hidden_size", attributes["hidden_size"])
    direction = attributes.get("direction", "forward")
    if direction not in DIRECTIONS:
        raise ValueError(f"expected direction to be one of {DIRECTIONS}, got {direction!r}")
    return direction


def _activations(node: Mapping[str, Any], directions: int) -> list[dict[str, str]]:
    """The activations of the cell of each direction, by the names of its fields."""
    expected = ACTIVATIONS[node["op_type"]] * directions
    given = node["attributes"].get("activations", expected)
    names = list(given) if isinstance(given, list | tuple) else [given]
    count = len(expected) // directions
    parts = [names[k : k + count] for k in range(0, len(names), count)]
    # An LSTM of ours applies the same function to candidate and memory.
    fit = len(names) == len(expected) and all(name in [*OURS] for name in names)
    if not fit or any(part[-1] != part[-2] for part in parts if count == 3):
        raise ValueError(
            f"expected activations such as {expected} for {node['op_type']}, of {list(OURS)}, and "
            f"the last two of an LSTM equal, got {names}"
        )
    fields = ("activation",) if count == 1 else ("gate_activation", "activation")
    return [dict(zip(fields, (OURS[name] for name in part), strict=False)) for part in parts]


def _arrays(node: Mapping[str, Any], directions: int) -> dict[str, np.ndarray]:
    """The weights of a node, with directions on the first axis."""
    arrays = {name: as_numpy(name, node[name]) for name in ("W", "R", "B") if name in node}
    for name, array in arrays.items():
        axes = 2 if name == "B" else 3
        if array.ndim != axes or len(array) != directions:
            raise ValueError(
                f"expected {name} of {axes} axes, the first of {directions} directions, got shape "
                f"{list(array.shape)}"
            )
    return arrays


def _names(op_type: str, cell: Any) -> list[str]:
    """ONNX's names of the activations of a cell."""
    ours = {"Tanh": cell.activation, "Sigmoid": getattr(cell, "gate_activation", None)}
    return [THEIRS[ours[default]] for default in ACTIVATIONS[op_type]]
