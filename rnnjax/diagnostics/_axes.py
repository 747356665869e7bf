"""Axes and curves of the pictures."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jax.typing import ArrayLike


def axes(ax: Any) -> Any:
    """`ax`, or the axes of a new figure outside matplotlib's global state."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=(7, 4), layout="constrained").add_subplot()


def draw_curves(curves: Mapping[str, ArrayLike], ax: Any, positions: Any = None) -> Any:
    """Draw curves `[N, *batch]` with a legend; a batch as its median."""
    ax = axes(ax)
    for label, curve in curves.items():
        curve = np.asarray(curve)
        median = np.median(curve.reshape(len(curve), -1), axis=1)
        ax.plot(range(len(curve)) if positions is None else positions, median, label=label)
    ax.legend()
    return ax
