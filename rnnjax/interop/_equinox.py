"""Weights from and to Equinox's recurrent cells."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._core import Cell
from ..cells import GRU, LSTM
from ._peer import Form, Peer

_LSTM = {"weight_ih": "w_x ifgo", "weight_hh": "w_h ifgo", "bias": "b ifgo"}
_GRU = {"weight_ih": "w_x rzn", "weight_hh": "w_h rzn", "bias": "b_x rzn", "bias_n": "b_h n"}
EQUINOX = Peer("Equinox", (Form(LSTM, _LSTM), Form(GRU, _GRU)), transposed=True)
NAMES = ("weight_ih", "weight_hh", "bias", "bias_n")


def from_equinox(source: Any) -> tuple[Cell, Any]:
    """Convert a cell of Equinox to the cell with the same function, with its parameters.

    Parameters correspond one to one.

    Args:
        source: an `LSTMCell` or `GRUCell` of `equinox.nn`, or a mapping of the names of its
            arrays to them; names and shapes show the kind of cell.

    Returns:
        An `LSTM` or a `GRU`, and its parameters.

    Raises:
        ValueError: if an array is missing, unknown, of a wrong shape, or not of real numbers.

    Examples:
        >>> weights = {"weight_ih": np.ones((16, 3)), "weight_hh": np.ones((16, 4))}
        >>> cell, params = from_equinox(weights)
        >>> cell
        LSTM(4, use_bias=False)
    """
    if not isinstance(source, Mapping):
        source = {name: getattr(source, name, None) for name in NAMES}
    return EQUINOX.read({name: a for name, a in source.items() if a is not None})


def to_equinox(cell: Cell, params: Any) -> dict[str, np.ndarray]:
    """Convert a cell to the arrays of the Equinox cell with the same function.

    Args:
        cell: an `LSTM` or a `GRU`.
        params: its parameters.

    Returns:
        The arrays by their names in the Equinox cell, for `equinox.tree_at(lambda c:
        [getattr(c, name) for name in arrays], cell, [*arrays.values()])`.

    Raises:
        ValueError: if Equinox has no such cell, or the parameters are not the cell's.

    Examples:
        >>> import jax, rnnjax
        >>> cell = rnnjax.LSTM(4)
        >>> arrays = to_equinox(cell, cell.init(jax.random.key(0), 3))
        >>> arrays["weight_ih"].shape
        (16, 3)
    """
    return EQUINOX.write(cell, params)
