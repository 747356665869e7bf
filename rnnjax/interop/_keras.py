"""Weights from and to the recurrent layers of Keras 3."""

import dataclasses
from typing import Any

import numpy as np

from .._core import Cell
from ..cells import GRU, LSTM, Elman, ResetBeforeGRU
from ..layers import RNN, Bidirectional, Layer
from ._gates import from_cell, from_layer, to_layer
from ._layout import Layout, pack, read, without_biases

LAYOUTS: dict[str, Layout] = {
    name: {"kernel": ("w_x", order), "recurrent_kernel": ("w_h", order)} | biases
    for name, order, biases in (
        ("LSTM", "ifgo", {"bias": ("b", "ifgo")}),
        ("GRU, reset after", "zrn", {"bias[0]": ("b_x", "zrn"), "bias[1]": ("b_h", "zrn")}),
        ("GRU, reset before", "zrn", {"bias": ("b", "zrn")}),
        ("SimpleRNN", "h", {"bias": ("b", "h")}),
    )
}
ACTIVATIONS = {"tanh": "tanh", "relu": "relu", "sigmoid": "sigmoid", "linear": "identity"}
MERGES = {"concat": "concat", "sum": "sum", "ave": "mean", "mul": "product"}
# What a layer must not have been told otherwise, and why.
EXPECTED = {
    "dropout": (0, "put Dropout(rate, per_sequence=True) in front of the layer"),
    "recurrent_dropout": (0, "wrap the cell of a converted layer in VariationalDropout"),
    "stateful": (False, "here the carry that a call returns is an argument of the next"),
    "go_backwards": (
        False,
        "Keras gives such outputs in the order of processing; convert its get_weights(), and "
        "run the cell in RNN(cell, reverse=True), which keeps the order of the inputs",
    ),
}


def from_keras(
    source: Any, *, activation: str = "tanh", reset_after: bool = True, merge_mode: str = "concat"
) -> tuple[Layer, Any]:
    """The layer that computes what a recurrent layer of Keras does, with its parameters.

    The layer gives all outputs and the final state, whatever `return_sequences` and
    `return_state` say. At masked steps it gives zeros, as Keras with `zero_output_for_mask`.

    Of the two biases of a GRU that resets after the product, those of r and z become one each,
    their sum: the way back cannot tell them apart, and under plain gradient descent the one
    learns half as fast as the pair did.

    Args:
        source: an `LSTM`, `GRU`, `SimpleRNN` or a `Bidirectional` of them; or what its
            `get_weights()` gives, from which gates and directions are told.
        activation: which weights do not tell: "tanh", "relu", "sigmoid" or "linear".
        reset_after: of a GRU without biases, which tell it otherwise.
        merge_mode: of a `Bidirectional`, which its weights do not tell.

    Returns:
        An `RNN` or a `Bidirectional` layer, and its parameters.

    Raises:
        ValueError: if an array is missing or of a wrong shape, or if the layer is one that has
            no equal here.

    Examples:
        >>> weights = [np.ones((3, 12)), np.ones((4, 12)), np.ones((2, 12))]
        >>> layer, params = from_keras(weights)
        >>> layer.cell
        GRU(4)
    """
    if isinstance(source, list | tuple):
        half = len(source) // 2
        parts = [source] if len(source) < 4 else [source[:half], source[half:]]
        cells = [_cell(list(weights), activation, reset_after) for weights in parts]
    elif hasattr(source, "merge_mode"):
        merge_mode = source.merge_mode
        cells = [_of_layer(source.forward_layer), _of_layer(source.backward_layer, backward=True)]
    else:
        cells = [_of_layer(source)]
    layer, params = to_layer(cells)
    if isinstance(layer, Bidirectional):
        if merge_mode not in MERGES:
            raise ValueError(f"expected merge_mode to be one of {list(MERGES)}, got {merge_mode!r}")
        layer = dataclasses.replace(layer, merge=MERGES[merge_mode])
    return layer, params


def to_keras(layer: Layer, params: Any) -> list[np.ndarray]:
    """The weights of the Keras layer that computes what a layer does.

    Activations, `use_bias`, `reset_after` and `merge_mode` are not among the weights: the Keras
    layer must have been made with those of ours.

    Args:
        layer: an `RNN` or `Bidirectional` layer of `LSTM`, `GRU`, `ResetBeforeGRU` or `Elman`
            cells.
        params: its parameters.

    Returns:
        What `set_weights` of the Keras layer takes.

    Raises:
        ValueError: if Keras has no such layer.

    Examples:
        >>> import jax, rnnjax
        >>> layer = rnnjax.layers.RNN(rnnjax.GRU(4))
        >>> weights = to_keras(layer, layer.init(jax.random.key(0), 3))
        >>> [w.shape for w in weights]  # keras.layers.GRU(4, …).set_weights(weights)
        [(3, 12), (4, 12), (2, 12)]
    """
    if isinstance(layer, RNN) and layer.reverse:
        raise ValueError(
            "expected a layer that runs forwards, got one with reverse=True; with "
            "go_backwards Keras gives outputs in the order of processing"
        )
    return [w for cell, p in from_layer(layer, params) for w in _weights(cell, p)]


def _of_layer(layer: Any, backward: bool = False) -> tuple[Cell, Any]:
    if type(layer).__name__ not in ("LSTM", "GRU", "SimpleRNN"):
        raise ValueError(
            "expected an LSTM, GRU or SimpleRNN of Keras, a Bidirectional of one, or a list of "
            f"their weights, got {layer!r}"
        )
    config = layer.get_config()
    for name, (expected, why) in EXPECTED.items():
        expected = backward if name == "go_backwards" else expected
        if (value := config.get(name, expected)) != expected:
            raise ValueError(f"expected {name}={expected!r}, got {value!r}; {why}")
    return _cell(
        layer.get_weights(),
        config["activation"],
        config.get("reset_after", True),
        config.get("recurrent_activation", "sigmoid"),
    )


def _cell(
    weights: list, activation: str, reset_after: bool, gates: str = "sigmoid"
) -> tuple[Cell, Any]:
    """One cell of its two or three arrays."""
    if len(weights) not in (2, 3):
        raise ValueError(
            "expected two or three arrays a direction: kernel, recurrent_kernel and bias, got "
            f"{len(weights)}; has the layer been built?"
        )
    for name, value in (("activation", activation), ("recurrent_activation", gates)):
        if value not in (names := list(ACTIVATIONS)):
            raise ValueError(f"expected {name} to be one of {names}, got {value!r}")
    arrays: dict[str, Any] = dict(
        zip(("kernel", "recurrent_kernel", "bias"), weights, strict=False)
    )
    layouts = list(LAYOUTS.values())
    if "bias" not in arrays:
        layouts = [without_biases(layout) for layout in layouts]
    elif np.ndim(arrays["bias"]) == 2:
        arrays |= {f"bias[{i}]": b for i, b in enumerate(arrays.pop("bias"))}
    else:
        reset_after = False
    names: Any = {"activation": ACTIVATIONS[activation], "gate_activation": ACTIVATIONS[gates]}
    return read(arrays, layouts, reset_after=reset_after, **names)


def _weights(cell: Cell, params: Any) -> list[np.ndarray]:
    """The arrays of one cell, two where it has no bias."""
    match cell:
        case LSTM():
            layout = LAYOUTS["LSTM"]
        case GRU():
            layout = LAYOUTS["GRU, reset after"]
        case ResetBeforeGRU():
            layout = LAYOUTS["GRU, reset before"]
        case Elman():
            layout = LAYOUTS["SimpleRNN"]
        case _:
            raise ValueError(
                f"expected an LSTM, a GRU, a ResetBeforeGRU or an Elman, as Keras has, got {cell!r}"
            )
    names = [cell.activation, getattr(cell, "gate_activation", "sigmoid")]
    if not {*names} <= {*ACTIVATIONS.values()}:
        raise ValueError(f"expected activations of {[*ACTIVATIONS.values()]}, got {names}")
    kernel, recurrent_kernel, *bias = pack(from_cell(cell, params), layout).values()
    return [kernel, recurrent_kernel, *(bias if len(bias) < 2 else [np.stack(bias)])]
