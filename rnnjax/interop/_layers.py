"""Layers as libraries have them: a cell for each direction."""

from collections.abc import Collection, Sequence
from typing import Any

from .._core import Cell
from ..layers import RNN, Bidirectional, Directions, Layer


def check_names(name: str, value: Any, known: Collection[str]) -> None:
    """Raises a `ValueError` unless `value` is a collection of known names."""
    names = list(value) if isinstance(value, Collection) else [value]
    if unknown := [each for each in names if each not in [*known]]:
        raise ValueError(f"expected {name} to name any of {', '.join(known)}, got {unknown}")


def to_layer(directions: Sequence[tuple[Cell, Any]], *, reverse: bool = False) -> tuple[Layer, Any]:
    """The layer that runs one cell over time, or two in both directions, with its parameters."""
    if len(directions) == 1:
        ((cell, params),) = directions
        return RNN(cell, reverse=reverse), params
    (cell, forward), (other, backward) = directions
    layer = Bidirectional(cell, backward=None if other == cell else other)
    return layer, Directions(forward, backward)


def from_layer(layer: Layer, params: Any) -> list[tuple[Cell, Any]]:
    """The cell of each direction of a layer, with its parameters."""
    match layer:
        case RNN():
            return [(layer.cell, params)]
        case Bidirectional():
            if not isinstance(params, tuple) or len(params) != 2:
                raise ValueError(
                    f"expected parameters of two directions for {layer!r}, got "
                    f"{type(params).__name__}; do they belong to another layer?"
                )
            other = layer.cell if layer.backward is None else layer.backward
            return [(layer.cell, params[0]), (other, params[1])]
        case _:
            raise ValueError(f"expected an RNN or Bidirectional layer, got {layer!r}")
