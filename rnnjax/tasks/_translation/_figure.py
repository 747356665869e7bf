"""The figure of `translation`: where each word of a translation looks in the source."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...attention import Source
from ...layers import Attend, EncoderDecoder, Sequential
from ._pairs import END, START, Pair, Sides
from ._translate import translate


def attention_of(
    model: EncoderDecoder, params: Any, sides: Sides, source: str, target: str
) -> np.ndarray:
    """The weight of each source token (columns) when each target token is written (rows)."""
    tokens = sides[0].encode(source)[None]
    memory = model.encode(params, Source(tokens, np.array([tokens.shape[1]])))
    inputs = np.r_[sides[1].vocabulary[START], sides[1].encode(target)][None]
    _, decoder, own = model.parts(params)[1]
    xs: Any = inputs
    for _, layer, layer_params in cast(Sequential, decoder).parts(own):
        if isinstance(layer, Attend):
            return np.asarray(layer.read(layer_params, xs, memory)[1][0])
        context = memory if layer.takes_context else None
        xs = layer.apply(layer_params, xs, context=context)[1]
    raise ValueError(f"expected a decoder with a layer Attend, got {decoder}")


def draw(
    path: Path, model: EncoderDecoder, params: Any, sides: Sides, pairs: Sequence[Pair]
) -> None:
    """Draws the attention of a few translations."""
    from matplotlib.figure import Figure

    sources = [source for source, _ in pairs]
    found = translate(model, params, sides, sources)
    figure = Figure(figsize=(11, 10), layout="constrained", dpi=120)
    panels: Any = figure.subplots(2, 2)
    for panel, source, target in zip(panels.flat, sources, found, strict=False):
        weights = attention_of(model, params, sides, source, target)
        columns, rows = sides[0].split(source), [*sides[1].split(target), END]
        picture = panel.imshow(weights, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        panel.set_xticks(range(len(columns)), columns, rotation=0 if len(columns[0]) == 1 else 60)
        panel.set_yticks(range(len(rows)), rows)
        panel.tick_params(labelsize=8)
        panel.set(xlabel="source", ylabel="translation, from top to bottom")
    figure.colorbar(picture, ax=panels, label="attention weight", shrink=0.5)
    figure.suptitle("Where the decoder looks in the source while it writes each token")
    figure.savefig(path)
