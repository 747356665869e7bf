"""Translations by beam search."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ...attention import Source
from ...data import padded
from ...decoding import beam_search
from ...layers import EncoderDecoder
from ._pairs import END, START, Sides

_ROWS, _LENGTH_PENALTY = 50, 1.0


def translate(
    model: EncoderDecoder,
    params: Any,
    sides: Sides,
    texts: Sequence[str],
    *,
    width: int = 5,
) -> list[str]:
    """Translations of sentences, by beam search, many at a time."""
    source, target = sides
    _, decoder, own_params = model.parts(params)[1]
    encode, tokens = jax.jit(model.encode), [source.encode(text) for text in texts]
    steps, rows = max(map(len, tokens)), min(_ROWS, len(tokens))
    found = []
    for some in (tokens[i : i + rows] for i in range(0, len(tokens), rows)):
        batch = padded(some, some, steps=steps, batch_size=rows)
        memory = encode(params, Source(batch.inputs, batch.lengths))
        beams = beam_search(
            decoder,
            own_params,
            np.full((rows, 1), target.vocabulary[START]),
            length=2 * steps + 10,
            width=width,
            stop=target.vocabulary[END],
            context=memory,
            length_penalty=_LENGTH_PENALTY,
        )
        found += [target.decode(row) for row in np.asarray(beams.tokens[: len(some), 0])]
    return found
