"""The picture of a recognised sound: its spectrum, and the words of every frame."""

from itertools import groupby
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ...decoding import ctc_align
from ...layers import Layer
from ._utterances import STEP, Speech, features, labels, log_spectra


def draw(path: Path, speech: Speech, model: Layer, params: Any, mels: int) -> None:
    """Draws the first utterance of the test with its labels where the network hears them.

    Above is the log-mel spectrum, below the probabilities of the classes.
    """
    from matplotlib.figure import Figure

    utterance = speech.test[0]
    inputs = features([utterance], speech.rate, mels)[0]
    spectrum = log_spectra([utterance], speech.rate, mels)[0]
    _, logits = model.apply(params, inputs[None])
    alignment = ctc_align(logits, labels(utterance.words, speech.vocabulary)[None])[0]
    alignment, probabilities = np.asarray(alignment[0]), np.asarray(jax.nn.softmax(logits[0]))
    figure = Figure(figsize=(9, 5.5), layout="constrained", dpi=150)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    times = STEP * np.arange(len(spectrum))
    extent = (0, STEP * len(spectrum), 0, spectrum.shape[1])
    above.imshow(spectrum.T, origin="lower", aspect="auto", extent=extent, cmap="magma")
    above.set(ylabel="mel band", title=f"The likeliest alignment of: {' '.join(utterance.words)}")
    below.plot(times, probabilities[:, 0], color="0.7", ls="--", lw=1, label="blank")
    colours = {label: f"C{n % 10}" for n, label in enumerate(sorted({*alignment.tolist()} - {0}))}
    for label, colour in colours.items():
        below.plot(times, probabilities[:, label], color=colour, lw=1.5)
    for label, start, end in spans(alignment):
        for panel in (above, below):
            panel.axvspan(STEP * start, STEP * end, color=colours[label], alpha=0.25, lw=0)
        middle = STEP * (start + end) / 2
        name = speech.vocabulary.entries[label]
        below.text(middle, 1.04, name, ha="center", color=colours[label], fontsize=9)
    below.set(xlabel="seconds", ylabel="probability", ylim=(0, 1.15))
    below.legend(fontsize=8, loc="center right")
    figure.savefig(path)


def spans(alignment: np.ndarray) -> list[tuple[int, int, int]]:
    """The label, the first frame and the frame after the last of each stretch that is no blank."""
    found, place = [], 0
    for label, frames in groupby(alignment.tolist()):
        size = len(list(frames))
        found += [(label, place, place + size)] if label > 0 else []
        place += size
    return found
