"""Weights from and to Haiku's recurrent cores."""

import posixpath
from typing import Any

import numpy as np

from .._core import Cell
from ..cells import LSTM, Elman, ResetBeforeGRU
from ._gates import Gates, check_options, from_cell, to_cell
from ._layout import Layout, flat, nested, pack, unpack

# The linear map of the LSTM takes [x, h]: the rows of its weight are cut before they are read.
LAYOUTS: dict[type, Layout] = {
    LSTM: {"w[:-H]": ("w_x", "igfo"), "w[-H:]": ("w_h", "igfo"), "b": ("b", "igfo")},
    ResetBeforeGRU: {"w_i": ("w_x", "zrn"), "w_h": ("w_h", "zrn"), "b": ("b", "zrn")},
    Elman: {
        "linear/w": ("w_x", "h"),
        "linear/b": ("b_x", "h"),
        "linear_1/w": ("w_h", "h"),
        "linear_1/b": ("b_h", "h"),
    },
}
SINGLE_BIAS = {name: entry for name, entry in LAYOUTS[Elman].items() if name != "linear_1/b"}
CORES = {LSTM: "lstm", ResetBeforeGRU: "gru", Elman: "vanilla_rnn"}


def from_haiku(params: Any) -> tuple[Cell, Any]:
    """The cell that computes what a core of Haiku does, with its parameters.

    Haiku's LSTM adds 1 to the forget gate when it runs; here that is part of the bias. Its
    GRU keeps the state where ours takes the new one, so the update gate changes sign. The two
    biases of its `VanillaRNN` become one, their sum: the way back cannot tell them apart, and
    under plain gradient descent the one learns half as fast as the pair did.

    Args:
        params: the parameters of one `LSTM`, `GRU` or `VanillaRNN` of Haiku: names of modules,
            to names of arrays, to arrays. Of a model's, take those whose module is the core:
            `{m: a for m, a in params.items() if m.startswith("my_model/lstm")}`.

    Returns:
        An `LSTM`, a `ResetBeforeGRU` or an `Elman` with relu; and its parameters.

    Raises:
        ValueError: if an array is missing, unknown or of a wrong shape.

    Examples:
        >>> cell, params = from_haiku({"lstm/linear": {"w": np.ones((7, 16)), "b": np.ones(16)}})
        >>> cell, params.w_x.shape
        (LSTM(4), (3, 16))
    """
    arrays = flat(params)
    core = posixpath.commonpath([posixpath.dirname(path) for path in arrays] or [""])
    arrays = {path.removeprefix(f"{core}/"): np.asarray(a) for path, a in arrays.items()}
    if arrays.keys() == {"w", "b"}:
        w, hidden_size = arrays.pop("w"), arrays["b"].size // 4
        arrays |= {"w[:-H]": w[:-hidden_size], "w[-H:]": w[-hidden_size:]}
    gates = _translated(unpack(arrays, [*LAYOUTS.values(), SINGLE_BIAS]), 1)
    activation = "relu" if gates.w_x.shape[-2] == 1 else "tanh"
    return to_cell(gates, activation=activation, reset_after=False)


def to_haiku(cell: Cell, params: Any, name: str | None = None) -> dict[str, dict[str, np.ndarray]]:
    """The parameters of the Haiku core that computes what a cell does.

    Args:
        cell: an `LSTM`, a `ResetBeforeGRU`, or an `Elman` with relu.
        params: its parameters.
        name: the path of the core's module; `None` is that of a core on its own, "lstm", "gru"
            or "vanilla_rnn".

    Returns:
        What a transformed function of Haiku takes as its parameters.

    Raises:
        ValueError: if Haiku has no such core.

    Examples:
        >>> import jax, rnnjax
        >>> cell = rnnjax.LSTM(4)
        >>> arrays = to_haiku(cell, cell.init(jax.random.key(0), 3))
        >>> arrays["lstm/linear"]["w"].shape  # core.apply(arrays, xs)
        (7, 16)
    """
    match cell:
        case LSTM() | ResetBeforeGRU() | Elman(activation="relu"):
            activation = "relu" if isinstance(cell, Elman) else "tanh"
            check_options(cell, "Haiku", (activation,), biased=True)
            gates = _translated(from_cell(cell, params), -1)
        case _:
            raise ValueError(
                "expected an LSTM, a ResetBeforeGRU, or an Elman with relu, as Haiku has, got "
                f"{cell!r}"
            )
    arrays = pack(gates, LAYOUTS[type(cell)])
    if isinstance(cell, LSTM):
        w = np.concatenate([arrays["w[:-H]"], arrays["w[-H:]"]])
        arrays = {"linear/w": w, "linear/b": arrays["b"]}
    name = name or CORES[type(cell)]
    return nested({f"{name}/{path}": a for path, a in arrays.items()})


def _translated(gates: Gates, forget: int) -> Gates:
    """Ours of Haiku's gates, and Haiku's of ours; `forget` is added to the forget gate's bias.

    The update gate of a GRU changes sign: sigmoid(-a) = 1 - sigmoid(a).
    """
    dtype = gates.w_x.dtype
    if gates.biases is None:
        raise ValueError("expected a cell with biases, as Haiku's have, got one without")
    match gates.w_x.shape[-2]:
        case 3:
            signs = np.array([[1], [-1], [1]], dtype)
            return Gates(gates.w_x * signs, gates.w_h * signs, gates.biases * signs)
        case 4:
            biases = gates.biases.copy()
            biases[0, 1] += dtype.type(forget)
            return gates._replace(biases=biases)
        case _:
            return gates
