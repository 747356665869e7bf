"""A text as characters, as words, or as pieces of words."""

import math
import re
from typing import Any, Literal

import numpy as np

from ...data import Vocabulary, tokenize
from ...losses import bits

Unit = Literal["characters", "words", "pieces"]

UNKNOWN = "<unk>"
_PIECES = 2000


def measure(nats: float, unit: str) -> tuple[str, float]:
    """A mean cross-entropy in the field's measure: bits for characters, else perplexity."""
    if unit == "characters":
        return "bits per character", bits(nats)
    return f"perplexity by {unit[:-1]}", math.exp(nats)


class Units:
    """The tokens of texts.

    Args:
        unit: the kind of a token.
        known: a vocabulary, or the JSON of a tokenizer of byte pairs, as `saved` gives it.
    """

    def __init__(self, unit: Unit, known: Any):
        self.unit = unit
        if unit == "pieces":
            from tokenizers import Tokenizer

            self._pieces = Tokenizer.from_str(known)
        else:
            self._vocabulary = Vocabulary(
                tuple(known), unknown=UNKNOWN if unit == "words" else None
            )

    @classmethod
    def of(cls, unit: Unit, text: str) -> "Units":
        """The units of a text: its characters; words that occur three times; or 2000 pieces."""
        if unit == "characters":
            return cls(unit, Vocabulary.of([text]).entries)
        if unit == "words":
            known = Vocabulary.of([_words(text)], unknown=UNKNOWN, least=3)
            return cls(unit, known.entries)
        return cls(unit, _byte_pairs(text))

    @property
    def saved(self) -> Any:
        """The units as JSON can hold them."""
        return self._pieces.to_str() if self.unit == "pieces" else [*self._vocabulary.entries]

    def __len__(self) -> int:
        return self._pieces.get_vocab_size() if self.unit == "pieces" else len(self._vocabulary)

    def encode(self, text: str) -> np.ndarray:
        """The tokens of a text."""
        if self.unit == "pieces":
            return np.array(self._pieces.encode(text).ids, np.int32)
        return self._vocabulary.encode(_words(text) if self.unit == "words" else text)

    def decode(self, tokens: Any) -> str:
        """The text of tokens; words are separated by spaces."""
        if self.unit == "pieces":
            return self._pieces.decode(np.asarray(tokens).tolist())
        entries = self._vocabulary.decode(tokens)
        if self.unit == "characters":
            return "".join(entries)
        return re.sub(r" ?\n ?", "\n", " ".join(entries))


def _words(text: str) -> list[str]:
    """The words of a text, and one for the end of every line but the last."""
    lines = (tokenize(line) for line in text.split("\n"))
    return [word for line in lines for word in ("\n", *line)][1:]


def _byte_pairs(text: str) -> str:
    """A tokenizer of byte pairs, trained on a text.

    R. Sennrich, B. Haddow, A. Birch, Neural machine translation of rare words with subword units,
    ACL 2016.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=_PIECES, initial_alphabet=alphabet, show_progress=False, special_tokens=[]
    )
    pieces.train_from_iterator(text.splitlines(keepends=True), trainer)
    return pieces.to_str()
