"""The picture of `longterm`: learning curve, and the score if the answer were asked for earlier."""

from pathlib import Path
from typing import Any

import numpy as np

from ...training._history import Record
from ._problem import Measure


def draw(
    path: Path | Any,
    title: str,
    history: list[Record],
    measure: Measure,
    by_step: tuple[np.ndarray, np.ndarray],
    score: Measure,
) -> None:
    """Draws a score during training over trivial ones, and by the steps that were read.

    Args:
        path: of the picture.
        title: of the whole.
        history: of the run.
        measure: the score during training.
        by_step: steps, and the mean score at each.
        score: the score at each step.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained", dpi=150)
    left, right = figure.subplots(1, 2)
    steps = [record["step"] for record in history]
    values = [record[f"eval_{measure.key}"] for record in history]
    left.plot(steps, values, "o-", ms=3, color="C3", label="this network")
    for (trivial, value), style in zip(measure.trivial.items(), ("--", ":"), strict=False):
        left.axhline(value, ls=style, color="0.4", lw=1, label=f"{trivial}: {measure.show(value)}")
    left.set(xlabel="training step", ylabel=f"{measure.name} in validation")
    left.set(**{"ylim": (0, 1.02)} if measure.share else {"yscale": "log"})
    right.plot(*by_step, color="C0", marker="o" if len(by_step[0]) < 40 else "", ms=3)
    right.set(xlabel="step at which the answer is taken", ylabel=score.name)
    right.set_ylim(0, 1.02 if score.share else None)
    left.legend(fontsize=8)
    for panel in (left, right):
        panel.grid(alpha=0.3)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path)
