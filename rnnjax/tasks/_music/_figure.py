"""The picture of a piece: a piano roll."""

from pathlib import Path
from typing import Any

import numpy as np

from ...data._midi import LOWEST

_BLACK = (1, 3, 6, 8, 10)


def draw(path: Path | Any, prompt: np.ndarray, continuation: np.ndarray, frame: float) -> None:
    """Draws a prompt and its continuation, pitch over time; a frame takes `frame` beats."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    whole = np.concatenate([prompt, continuation])
    sounding = np.flatnonzero(whole.any(0))
    low, high = (sounding[0], sounding[-1]) if len(sounding) else (39, 51)
    low, high = max(0, low - 2), min(whole.shape[1] - 1, high + 2)
    figure = Figure(figsize=(11, 1.2 + 0.085 * (high - low + 1)), layout="constrained", dpi=150)
    axes = figure.subplots()
    for key in range(low, high + 1):
        if (key + LOWEST) % 12 in _BLACK:
            axes.axhspan(key - 0.5, key + 0.5, color="0.94", lw=0)
    for roll, start, color in ((prompt, 0, "C0"), (continuation, len(prompt), "C1")):
        for key, notes in _notes(roll).items():
            spans = [((start + on) * frame, (off - on) * frame) for on, off in notes]
            axes.broken_barh(spans, (key - 0.42, 0.84), color=color, lw=0)
    border = len(prompt) * frame
    axes.axvline(border, color="0.3", lw=1, ls="--")
    octaves = [key for key in range(low, high + 1) if (key + LOWEST) % 12 == 0]
    axes.set_yticks(octaves, [note_name(key) for key in octaves])
    axes.set(
        xlim=(0, len(whole) * frame),
        ylim=(low - 0.5, high + 0.5),
        xlabel="time (beats)",
        ylabel="pitch",
    )
    axes.grid(axis="x", alpha=0.3)
    names = (("C0", "prompt"), ("C1", "written by the network"))
    handles = [Patch(color=color, label=label) for color, label in names]
    axes.legend(handles=handles, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    axes.set_title("Keys that sound in each frame", fontsize=10)
    figure.savefig(path)


def note_name(key: int) -> str:
    """The name of a key of the piano; key 39 is C4, the middle C."""
    names = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
    return f"{names[(key + LOWEST) % 12]}{(key + LOWEST) // 12 - 1}"


def _notes(roll: np.ndarray) -> dict[int, np.ndarray]:
    """The first frame and the frame after the last one of every held note, by its key."""
    changes = np.diff(np.pad(roll.astype(int), ((1, 1), (0, 0))), axis=0).T
    return {key: np.flatnonzero(row).reshape(-1, 2) for key, row in enumerate(changes) if row.any()}
