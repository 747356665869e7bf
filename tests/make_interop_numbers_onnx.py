"""Writes interop_numbers_onnx.npz: what ONNX Runtime computes with recurrent nodes, in float32.

    python tests/make_interop_numbers_onnx.py

ONNX and its runtime are needed here and in `live/` only; the tests read the file.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx  # pyright: ignore[reportMissingImports]
import onnxruntime  # pyright: ignore[reportMissingImports]
from onnx import helper, numpy_helper  # pyright: ignore[reportMissingImports]

LENGTHS = np.array([4, 2, 1], np.int32)
STEPS, INPUT, HIDDEN = 4, 3, 5
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}

FORMS = {
    "RNN": ("RNN", {}),
    "RNN-relu-sigmoid": (
        "RNN",
        {"direction": "bidirectional", "activations": ["Relu", "Sigmoid"]},
    ),
    "GRU": ("GRU", {}),
    "GRU-reset-before": ("GRU", {"direction": "bidirectional", "linear_before_reset": 0}),
    "GRU-reset-after": ("GRU", {"direction": "bidirectional", "linear_before_reset": 1}),
    "GRU-reverse": ("GRU", {"direction": "reverse", "linear_before_reset": 1}),
    "LSTM": ("LSTM", {"activations": ["Sigmoid", "Tanh", "Tanh"]}),
    "LSTM-reverse": ("LSTM", {"direction": "reverse"}),
    "LSTM-both": ("LSTM", {"direction": "bidirectional"}),
}


def draw(form: str, seed: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A node with random weights in the form of `to_onnx`, and random inputs for it."""
    op_type, attributes = FORMS[form]
    directions = 1 + (attributes.get("direction") == "bidirectional")
    rows = GATES[op_type] * HIDDEN
    normal = np.random.default_rng(seed).standard_normal
    state = (directions, len(LENGTHS), HIDDEN)
    node = {
        "W": normal((directions, rows, INPUT)) / 2,
        "R": normal((directions, rows, HIDDEN)) / 2,
        "B": normal((directions, 2 * rows)) / 2,
    }
    inputs = {"X": normal((STEPS, len(LENGTHS), INPUT)), "initial_h": normal(state)}
    if op_type == "LSTM":
        inputs["initial_c"] = normal(state)
    node, inputs = ({k: a.astype(np.float32) for k, a in d.items()} for d in (node, inputs))
    attributes = {"hidden_size": HIDDEN} | attributes
    return node | {"op_type": op_type, "attributes": attributes}, inputs


def model_of(node: dict[str, Any]) -> onnx.ModelProto:
    """A model of one node, whose inputs are those of `draw` and the lengths."""
    state = ["initial_h", "initial_c"][: 1 + (node["op_type"] == "LSTM")]
    results = ["Y", "Y_h", "Y_c"][: 1 + len(state)]
    operands = ["X", "W", "R", "B", "sequence_lens", *state]
    recurrent = helper.make_node(
        node["op_type"], operands, results, name="the node", **node["attributes"]
    )

    def float_values(names):
        shapes = {name: [None] * (4 if name == "Y" else 3) for name in names}
        return [helper.make_tensor_value_info(k, onnx.TensorProto.FLOAT, shapes[k]) for k in shapes]

    lengths = helper.make_tensor_value_info("sequence_lens", onnx.TensorProto.INT32, [None])
    weights = [numpy_helper.from_array(node[name], name) for name in ("W", "R", "B")]
    graph = helper.make_graph(
        [recurrent],
        "graph",
        [*float_values(["X", *state]), lengths],
        float_values(results),
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def run(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs Y [T, D, B, H] and final states."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, inputs | {"sequence_lens": LENGTHS})
    return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}


def main() -> None:
    table: dict[str, Any] = {"lengths": LENGTHS}
    for seed, form in enumerate(FORMS):
        node, inputs = draw(form, seed)
        results = run(model_of(node), inputs)
        weights = {name: node[name] for name in ("W", "R", "B")}
        table |= {f"{form}/{k}": a for k, a in (weights | inputs | results).items()}
    np.savez_compressed(Path(__file__).with_name("interop_numbers_onnx.npz"), **table)


if __name__ == "__main__":
    main()
