"""The pictures of recall, of capacity, and of an attractor."""

from pathlib import Path
from typing import Any

import numpy as np

from ._patterns import overlaps

_ROWS, _COLUMNS = 5, 4  # pictures, and sweeps of each
CAPACITY = 0.138  # of Hebb's rule, by D. Amit, H. Gutfreund, H. Sompolinsky, 1985
_LOADS = np.linspace(0.02, 0.24, 12)
_RULES = {"hebb": "Hebb", "pseudo_inverse": "pseudo-inverse"}


def draw_recall(
    path: Path, rows: Any, cues: Any, states: Any, shape: tuple[int, int], energies: Any
) -> None:
    """Draws stored pictures, their cues, and the states after the first sweeps; and the energies.

    Args:
        path: the file.
        rows: stored pictures `[B, N]`.
        cues: what recall starts from, `[B, N]`.
        states: the states after each sweep, `[T, B, N]`.
        shape: height and width of a picture.
        energies: before the first sweep and after each, `[T + 1, B]`.
    """
    from matplotlib.figure import Figure

    shown = [("stored", rows), ("cue", cues)]
    shown += [(f"sweep {k + 1}", states[k]) for k in range(min(_COLUMNS, len(states)))]
    count = min(_ROWS, len(rows))
    figure = Figure(figsize=(1.15 * len(shown) + 3.5, 1.15 * count + 0.5), layout="constrained")
    parts: Any = figure.subfigures(1, 2, width_ratios=(1.15 * len(shown), 3.5))
    left, right = parts
    for k, row in enumerate(left.subplots(count, len(shown), squeeze=False)):
        for axes, (title, pictures) in zip(row, shown, strict=True):
            axes.imshow(np.asarray(pictures[k]).reshape(shape), cmap="Greys", vmin=-1, vmax=1)
            axes.set_xticks([])
            axes.set_yticks([])
            if not k:
                axes.set_title(title, fontsize=9)
    axes = right.subplots()
    axes.plot(np.asarray(energies)[:, :count], marker="o", markersize=3)
    axes.set(xlabel="sweep", ylabel="energy", title="Energy by sweep")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def draw_capacity(path: Path, size: int = 400) -> None:
    """Draws how well random patterns are kept by a Hopfield network, against their number."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.subplots()
    for rule, label in _RULES.items():
        axes.plot(_LOADS, overlaps(rule, size, _LOADS), marker="o", label=label)
    axes.axvline(CAPACITY, color="0.4", linestyle="--", label=f"{CAPACITY} N")
    axes.set(
        xlabel="patterns / units",
        ylabel="overlap with the stored pattern",
        title=f"Recall of random patterns, {size} units",
        ylim=(0, 1.05),
    )
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def draw_attractor(path: Path, true: Any, free: Any, delay: int = 17, shown: int = 1000) -> None:
    """Draws a series and a free run that starts with it: the attractors, and the first values.

    Args:
        path: the file.
        true: the series `[T]`.
        free: the free run `[T]`.
        delay: steps between the two coordinates of an attractor.
        shown: number of first values.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 6), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(3, 2))
    above, below = parts
    panels = above.subplots(1, 2, sharex=True, sharey=True)
    names = (("true", true, "C0"), ("free run", free, "C1"))
    for axes, (name, values, color) in zip(panels, names, strict=True):
        axes.plot(values[delay:], values[:-delay], linewidth=0.5, color=color)
        axes.set(title=name, xlabel="x(t)", ylabel=f"x(t - {delay})", aspect="equal")
    axes = below.subplots()
    for name, values, color in names:
        axes.plot(values[:shown], label=name, color=color, linestyle="-" if color == "C0" else "--")
    axes.set(xlabel="steps after the last given value", ylabel="x")
    axes.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    figure.savefig(path, dpi=90)
