"""What the pictures share."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jax.typing import ArrayLike


def axes(ax: Any) -> Any:
    """`ax`, or the axes of a new figure that no global state knows of."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=(7, 4), layout="constrained").add_subplot()


def draw_curves(curves: Mapping[str, ArrayLike], ax: Any, positions: Any = None) -> Any:
    """Draws curves `[N, *batch]` with a legend; of several sequences, the median."""
    ax = axes(ax)
    for label, curve in curves.items():
        curve = np.asarray(curve)
        median = np.median(curve.reshape(len(curve), -1), axis=1)
        ax.plot(range(len(curve)) if positions is None else positions, median, label=label)
    ax.legend()
    return ax
