"""Weights from and to PyTorch's recurrent modules."""

import os
import re
from collections.abc import Collection, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from .._checks import check_instance, check_rate
from .._core import Cell
from ..cells import GRU, LSTM, Elman, ProjectedLSTM, ResetBeforeGRU
from ..layers import Dropout, Layer, Sequential
from ._layers import from_layer, to_layer
from ._layout import Layout
from ._peer import Form, Peer
from ._safetensors import read_safetensors
from ._tree import as_numpy


def _layout(gates: str) -> Layout:
    names = {"weight_ih": "w_x", "weight_hh": "w_h", "bias_ih": "b_x", "bias_hh": "b_h"}
    return {name: f"{field} {gates}" for name, field in names.items()}


PYTORCH = Peer(
    "PyTorch",
    (
        Form(Elman, _layout("h"), ("tanh", "relu")),
        Form(GRU, _layout("rzn")),
        Form(LSTM, _layout("ifgo")),
        Form(ProjectedLSTM, _layout("ifgo") | {"weight_hr": "w_p p"}),
    ),
    transposed=True,
    notes={ResetBeforeGRU: "; its GRU resets after the product"},
)
DIRECTIONS = ("", "_reverse")
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


def from_torch(
    source: Any, *, prefix: str = "", activation: str | None = None, dropout: float = 0.0
) -> tuple[Any, Any]:
    """Convert a recurrent module of PyTorch to the cell or layer with the same function.

    PyTorch's two biases become one, their sum, except in the GRU's candidate. The function is the
    same up to the rounding of that sum. In training the pair moves twice
    as fast as one bias does at the same rate, since both have the gradient of the sum.

    Args:
        source: an `RNN`, `LSTM`, `GRU`, `RNNCell`, `LSTMCell` or `GRUCell` of `torch.nn`, or
            a module that contains it; a `state_dict()`, or any mapping of such names to
            arrays or tensors; or the path of a file of safetensors. Names and shapes show gates,
            layers, directions and projection.
        prefix: the place in the module, mapping or file, such as "encoder.rnn.".
        activation: the activation of an RNN, PyTorch's `nonlinearity`; a module shows it, and the
            default is "tanh".
        dropout: the rate of dropout between the layers of a stack; a module shows it.

    Returns:
        A cell for a cell; an `RNN` or `Bidirectional` layer for a single layer, and a
        `Sequential` of them for a stack. And the parameters.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if an entry is missing, unexpected, of a wrong shape or not of real numbers;
            or if the file is a pickle or another one.

    Examples:
        >>> weights = {"weight_ih_l0": np.ones((16, 3)), "weight_hh_l0": np.ones((16, 4))}
        >>> layer, params = from_torch(weights)
        >>> layer.cell.hidden_size, params.w_x.shape
        (4, (3, 16))
    """
    check_instance("prefix", prefix, str)
    dropout = check_rate("dropout", dropout)
    if hasattr(source, "get_submodule"):
        source, prefix = source.get_submodule(prefix.removesuffix(".")), ""
        activation = getattr(source, "nonlinearity", activation)
        dropout = getattr(source, "dropout", dropout)
        source = source.state_dict()
    arrays = _read(source, prefix)
    endings = _endings(arrays)
    stack = [[_cell(arrays, ending, activation) for ending in layer] for layer in endings]
    _check_alike(stack)
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
    """Convert a model to the `state_dict` of the PyTorch module with the same function.

    The second of PyTorch's two biases is zero, except in the GRU's candidate.

    Args:
        model: an Elman, GRU or LSTM cell; an `RNN` or `Bidirectional` layer of one, or
            of a ProjectedLSTM; or a `Sequential` of equal such layers, with the same
            `Dropout` between all of them or with none; its rate is for PyTorch's constructor.
        params: its parameters.

    Returns:
        Arrays under PyTorch's names: `weight_ih_l0`, …; for a cell `weight_ih`, …

    Raises:
        ValueError: if PyTorch has no such module, or the parameters are not the model's.

    Examples:
        >>> import jax, rnnjax
        >>> layer = rnnjax.layers.RNN(rnnjax.LSTM(4))
        >>> arrays = to_torch(layer, layer.init(jax.random.key(0), 3))
        >>> # torch.nn.LSTM(3, 4).load_state_dict({k: torch.tensor(a) for k, a in arrays.items()})
        >>> arrays["weight_ih_l0"].shape
        (16, 3)
    """
    if isinstance(model, ProjectedLSTM):
        raise ValueError(f"expected a layer of it, got {model!r}; PyTorch projects only in LSTM")
    if isinstance(model, Cell):
        return PYTORCH.write(model, params)
    stack = [from_layer(*pair) for pair in _layers(model, params)]
    arrays = {
        f"{name}_l{k}{reverse}": a
        for k, directions in enumerate(stack)
        for pair, reverse in zip(directions, DIRECTIONS, strict=False)
        for name, a in PYTORCH.write(*pair).items()
    }
    _check_alike(stack)
    return arrays


def _read(source: Any, prefix: str) -> dict[str, np.ndarray]:
    """The entries below a prefix, as arrays."""
    if isinstance(source, str | os.PathLike):
        _, source = read_safetensors(source, prefix)
    if not isinstance(source, Mapping):
        raise ValueError(
            "expected a module of torch.nn, a mapping of names to arrays, or the path of a file "
            f"of safetensors, got {type(source)}"
        )
    return {
        str(name).removeprefix(prefix): _array(name, value)
        for name, value in source.items()
        if str(name).startswith(prefix)
    }


def _array(name: Any, value: Any) -> np.ndarray:
    if not hasattr(value, "detach"):
        return as_numpy(name, value)
    value = value.detach().cpu()
    if str(value.dtype) == "torch.bfloat16":  # which NumPy alone does not know
        return value.float().numpy().astype(jnp.bfloat16)
    return value.numpy()


def _endings(names: Collection[str]) -> list[list[str]]:
    """The ends of the names for every layer and direction; a cell's have none."""
    layers = sum(re.fullmatch(r"weight_ih_l\d+", name) is not None for name in names)
    directions = DIRECTIONS[: 1 + any(name.endswith("_reverse") for name in names)]
    endings = [[f"_l{k}{end}" for end in directions] for k in range(layers)] or [[""]]
    first = f"weight_ih{endings[0][0]}"
    if first not in names:
        raise ValueError(
            f"expected a matrix {first!r}, got entries {sorted(names)[:8]}; has the module "
            "a prefix, such as 'encoder.rnn.'?"
        )
    known = {kind + ending for kind in KINDS for layer in endings for ending in layer}
    if extra := sorted(name for name in names if name not in known):
        raise ValueError(f"expected the entries of one recurrent module, got others: {extra[:8]}")
    return endings


def _cell(
    arrays: Mapping[str, np.ndarray], ending: str, activation: str | None
) -> tuple[Cell, Any]:
    part = {kind: arrays[kind + ending] for kind in KINDS if kind + ending in arrays}
    return PYTORCH.read(part, activation=activation, ending=ending)


def _check_alike(stack: list[list[tuple[Any, Any]]]) -> None:
    """Raises unless all cells are of one kind and size, and take the outputs of the layer below."""
    directions, (cell, first) = len(stack[0]), stack[0][0]
    expected = f"{cell!r} of {len(first.w_x)} inputs in {directions} directions"
    for k, layer in enumerate(stack):
        for (other, params), reverse in zip(layer, DIRECTIONS, strict=False):
            got = f"{other!r} of {len(params.w_x)} inputs in {len(layer)} directions"
            if got != expected:
                raise ValueError(
                    f"expected {expected} as layer {k}{reverse}, got {got}; in PyTorch all layers "
                    "and directions of a module are of one kind and size"
                )
        expected = f"{cell!r} of {directions * cell.output_size} inputs in {directions} directions"


def _layers(model: Layer, params: Any) -> list[tuple[Layer, Any]]:
    """The recurrent layers of a model, each with its parameters."""
    pairs = [(model, params)]
    if isinstance(model, Sequential):
        pairs = [(layer, layer_params) for _, layer, layer_params in model.parts(params)]
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
