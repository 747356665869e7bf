"""Weights from and to Equinox's recurrent cells."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._core import Cell
from ..cells import GRU, LSTM
from ._gates import check_options, from_cell
from ._layout import Layout, pack, read, without_biases

LAYOUTS: dict[type, Layout] = {
    LSTM: {"weight_ih": ("w_x", "ifgo"), "weight_hh": ("w_h", "ifgo"), "bias": ("b", "ifgo")},
    GRU: {
        "weight_ih": ("w_x", "rzn"),
        "weight_hh": ("w_h", "rzn"),
        "bias": ("b_x", "rzn"),
        "bias_n": ("b_h", "n"),
    },
}
NAMES = ("weight_ih", "weight_hh", "bias", "bias_n")


def from_equinox(source: Any) -> tuple[Cell, Any]:
    """The cell that computes what a cell of Equinox does, with its parameters.

    Parameters correspond one to one.

    Args:
        source: an `LSTMCell` or `GRUCell` of `equinox.nn`, or a mapping of the names of its
            arrays to them; which of both it is, is told from names and shapes.

    Returns:
        An `LSTM` or a `GRU`, and its parameters.

    Raises:
        ValueError: if an array is missing, unknown or of a wrong shape.

    Examples:
        >>> weights = {"weight_ih": np.ones((16, 3)), "weight_hh": np.ones((16, 4))}
        >>> cell, params = from_equinox(weights)
        >>> cell
        LSTM(4, use_bias=False)
    """
    if not isinstance(source, Mapping):
        source = {name: getattr(source, name, None) for name in NAMES}
    arrays = {name: a for name, a in source.items() if a is not None}
    layouts = list(LAYOUTS.values())
    if not arrays.keys() & {"bias", "bias_n"}:
        layouts = [without_biases(layout) for layout in layouts]
    return read(arrays, layouts, transposed=True)


def to_equinox(cell: Cell, params: Any) -> dict[str, np.ndarray]:
    """The arrays of the Equinox cell that computes what a cell does.

    Args:
        cell: an `LSTM` or a `GRU`.
        params: its parameters.

    Returns:
        The arrays by their names in the Equinox cell, for `equinox.tree_at(lambda c:
        [getattr(c, name) for name in arrays], cell, [*arrays.values()])`.

    Raises:
        ValueError: if Equinox has no such cell.

    Examples:
        >>> import jax, rnnjax
        >>> cell = rnnjax.LSTM(4)
        >>> arrays = to_equinox(cell, cell.init(jax.random.key(0), 3))
        >>> arrays["weight_ih"].shape
        (16, 3)
    """
    match cell:
        case LSTM() | GRU():
            check_options(cell, "Equinox")
            arrays = pack(from_cell(cell, params), LAYOUTS[type(cell)])
            return {name: a.T for name, a in arrays.items()}
        case _:
            raise ValueError(f"expected an LSTM or a GRU, as Equinox has, got {cell!r}")
