"""A whole model as an ONNX file, its recurrent layers as nodes of ONNX's own."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .._checks import check_arrays, check_positive
from .._core import Cell
from .._files import check_path, replace_file
from ..cells import Stack
from ..layers import (
    RNN,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    Layer,
    LayerNorm,
    Pool,
    Sequential,
)
from ..layers._layer import check_layer
from ._layers import check_names
from ._onnx import to_onnx

# The oldest versions that have all nodes in the form used here.
_OPSET, _IR = 18, 8
# The numbers of types, from `onnx.TensorProto`.
_FLOAT, _INT32, _INT64 = 1, 6, 7
_MERGES = {"sum": "ReduceSum", "mean": "ReduceMean", "product": "ReduceProd"}


def save_onnx(
    path: str | Path,
    model: Layer,
    params: PyTree,
    input_size: int | None = None,
    *,
    extra_inputs: Sequence[str] = (),
) -> None:
    """Writes `model.apply` with its parameters as an ONNX file, for every batch size and length.

    The graph maps `xs`, `[B, T, features]` in float32 or int32 tokens `[B, T]`, to `ys` and to
    the final states of every recurrent layer, `[directions, B, H]`: `final.0.h` for layer 0 of a
    `Sequential` (`final.rnn.h` for a layer named "rnn"), `final.h` for a layer alone. The memory of
    an LSTM is `final.0.c`.
    The file computes in float32. To write it takes the package onnx; with onnxruntime,
    `ys, h = InferenceSession(path).run(None, {"xs": xs})` runs it.

    Args:
        path: the path of the file; an existing file is replaced.
        model: a layer; a cell becomes one by `RNN(cell)`.
        params: its parameters.
        input_size: number of features of an input; `None` for a model of tokens, which must
            be below the vocabulary's size.
        extra_inputs: further inputs: any of "lengths" (int32 `[B]`), and "carry", the states to
            start from, with names as `initial.0.h`. All that are named are required. ONNX's nodes
            have no masks with gaps and no resets.

    Raises:
        ImportError: if onnx is not installed.
        ValueError: if `extra_inputs` names something else, if the parameters do not fit, or if
            ONNX lacks a layer or cell of the model.

    Examples:
        >>> import rnnjax
        >>> model = rnnjax.layers.RNN(rnnjax.ProjectedLSTM(8, 4))
        >>> save_onnx("model.onnx", model, model.init(jax.random.key(0), 3), 3)
        Traceback (most recent call last):
            ...
        ValueError: expected one of Elman, GRU, ResetBeforeGRU, LSTM, as ONNX has, got ...
    """
    path = check_path(path)
    check_names("extra_inputs", extra_inputs, ("carry", "lengths"))
    check_layer("model", model)
    check_arrays("params", params)
    tokens = input_size is None
    features = () if tokens else (check_positive("input_size", input_size),)
    example = jnp.zeros((1, 1, *features), jnp.int32 if tokens else jnp.float32)
    _, ys = jax.eval_shape(lambda params: model.apply(params, example), params)
    graph = _Graph(extra_inputs)
    graph.inputs["xs"] = (_INT32 if tokens else _FLOAT, ["batch", "time", *features])
    if graph.lengths:
        graph.inputs["lengths"] = (_INT32, ["batch"])
    graph.outputs["ys"] = (_FLOAT, ["batch", *["time"] * (ys.ndim - 2), ys.shape[-1]])
    graph.add("Identity", _layer(graph, model, params, "xs", ""), out="ys")
    replace_file(path, _bytes(graph))


class _Graph:
    """A graph under construction; names stand in it for values."""

    def __init__(self, extra_inputs: Sequence[str]):
        self.carry = "carry" in extra_inputs
        # A node has "" for an input that is not there.
        self.lengths = "lengths" if "lengths" in extra_inputs else ""
        self.inputs: dict[str, tuple[int, list]] = {}
        self.outputs: dict[str, tuple[int, list]] = {}
        self.nodes: list[tuple[str, Sequence[str], Sequence[str], dict]] = []
        self.weights: dict[str, np.ndarray] = {}

    def add(
        self, op_type: str, *inputs: Any, out: str = "", also: Sequence[str] = (), **attributes: Any
    ) -> str:
        """Adds a node; an input is a name, or an array, which becomes a constant."""
        out = out or f"{op_type}.{len(self.nodes)}"
        names = [name if isinstance(name, str) else self._constant(name) for name in inputs]
        self.nodes.append((op_type, names, [out, *also], attributes))
        return out

    def _constant(self, array: Any) -> str:
        name, array = f"weight.{len(self.weights)}", np.asarray(array)
        number = jnp.issubdtype(array.dtype, jnp.floating)
        self.weights[name] = array.astype(np.float32) if number else array
        return name


def _layer(graph: _Graph, layer: Layer, params: Any, xs: str, path: str) -> str:
    """Adds the nodes of a layer; returns the name of its outputs."""
    match layer:
        case Sequential():
            for name, part, part_params in layer.parts(params):
                xs = _layer(graph, part, part_params, xs, f"{path}{name}.")
            return xs
        case RNN(return_sequences=False) | Bidirectional(return_sequences=False):
            raise ValueError(
                f"expected a layer that returns sequences, got {layer!r}; put Pool('last') behind "
                "it, if it runs forwards"
            )
        case RNN(cell=Stack(skip=False) as stack):
            for k, (part, part_params) in enumerate(zip(stack.parts, params, strict=True)):
                one = dataclasses.replace(layer, cell=part) if isinstance(part, Cell) else part
                xs = _layer(graph, one, part_params, xs, f"{path}{k}.")
            return xs
        case RNN() | Bidirectional():
            return _recurrent(graph, layer, params, xs, path)
        case Dense():
            ys = graph.add("MatMul", xs, params.w)
            return ys if params.b is None else graph.add("Add", ys, params.b)
        case Embedding():
            return graph.add("Gather", params.table, xs)
        case LayerNorm():
            scale = {"axis": -1, "epsilon": layer.epsilon}
            return graph.add("LayerNormalization", xs, params.gain, params.bias, **scale)
        case Dropout():
            return xs
        case Pool():
            return _pool(graph, layer.how, xs)
        case _:
            raise ValueError(f"expected layers that ONNX has nodes for, got {layer!r}")


def _recurrent(graph: _Graph, layer: Any, params: Any, xs: str, path: str) -> str:
    """Adds a recurrent node, which is time-major: `[T, B, I]` to `[T, directions, B, H]`."""
    node = to_onnx(layer, params)
    directions, _, hidden_size = node["R"].shape
    states = [path + state for state in (("h", "c") if node["op_type"] == "LSTM" else ("h",))]
    shape = (_FLOAT, [directions, "batch", hidden_size])
    initial = [f"initial.{state}" if graph.carry else "" for state in states]
    graph.inputs |= {name: shape for name in initial if name}
    graph.outputs |= {f"final.{state}": shape for state in states}
    time_major = graph.add("Transpose", xs, perm=[1, 0, 2])
    inputs = (time_major, node["W"], node["R"], node.get("B", ""), graph.lengths, *initial)
    held = graph.carry and graph.lengths
    last = [f"{'last' if held else 'final'}.{state}" for state in states]
    ys = graph.add(node["op_type"], *inputs, also=last, **node["attributes"])
    if held:
        # ONNX does not say that a sequence of no steps keeps its state.
        some = graph.add("Unsqueeze", graph.lengths, np.array([0, 2]))
        some = graph.add("Less", np.array(0, np.int32), some)
        for name, before, state in zip(last, initial, states, strict=True):
            graph.add("Where", some, name, before, out=f"final.{state}")
    ys = graph.add("Transpose", ys, perm=[2, 0, 1, 3])
    if isinstance(layer, Bidirectional) and layer.merge != "concat":
        return graph.add(_MERGES[layer.merge], ys, np.array([2]), keepdims=0)
    return graph.add("Reshape", ys, np.array([0, 0, directions * hidden_size]))


def _pool(graph: _Graph, how: str, xs: str) -> str:
    """Adds a reduction over the valid steps, which are all where lengths are not taken."""
    time, zero, one = np.array([1]), np.array(0), np.array(1)
    ends = steps = graph.add("Shape", xs, start=1, end=2)
    if graph.lengths:
        ends = graph.add("Unsqueeze", graph.add("Cast", graph.lengths, to=_INT64), np.array([1, 2]))
    step = graph.add("Range", zero, graph.add("Squeeze", steps), one)
    step = graph.add("Unsqueeze", step, time)
    valid = graph.add("Less", step, ends)
    if how == "last":
        valid = graph.add("Equal", step, graph.add("Sub", ends, one))
    masked = graph.add("Where", valid, xs, np.array(-np.inf if how == "max" else 0.0))
    ys = graph.add("ReduceMax" if how == "max" else "ReduceSum", masked, time)
    if how == "max":
        ys = graph.add("Where", graph.add("Less", zero, ends), ys, np.array(0.0))
    if how == "mean":
        ys = graph.add("Div", ys, graph.add("Cast", graph.add("Max", ends, one), to=_FLOAT))
    return graph.add("Squeeze", ys, time)


def _bytes(graph: _Graph) -> bytes:
    """The graph in ONNX's own form."""
    try:
        from onnx import checker, helper, numpy_helper  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ImportError("save_onnx needs the package onnx: pip install onnx") from None

    def values(signature):
        return [helper.make_tensor_value_info(name, *kind) for name, kind in signature.items()]

    made = helper.make_graph(
        [helper.make_node(op, ins, outs, **given) for op, ins, outs, given in graph.nodes],
        "rnnjax",
        values(graph.inputs),
        values(graph.outputs),
        [numpy_helper.from_array(array, name) for name, array in graph.weights.items()],
    )
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(made, opset_imports=[opset], ir_version=_IR, producer_name="rnnjax")
    checker.check_model(model, full_check=True)
    return model.SerializeToString()
