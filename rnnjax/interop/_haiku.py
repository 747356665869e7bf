"""Weights from and to Haiku's recurrent cores."""

import posixpath
from typing import Any

import numpy as np

from .._checks import check_instance
from .._core import Cell
from ..cells import GRU, LSTM, Elman, ResetBeforeGRU
from ._peer import Form, Peer
from ._tree import as_numpy, flat, nested

# The linear map of the LSTM takes [x, h]: the rows of its weight are cut before they are read.
_LSTM = {"w[:-H]": "w_x igfo", "w[-H:]": "w_h igfo", "b": "b igfo"}
# Haiku's update gate keeps the state and ours takes the new one: sigmoid(-a) = 1 - sigmoid(a).
_GRU = {"w_i": "w_x Zrn", "w_h": "w_h Zrn", "b": "b Zrn"}
_SINGLE_BIAS = {"linear/w": "w_x h", "linear/b": "b_x h", "linear_1/w": "w_h h"}
_ELMAN = _SINGLE_BIAS | {"linear_1/b": "b_h h"}
HAIKU = Peer(
    "Haiku",
    (
        Form(LSTM, _LSTM),
        Form(ResetBeforeGRU, _GRU),
        Form(Elman, _ELMAN, ("relu",)),
        Form(Elman, _SINGLE_BIAS, ("relu",)),
    ),
    biased=True,
    forget_bias=1.0,
    notes={GRU: "; its GRU resets before the product"},
)
CORES = {LSTM: "lstm", ResetBeforeGRU: "gru", Elman: "vanilla_rnn"}


def from_haiku(params: Any) -> tuple[Cell, Any]:
    """Convert a core of Haiku to the cell with the same function, with its parameters.

    Haiku's LSTM adds 1 to the forget gate when it runs; here that is part of the bias. Its
    GRU keeps the state where ours takes the new one, so the update gate changes sign. The two
    biases of its `VanillaRNN` become one, their sum: the way back cannot separate them, and
    under plain gradient descent the one learns half as fast as the pair did.

    Args:
        params: the parameters of one `LSTM`, `GRU` or `VanillaRNN` of Haiku: names of modules,
            to names of arrays, to arrays. Of a whole model take the modules of the core:
            `{m: a for m, a in params.items() if m.startswith("my_model/lstm")}`.

    Returns:
        An `LSTM`, a `ResetBeforeGRU` or an `Elman` with relu; and its parameters.

    Raises:
        ValueError: if an array is missing, unknown, of a wrong shape, or not of real numbers.

    Examples:
        >>> cell, params = from_haiku({"lstm/linear": {"w": np.ones((7, 16)), "b": np.ones(16)}})
        >>> cell, params.w_x.shape
        (LSTM(4), (3, 16))
    """
    arrays = flat(params)
    core = posixpath.commonpath([posixpath.dirname(path) for path in arrays] or [""])
    arrays = {path.removeprefix(f"{core}/"): as_numpy(path, a) for path, a in arrays.items()}
    if arrays.keys() == {"w", "b"}:
        w, hidden_size = arrays.pop("w"), arrays["b"].size // 4
        if w.ndim != 2:
            raise ValueError(f"expected w of 2 axes, [x, h] and gates, got shape {list(w.shape)}")
        arrays |= {"w[:-H]": w[:-hidden_size], "w[-H:]": w[-hidden_size:]}
    return HAIKU.read(arrays)


def to_haiku(cell: Cell, params: Any, name: str | None = None) -> dict[str, dict[str, np.ndarray]]:
    """Convert a cell to the parameters of the Haiku core with the same function.

    Args:
        cell: an `LSTM`, a `ResetBeforeGRU`, or an `Elman` with relu.
        params: its parameters.
        name: the path of the core's module; by default the path of a core on its own, "lstm",
            "gru" or "vanilla_rnn".

    Returns:
        The parameters of a transformed function of Haiku.

    Raises:
        ValueError: if Haiku has no such core, or the parameters are not the cell's.

    Examples:
        >>> import jax, rnnjax
        >>> cell = rnnjax.LSTM(4)
        >>> arrays = to_haiku(cell, cell.init(jax.random.key(0), 3))
        >>> arrays["lstm/linear"]["w"].shape  # core.apply(arrays, xs)
        (7, 16)
    """
    arrays = HAIKU.write(cell, params)
    if isinstance(cell, LSTM):
        w = np.concatenate([arrays["w[:-H]"], arrays["w[-H:]"]])
        arrays = {"linear/w": w, "linear/b": arrays["b"]}
    if not check_instance("name", name := CORES[type(cell)] if name is None else name, str):
        raise ValueError("expected name to be the path of a module, got ''")
    return nested({f"{name}/{path}": a for path, a in arrays.items()})
