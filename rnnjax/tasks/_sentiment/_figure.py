"""The picture of decisions about texts: how far each word moved them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ._decisions import Decision


def draw(path: Path, decisions: Sequence[Decision], truth: Sequence[str]) -> None:
    """Draws the influence of every word of some texts as bars."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(8, 2.2 * len(decisions)), layout="constrained", dpi=150)
    panels = figure.subplots(len(decisions), 1, squeeze=False)[:, 0]
    colours = {True: "C0", False: "C3"}
    for panel, decision, true in zip(panels, decisions, truth, strict=True):
        places = np.arange(len(decision.words))
        sides = [colours[bool(moved > 0)] for moved in decision.influence]
        panel.bar(places, decision.influence, color=sides)
        panel.axhline(0, color="0.3", lw=0.8)
        panel.set_xticks(places, decision.words, rotation=30, ha="right")
        panel.set_ylabel("change of\nlog-odds")
        label = f"decided: {decision.label} (probability {decision.probability:.2f})"
        panel.set_title(f"{label}; true: {true}", fontsize=10, loc="left")
    sides = [Patch(color=colours[True], label="for the decision")]
    sides.append(Patch(color=colours[False], label="against it"))
    figure.legend(handles=sides, loc="outside lower center", ncols=2, fontsize=9)
    figure.suptitle("What each word adds to the log-odds of the decision (found by leaving it out)")
    figure.savefig(path)
