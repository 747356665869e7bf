"""Weights from and to PyTorch's recurrent modules."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from .._core import Cell
from ..cells import Elman, ProjectedLSTM, ResetBeforeGRU
from ..layers import Dropout, Layer, Sequential
from ._gates import (
    OURS,
    Gates,
    check_options,
    from_cell,
    from_layer,
    join,
    parts,
    split,
    to_cell,
    to_layer,
)


def from_torch(
    source: Any, *, prefix: str = "", activation: str = "tanh", dropout: float = 0.0
) -> tuple[Any, Any]:
    """The cell or layer that computes what a recurrent module of PyTorch does.

    PyTorch's two biases become one, their sum, but for those of the GRU's candidate. The
    function is the same but for the rounding of that sum. In training the pair moves twice
    as fast as one bias does at the same rate, since both have the gradient of the sum.

    Args:
        source: an `RNN`, `LSTM`, `GRU`, `RNNCell`, `LSTMCell` or `GRUCell` of `torch.nn`, or
            a module that contains it; a `state_dict()`, or any mapping of such names to
            arrays or tensors; or the path of a file of safetensors. What can be told from
            names and shapes is: gates, layers, directions, projection.
        prefix: where in the module, mapping or file it is: "encoder.rnn.".
        activation: that of an RNN, PyTorch's `nonlinearity`; taken from a module.
        dropout: between the layers of a stack; taken from a module.

    Returns:
        A cell for a cell; an `RNN` or `Bidirectional` layer for a single layer, and a
        `Sequential` of them for a stack. And the parameters.

    Raises:
        ValueError: if an entry is missing, unexpected or of a wrong shape.

    Examples:
        >>> weights = {"weight_ih_l0": np.ones((16, 3)), "weight_hh_l0": np.ones((16, 4))}
        >>> layer, params = from_torch(weights)
        >>> layer.cell.hidden_size, params.w_x.shape
        (4, (3, 16))
    """
    if hasattr(source, "get_submodule"):
        source, prefix = source.get_submodule(prefix.removesuffix(".")), ""
        activation = getattr(source, "nonlinearity", activation)
        dropout = getattr(source, "dropout", dropout)
        source = source.state_dict()
    arrays = _read(source, prefix)
    endings = _endings(arrays)
    _check(arrays, endings)
    stack = [[_cell(_gates(arrays, ending), activation) for ending in layer] for layer in endings]
    if endings == [[""]]:
        return stack[0][0]
    pairs = [to_layer(directions) for directions in stack]
    if len(pairs) == 1:
        return pairs[0]
    if dropout:
        pairs = [pair for layer in pairs for pair in ((Dropout(dropout), ()), layer)][1:]
    layers, params = zip(*pairs, strict=True)
    return Sequential(layers), params


def to_torch(model: Cell | Layer, params: Any) -> dict[str, np.ndarray]:
    """The entries of the `state_dict` of a PyTorch module that computes what a model does.

    The second of PyTorch's two biases is zero, but for that of the GRU's candidate.

    Args:
        model: an Elman, GRU or LSTM cell; an `RNN` or `Bidirectional` layer of one, or
            of a ProjectedLSTM; or a `Sequential` of equal such layers, with the same
            `Dropout` between all of them or with none, whose rate is for PyTorch's constructor.
        params: its parameters.

    Returns:
        Arrays under PyTorch's names: `weight_ih_l0`, …; for a cell `weight_ih`, …

    Raises:
        ValueError: if PyTorch has no module that computes this.

    Examples:
        >>> import jax, rnnjax
        >>> layer = rnnjax.layers.RNN(rnnjax.LSTM(4))
        >>> arrays = to_torch(layer, layer.init(jax.random.key(0), 3))
        >>> # torch.nn.LSTM(3, 4).load_state_dict({k: torch.tensor(a) for k, a in arrays.items()})
        >>> arrays["weight_ih_l0"].shape
        (16, 3)
    """
    if isinstance(model, Cell):
        if isinstance(model, ProjectedLSTM):
            raise ValueError(f"expected a cell, got {model!r}; PyTorch projects only in LSTM")
        return _entries(model, params, "")
    arrays, activations = {}, set()
    for k, (layer, layer_params) in enumerate(_layers(model, params)):
        directions = from_layer(layer, layer_params)
        for (cell, cell_params), reverse in zip(directions, ("", "_reverse"), strict=False):
            arrays |= _entries(cell, cell_params, f"_l{k}{reverse}")
            activations.add(getattr(cell, "activation", None))
    if len(activations) > 1:
        raise ValueError(f"expected one activation in all layers, got {activations}")
    _check(arrays, _endings(arrays))
    return arrays


def _read(source: Any, prefix: str) -> dict[str, np.ndarray]:
    """The entries below a prefix, as arrays."""
    if isinstance(source, str | os.PathLike):
        from safetensors import safe_open

        with safe_open(source, framework="numpy") as file:
            names = filter(lambda name: name.startswith(prefix), file.keys())
            source = {name: file.get_tensor(name) for name in names}
    if not isinstance(source, Mapping):
        raise ValueError(
            "expected a module of torch.nn, a mapping of names to arrays, or the path of a file "
            f"of safetensors, got {type(source)}"
        )
    return {
        name.removeprefix(prefix): _array(value)
        for name, value in source.items()
        if name.startswith(prefix)
    }


def _array(value: Any) -> np.ndarray:
    if not hasattr(value, "detach"):
        return np.asarray(value)
    value = value.detach().cpu()
    if str(value.dtype) == "torch.bfloat16":  # which NumPy alone does not know
        return value.float().numpy().astype(jnp.bfloat16)
    return value.numpy()


def _endings(names: Iterable[str]) -> list[list[str]]:
    """How the names end, for every layer and direction; a cell's end with nothing."""
    layers = sum(re.fullmatch(r"weight_ih_l\d+", name) is not None for name in names)
    directions = ("", "_reverse") if any(n.endswith("_reverse") for n in names) else ("",)
    return [[f"_l{k}{direction}" for direction in directions] for k in range(layers)] or [[""]]


def _check(arrays: Mapping[str, np.ndarray], endings: list[list[str]]) -> None:
    """Raises unless these are the entries of one module, of shapes that fit each other."""
    expected = _shapes(arrays, endings)
    if extra := sorted(arrays.keys() - expected.keys()):
        raise ValueError(f"expected the entries of one recurrent module, got others: {extra}")
    for name, shape in expected.items():
        if name not in arrays:
            raise ValueError(f"expected an entry {name!r}, got {sorted(arrays)}")
        if arrays[name].shape != shape:
            raise ValueError(
                f"expected {name} of shape {list(shape)}, got {list(arrays[name].shape)}; in "
                "PyTorch all layers and directions of a module are of one kind and size"
            )


def _shapes(
    arrays: Mapping[str, np.ndarray], endings: list[list[str]]
) -> dict[str, tuple[int, ...]]:
    """The shapes of all entries, as the first weights tell them."""
    projected = any(name.startswith("weight_hr") for name in arrays)
    biased = any(name.startswith("bias") for name in arrays)
    for kind in ["weight_ih", "weight_hh"] + ["weight_hr"] * projected:
        if np.ndim(arrays.get(name := kind + endings[0][0])) != 2:
            raise ValueError(
                f"expected a matrix {name!r}, got entries {sorted(arrays)[:8]}; has the module "
                "a prefix, such as 'encoder.rnn.'?"
            )
    rows, inputs = arrays["weight_ih" + endings[0][0]].shape
    outputs = arrays["weight_hh" + endings[0][0]].shape[1]
    hidden = arrays["weight_hr" + endings[0][0]].shape[1] if projected else outputs
    if rows not in [gates * hidden for gates in ([4] if projected else OURS)]:
        raise ValueError(
            f"expected 1, 3 or 4 gates of {hidden} rows, and 4 with a projection, got {rows} rows"
        )
    shapes = {}
    for layer in endings:
        for ending in layer:
            shapes["weight_ih" + ending] = (rows, inputs)
            shapes["weight_hh" + ending] = (rows, outputs)
            if biased:
                shapes["bias_ih" + ending] = shapes["bias_hh" + ending] = (rows,)
            if projected:
                shapes["weight_hr" + ending] = (outputs, hidden)
        inputs = len(layer) * outputs
    return shapes


def _gates(arrays: Mapping[str, np.ndarray], ending: str) -> Gates:
    w_x, w_h = (arrays[kind + ending].T for kind in ("weight_ih", "weight_hh"))
    w_p = arrays["weight_hr" + ending].T if "weight_hr" + ending in arrays else None
    rows = w_x.shape[1]
    order = OURS[rows // len(w_h if w_p is None else w_p)]
    biases = [
        split(arrays[name], order)
        for name in (f"bias_ih{ending}", f"bias_hh{ending}")
        if name in arrays
    ]
    return Gates(split(w_x, order), split(w_h, order), np.stack(biases) if biases else None, w_p)


def _cell(gates: Gates, activation: str) -> tuple[Cell, Any]:
    """The cell of these gates; only an RNN of PyTorch may have other activations than ours."""
    return to_cell(gates, activation=activation if gates.w_x.shape[1] == 1 else "tanh")


def _entries(cell: Cell, params: Any, ending: str) -> dict[str, np.ndarray]:
    """The entries of one cell."""
    if isinstance(cell, ResetBeforeGRU):
        raise ValueError(f"expected a GRU, which resets after the product, got {cell!r}")
    gates = from_cell(cell, params)
    check_options(cell, "PyTorch", ("tanh", "relu") if isinstance(cell, Elman) else ("tanh",))
    order = OURS[gates.w_x.shape[1]]
    arrays = {"weight_ih": join(gates.w_x, order).T, "weight_hh": join(gates.w_h, order).T}
    if gates.biases is not None:
        b_x, b_h = (join(b, order) for b in gates.biases)
        arrays |= {"bias_ih": b_x, "bias_hh": b_h}
    if gates.w_p is not None:
        arrays["weight_hr"] = gates.w_p.T
    return {kind + ending: np.array(a, order="C") for kind, a in arrays.items()}


def _layers(model: Layer, params: Any) -> list[tuple[Layer, Any]]:
    """The recurrent layers of a model, each with its parameters."""
    pairs = [(model, params)]
    if isinstance(model, Sequential):
        pairs = [(layer, layer_params) for _, layer, layer_params in parts(model, params)]
        between = model.layers[1::2]
        alike = len(pairs) % 2 and len(set(between)) == 1
        if alike and isinstance(between[0], Dropout) and not between[0].per_sequence:
            pairs = pairs[::2]
    for layer, _ in pairs:
        if getattr(layer, "reverse", False) or getattr(layer, "merge", "concat") != "concat":
            raise ValueError(
                "expected layers that run forward, or in both directions with merge='concat', "
                f"as PyTorch's do, got {layer!r}"
            )
    return pairs
