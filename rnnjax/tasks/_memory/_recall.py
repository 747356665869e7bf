"""Pictures in a memory: stored at once, recalled from damaged ones."""

from pathlib import Path
from typing import Any

import numpy as np

from ... import cells
from .._application import compare
from ._figure import draw_capacity, draw_recall
from ._learnt import Learnt
from ._patterns import (
    HALF,
    Memory,
    Pictures,
    answers,
    as_text,
    complete,
    damaged,
    load_pictures,
    read_images,
    read_pictures,
    recall,
    right,
)

_NOISES = (0.0, 0.1, 0.2, 0.3, 0.4, None)


def load(config: Any) -> Pictures:
    """The pictures to store."""
    return load_pictures(config.data or "digits", config.patterns)


def build(config: Any, size: int) -> Memory:
    """A memory of pictures of `size` pixels."""
    if config.model == "modern":
        return cells.ModernHopfield(size, config.patterns, beta=config.beta)
    return (cells.Hopfield if config.model == "hopfield" else cells.SynchronousHopfield)(size)


def learn(config: Any) -> Learnt:
    """Stores pictures, and compares how well they are recalled."""
    pictures = load(config)
    cell: Any = build(config, size := pictures.rows.shape[1])
    store = "store" if config.model == "modern" else config.rule.replace("-", "_")
    params = getattr(cell, store)(pictures.rows)
    rows, cues = damaged(pictures, config.noise, config.seed)
    states = recall(cell, params, cues)
    found = answers(pictures, cues, states[-1])
    compared = {}
    for unit, measure in (("pixels right", right), ("pictures without an error", complete)):
        numbers = {name: measure(each, rows) for name, each in found.items()}
        title = f"cues with {config.noise:.0%} of their pixels wrong"
        compared |= compare(title, unit, numbers, "{:.2%}".format)
    energies = cell.energy(params, np.concatenate([cues[None], states]))
    figures: Any = {"recall.png": (draw_recall, rows, cues, states, pictures.shape, energies)}
    if config.model != "modern":
        figures["capacity.png"] = (draw_capacity,)
    extra = {"shape": [*pictures.shape], "compared": compared}
    return Learnt(cell, params, size, extra, figures)


def evaluate(config: Any, cell: Memory, params: Any, extra: Any) -> None:
    """Prints recall by the damage of the cue."""
    pictures = load(config)
    print(f"{'pixels right':24} {'cue':>8} {'nearest':>8} {'network':>8}")
    for noise in _NOISES:
        rows, cues = damaged(pictures, noise, config.seed)
        found = answers(pictures, cues, recall(cell, params, cues)[-1])
        shown = " ".join(f"{right(each, rows):8.2%}" for each in found.values())
        print(f"{HALF if noise is None else f'{noise:.0%} wrong':24} {shown}")


def use(path: Path, steps: int, cell: Memory, params: Any, extra: Any) -> None:
    """Prints repaired pictures."""
    cues = (read_images if path.is_dir() else read_pictures)(path)
    if cues.shape != tuple(extra["shape"]):
        raise ValueError(
            f"expected pictures of {extra['shape'][0]} lines of {extra['shape'][1]}, got "
            f"{cues.shape[0]} of {cues.shape[1]} in {path}"
        )
    found = recall(cell, params, cues.rows)[-1]
    print("\n\n".join(as_text(row, cues.shape) for row in found))
