"""The pictures of `video`: frames in rows, errors by step, and motions taken for others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._clips import Clips


def strip(frames: np.ndarray) -> np.ndarray:
    """Frames `[T, height, width]` side by side, with a gap between them."""
    gap = np.full((frames.shape[1], max(1, frames.shape[2] // 12)), np.nan)
    pieces = [piece for frame in frames for piece in (frame, gap)]
    return np.concatenate(pieces[:-1], axis=1)


def show_rows(figure: Any, rows: Mapping[str, np.ndarray]) -> None:
    """Draws rows of frames of 0 to 1, each with its name at the left."""
    panels = np.atleast_1d(figure.subplots(len(rows), 1))
    for panel, (name, frames) in zip(panels, rows.items(), strict=True):
        panel.imshow(strip(frames), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        panel.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        panel.set_xticks([])
        panel.set_yticks([])
        panel.spines[:].set_visible(False)


def draw_rows(path: Path, rows: Mapping[str, np.ndarray]) -> None:
    """Draws rows of frames of 0 to 1, each with its name at the left."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 1.2 * len(rows)), layout="constrained", dpi=150)
    show_rows(figure, rows)
    figure.savefig(path)


def draw_forecast(
    path: Path, rows: Mapping[str, np.ndarray], curves: Mapping[str, np.ndarray]
) -> None:
    """Draws a clip with its forecasts, and the error of each forecast by the step ahead.

    Args:
        path: of the picture.
        rows: frames `[T, height, width]` by name.
        curves: nats per frame for each step ahead, by name; the first is the least possible, the
            last the network's.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained", dpi=150, facecolor="white")
    left, right = np.ravel(figure.subfigures(1, 2, width_ratios=[2.2, 1]))
    show_rows(left, rows)
    left.suptitle("A test clip", fontsize=10)
    panel = right.subplots()
    for place, (name, values) in enumerate(curves.items(), 1):
        own = place == len(curves)
        style = {"color": "C3", "lw": 2.5} if own else {"color": f"C{place + 3}", "lw": 1.5}
        style |= {"color": "0.4", "ls": ":"} if place == 1 else {}
        panel.plot(np.arange(1, len(values) + 1), values, label=name, **style)
    panel.set(xlabel="frames ahead", ylabel="nats per frame", ylim=(0, None))
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)
    panel.set_title("Error on the test clips", fontsize=10)
    figure.savefig(path)


def draw_motions(path: Path, clips: Clips, classes: Sequence[str], confused: np.ndarray) -> None:
    """Draws a clip of each class, and how often each class was taken for another one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 0.6 * len(classes) + 1), layout="constrained", dpi=150)
    left, right = np.ravel(figure.subfigures(1, 2, width_ratios=[1.6, 1]))
    first = {name: np.flatnonzero(clips.labels == k) for k, name in enumerate(classes)}
    rows = {name: clips.frames[at[0]] / 255 for name, at in first.items() if len(at)}
    show_rows(left, rows)
    left.suptitle("Test clips", fontsize=10)
    panel = right.subplots()
    panel.imshow(confused, cmap="Blues")
    for (row, column), count in np.ndenumerate(confused):
        if count:
            dark = count > confused.max() / 2
            panel.text(column, row, count, ha="center", va="center", fontsize=8,
                       color="white" if dark else "black")  # fmt: skip
    panel.set_xticks(range(len(classes)), classes, rotation=45, ha="right", fontsize=8)
    panel.set_yticks(range(len(classes)), classes, fontsize=8)
    panel.set(xlabel="found", ylabel="true")
    figure.savefig(path)
