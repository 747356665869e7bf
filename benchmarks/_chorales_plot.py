"""The plot of `chorales.py`."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

COLOURS = {"LSTM": "C0", "GRU": "C1", "Elman": "C2"}
MARKERS = "sv^D"


def draw(
    runs: list[dict[str, Any]],
    published: dict[str, dict[str, float]],
    baselines: dict[str, float],
    out: Path,
) -> None:
    """Validation curves of all runs, and test numbers among the published ones."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    curves, tests = figure.subplots(1, 2, width_ratios=[3, 2])
    cells = list(dict.fromkeys(run["cell"] for run in runs))
    for run in runs:
        epochs = [record["step"] / run["epoch"] for record in run["history"]]
        losses = [record["held_out"] for record in run["history"]]
        label = run["cell"] if run["seed"] == 0 else None
        curves.plot(epochs, losses, color=COLOURS[run["cell"]], lw=1, alpha=0.8, label=label)
    lowest = min(run["valid"] for run in runs)
    curves.set_ylim(lowest - 0.1, lowest + 2)
    curves.set_xlabel("passes over the training pieces")
    curves.set_ylabel("validation: nats per frame")
    curves.legend()

    for marker, (paper, numbers) in zip(MARKERS, published.items(), strict=False):
        places = [(number, cells.index(cell)) for cell, number in numbers.items() if cell in cells]
        tests.plot(*zip(*places, strict=True), marker, color="0.4", ms=6, ls="", label=paper)
    for run in runs:
        label = "ours, a seed each" if run is runs[0] else None
        place = cells.index(run["cell"])
        tests.plot(run["test"], place, "o", color=COLOURS[run["cell"]], alpha=0.8, label=label)
    tests.set_yticks(range(len(cells)), cells)
    tests.set_ylim(len(cells) - 0.5, -0.5)
    tests.set_xlabel("test: nats per frame")
    tests.legend(fontsize=8)
    for panel in (curves, tests):
        panel.grid(alpha=0.3)
    trivial = ", ".join(f"{name} {number:.2f}" for name, number in baselines.items())
    figure.suptitle(f"Bach's chorales, next frame. Trivial on test: {trivial}", fontsize=11)
    figure.savefig(out, dpi=120)
