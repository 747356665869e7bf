"""A tagger's words: as tokens, as vectors, and its tags as strings."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.markup import escape

from ...cells import LSTM
from ...data import Batches, Vocabulary, bucketed, padded
from ...decoding import viterbi
from ...layers import (
    Bidirectional,
    Embedding,
    Layer,
    PerStep,
    Sequential,
    Signals,
    TokenDropout,
)
from ...losses import spans, valid_steps
from ._chunks import Sentence

UNKNOWN, PADDING = "<unk>", "<pad>"
LETTERS = 16  # of a word; the middle of a longer one is left out
_ROWS = 64

# As the Penn Treebank splits a sentence: "does n't", "Dalton 's", "Mr." and a last "." of its own.
_WORD = re.compile(r"\w+?(?=n't\b)|n't\b|'\w+|\w+(?:[-.,&]\w+)*(?:\.(?=\s))?|[^\w\s]")


class Tokens(NamedTuple):
    """The vocabularies of a tagger."""

    words: Vocabulary  # in small letters, digits as 0; the unknown one first
    characters: Vocabulary  # padding first
    tags: Vocabulary

    @classmethod
    def of(cls, sentences: Sequence[Sentence], least: int) -> "Tokens":
        """The vocabularies of sentences to learn from."""
        words = Vocabulary.of(
            (map(_plain, s.words) for s in sentences), unknown=UNKNOWN, least=least
        )
        names = (character for sentence in sentences for character in sentence.words)
        characters = Vocabulary.of(names, specials=(PADDING, UNKNOWN), unknown=UNKNOWN)
        return cls(words, characters, Vocabulary.of(sentence.tags for sentence in sentences))

    @classmethod
    def from_entries(cls, entries: Mapping[str, Sequence[str]]) -> "Tokens":
        """The vocabularies of what `to_entries` gave."""
        unknown = {"words": UNKNOWN, "characters": UNKNOWN, "tags": None}
        return cls(*(Vocabulary(tuple(entries[k]), unknown=unknown[k]) for k in cls._fields))

    def to_entries(self) -> dict[str, list[str]]:
        """The entries of each vocabulary, for a file."""
        return {name: list(vocabulary.entries) for name, vocabulary in self._asdict().items()}

    def encode(self, words: Sequence[str]) -> np.ndarray:
        """The token of each word, and behind it those of its characters: `[T, 1 + LETTERS]`."""
        found = np.zeros((len(words), 1 + LETTERS), np.int32)
        found[:, 0] = self.words.encode([_plain(word) for word in words])
        for row, word in zip(found, words, strict=True):
            short = word if len(word) <= LETTERS else word[: LETTERS // 2] + word[-LETTERS // 2 :]
            row[1 : 1 + len(short)] = self.characters.encode(short)
        return found


class WordEncoder(Layer):
    """A word's vector, and one of its characters: tokens `[B, T, 1 + N]` to `[B, T, O]`.

    Args:
        words: the layer of the words `[B, T]`.
        characters: the layer of the characters `[B, T, N]`.
    """

    words: Layer
    characters: Layer

    output_size = property(lambda self: self.words.output_size + self.characters.output_size)

    def init(self, key, input_size, *, dtype: Any = jnp.float32):
        keys = jax.random.split(key)
        layers = self.words, self.characters
        return tuple(one.init(k, None, dtype=dtype) for one, k in zip(layers, keys, strict=True))

    def run(self, params, xs, carry, signals: Signals):
        _, words = self.words.run(params[0], xs[..., 0], None, signals)
        _, spelled = self.characters.run(params[1], xs[..., 1:], None, signals)
        return (), jnp.concatenate([words, spelled], axis=-1)


def word_encoder(tokens: Tokens, size: int, characters: int, hidden_words: float) -> WordEncoder:
    """An encoder whose characters are read in both directions by LSTMs."""
    # Small vectors, so that a rare word, which moves little, is nearly without one.
    words = Embedding(len(tokens.words), size, scale=0.1)
    inside = Bidirectional(LSTM(characters), return_sequences=False)
    spelling = Sequential((Embedding(len(tokens.characters), characters), inside))
    return WordEncoder(Sequential((TokenDropout(hidden_words), words)), PerStep(spelling))


def batches(
    sentences: Sequence[Sentence], tokens: Tokens, batch_size: int, seed: int = 0
) -> Batches:
    """Batches of sentences of similar lengths."""
    inputs = [tokens.encode(sentence.words) for sentence in sentences]
    targets = [tokens.tags.encode(sentence.tags) for sentence in sentences]
    return bucketed(inputs, targets, batch_size, buckets=3, seed=seed)


def tag(
    model: Layer, params: Any, tokens: Tokens, sentences: Sequence[Sequence[str]]
) -> list[list[str]]:
    """The likeliest tags of the words of each sentence."""
    found: list[list[str]] = [[] for _ in sentences]
    order = sorted(range(len(sentences)), key=lambda number: len(sentences[number]))
    for start in range(0, len(order), _ROWS):
        some = order[start : start + _ROWS]
        inputs = [tokens.encode(sentences[number]) for number in some]
        steps = 16 * 2 ** max(0, (len(inputs[-1]) - 1).bit_length() - 4)  # few programs
        rows = _ROWS if len(order) > _ROWS else len(some)
        batch = padded(inputs, [x[:, 0] for x in inputs], steps=steps, batch_size=rows)
        best = np.asarray(_best(model, params, batch.inputs, batch.lengths))
        for number, row in zip(some, best, strict=False):
            found[number] = tokens.tags.decode(row[: len(sentences[number])])
    return found


@partial(jax.jit, static_argnames="model")
def _best(model: Layer, params: Any, inputs: Any, lengths: Any) -> jax.Array:
    _, potentials = model.apply(params, inputs, lengths=lengths)
    return viterbi(potentials, valid_steps(lengths, inputs.shape[1]))


def words_of(sentence: str) -> list[str]:
    """The words and punctuation marks of a sentence.

    Raises:
        ValueError: if there is none.
    """
    words = _WORD.findall(sentence)
    if not words:
        raise ValueError("expected a sentence of at least one word, got none")
    return words


def bracketed(words: Sequence[str], tags: Sequence[str]) -> str:
    """A sentence with its chunks in brackets, as markup of rich."""
    found = [escape(word) for word in words]
    for kind, start, stop in reversed(spans(tags)):
        found[start:stop] = [f"[bold]\\[{escape(kind)}[/] {' '.join(found[start:stop])}]"]
    return " ".join(found)


def _plain(word: str) -> str:
    return re.sub(r"\d", "0", word.lower())
