"""Weights from and to the recurrent layers of Keras 3."""

import dataclasses
from typing import Any

import numpy as np

from .._checks import check_choice, check_flag
from .._core import Cell
from ..cells import GRU, LSTM, Elman, ResetBeforeGRU
from ..layers import RNN, Bidirectional, Layer
from ._layers import from_layer, to_layer
from ._peer import Form, Peer

ACTIVATIONS = {"tanh": "tanh", "relu": "relu", "sigmoid": "sigmoid", "linear": "identity"}
OURS = tuple(ACTIVATIONS.values())


def _form(cell: type[Cell], gates: str, biases: str) -> Form:
    layout = {"kernel": f"w_x {gates}", "recurrent_kernel": f"w_h {gates}", "bias": biases}
    return Form(cell, layout, OURS, OURS)


KERAS = Peer(
    "Keras",
    (
        _form(LSTM, "ifgo", "b ifgo"),
        _form(GRU, "zrn", "b_x zrn b_h zrn"),
        _form(ResetBeforeGRU, "zrn", "b zrn"),
        _form(Elman, "h", "b h"),
    ),
)
MERGES = {"concat": "concat", "sum": "sum", "ave": "mean", "mul": "product"}
# The options that a layer must have, and the reason.
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
    """Convert a recurrent layer of Keras to the layer with the same function.

    The layer gives all outputs and the final state, whatever `return_sequences` and
    `return_state` say. At masked steps it gives zeros, as Keras with `zero_output_for_mask`.

    A GRU that resets after the product has two biases. For r and z they become one each, their
    sum: the way back cannot separate them, and under plain gradient descent the one learns half
    as fast as the pair did.

    Args:
        source: an `LSTM`, `GRU`, `SimpleRNN` or a `Bidirectional` of them; or the result of its
            `get_weights()`, which shows gates and directions.
        activation: the activation, for weights alone: "tanh", "relu", "sigmoid" or "linear".
        reset_after: the kind of a GRU, for weights alone and without biases.
        merge_mode: the merge of a `Bidirectional`, for weights alone.

    Returns:
        An `RNN` or a `Bidirectional` layer, and its parameters.

    Raises:
        ValueError: if an array is missing, of a wrong shape or not of real numbers, or if there
            is no equal layer here.

    Examples:
        >>> weights = [np.ones((3, 12)), np.ones((4, 12)), np.ones((2, 12))]
        >>> layer, params = from_keras(weights)
        >>> layer.cell
        GRU(4)
    """
    check_flag("reset_after", reset_after)
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
    merge = MERGES[check_choice("merge_mode", merge_mode, (*MERGES,))]
    if isinstance(layer, Bidirectional):
        layer = dataclasses.replace(layer, merge=merge)
    return layer, params


def to_keras(layer: Layer, params: Any) -> list[np.ndarray]:
    """Convert a layer to the weights of the Keras layer with the same function.

    The weights do not include activations, `use_bias`, `reset_after` and `merge_mode`. The Keras
    layer must have the same.

    Args:
        layer: an `RNN` or `Bidirectional` layer of `LSTM`, `GRU`, `ResetBeforeGRU` or `Elman`
            cells.
        params: its parameters.

    Returns:
        The argument of `set_weights` of the Keras layer.

    Raises:
        ValueError: if Keras has no such layer, or the parameters are not the layer's.

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
    known = type(layer).__name__ in ("LSTM", "GRU", "SimpleRNN")
    if not known or not hasattr(layer, "get_config"):
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
        if value not in [*ACTIVATIONS]:
            raise ValueError(f"expected {name} to be one of {[*ACTIVATIONS]}, got {value!r}")
    arrays: dict[str, Any] = dict(
        zip(("kernel", "recurrent_kernel", "bias"), weights, strict=False)
    )
    kinds = {form.cell for form in KERAS.forms} - {ResetBeforeGRU if reset_after else GRU}
    if "bias" in arrays:
        shape = np.shape(arrays["bias"])
        arrays["bias"] = np.ravel(arrays["bias"])
        kinds = {GRU} if len(shape) == 2 else {LSTM, ResetBeforeGRU, Elman}
    return KERAS.read(
        arrays,
        kinds=kinds,
        activation=ACTIVATIONS[activation],
        gate_activation=ACTIVATIONS[gates],
    )


def _weights(cell: Cell, params: Any) -> list[np.ndarray]:
    """The arrays of one cell, two where it has no bias."""
    arrays = KERAS.write(cell, params)
    if isinstance(cell, GRU) and cell.use_bias:
        arrays["bias"] = arrays["bias"].reshape(2, -1)
    return list(arrays.values())
