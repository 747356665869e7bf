"""The picture of the transitions of a conditional random field."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...layers import CRFParams, bio_constraints


def draw(path: Path, params: CRFParams, tags: Sequence[str]) -> None:
    """Draws the score of every BIO tag after every tag, the start above, the end at the right."""
    from matplotlib.figure import Figure

    order = sorted(range(len(tags)), key=lambda k: (tags[k] != "O", tags[k][2:], tags[k][0]))
    size = len(tags)
    scores = np.full((size + 1, size + 1), np.nan)
    scores[0, :size] = np.asarray(params.start)[order]
    scores[1:, :size] = np.asarray(params.transitions)[np.ix_(order, order)]
    scores[1:, size] = np.asarray(params.end)[order]
    rules = bio_constraints([tags[k] for k in order])
    scores[:, :size][~np.array([rules.start, *rules.transitions])] = np.nan

    most = np.nanmax(np.abs(scores))
    side = 2.5 + 0.28 * size
    figure = Figure(figsize=(side + 1, side), layout="constrained", dpi=150)
    axes = figure.subplots()
    axes.set_facecolor("0.85")
    image = axes.imshow(scores, cmap="RdBu", vmin=-most, vmax=most)
    names = [tags[k] for k in order]
    axes.set_xticks(range(size + 1), [*names, "end"], rotation=90, fontsize=8)
    axes.set_yticks(range(size + 1), ["start", *names], fontsize=8)
    axes.set(xlabel="tag", ylabel="tag before it")
    axes.set_title("Transition scores of the CRF; grey: not allowed", fontsize=10)
    figure.colorbar(image, shrink=0.7, label="score (nats)")
    figure.savefig(path)
