"""Words of sounds by a trained network, and how many of them are wrong."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ...data import Vocabulary, padded
from ...decoding import ctc_beam
from ...layers import Layer
from ...losses import valid_steps
from ._utterances import Speech, Utterance, features, words_of

_WIDTH = 8


def transcribe(
    model: Layer, params: Any, inputs: Sequence[Any], vocabulary: Vocabulary
) -> list[str]:
    """The words of sounds, by beam search; `inputs` are their features."""
    order = sorted(range(len(inputs)), key=lambda i: len(inputs[i]))
    found = [""] * len(inputs)
    for some in (order[i : i + 32] for i in range(0, len(order), 32)):
        steps = -(-max(len(inputs[i]) for i in some) // 64) * 64
        nothing = [np.zeros(0, int)] * len(some)
        batch = padded(
            [inputs[i] for i in some], nothing, target="labels", steps=steps, batch_size=32
        )
        best = _decoded(model, params, batch.inputs, batch.lengths)
        for i, row in zip(some, np.asarray(best), strict=False):
            found[i] = words_of(row, vocabulary)
    return found


@jax.jit
def _decoded(model: Layer, params: Any, inputs: Any, lengths: Any) -> jax.Array:
    _, logits = model.apply(params, inputs, lengths=lengths)
    return ctc_beam(logits, valid_steps(lengths, inputs.shape[1]), width=_WIDTH)[0][:, 0]


def word_error_rate(utterances: Sequence[Utterance], found: Sequence[str]) -> float:
    """Insertions, deletions and substitutions of words over the number of words."""
    import jiwer

    return jiwer.wer([" ".join(utterance.words) for utterance in utterances], list(found))


def results(speech: Speech, model: Layer, params: Any, mels: int) -> dict[str, float]:
    """The test numbers: word error rate, and the share of single words that are right."""

    def heard(utterances: list[Utterance]) -> list[str]:
        inputs = features(utterances, speech.rate, mels)
        return transcribe(model, params, inputs, speech.vocabulary)

    found = {"word error rate": word_error_rate(speech.test, heard(speech.test))}
    if single := speech.single_test:
        right = [a == b.words[0] for a, b in zip(heard(single), single, strict=True)]
        found["accuracy of single words"] = float(np.mean(right))
    return found
