"""Tokens for the entries of sequences: characters, words, pieces of words, tags."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY
from functools import cached_property
from itertools import chain, repeat
from typing import Any

import numpy as np
from jaxtyping import Int

from .._checks import brief, check_instance, check_positive
from .._static import Static


class Vocabulary(Static):
    """A numbering of strings; the token of an entry is its place.

    An entry is whatever a sequence consists of: a character of a text, a word of a sentence, a
    tag. Special entries, such as "<pad>", are entries like others.

    Args:
        entries: the entries in order, different from each other and not empty.
        unknown: the entry whose token any other string gets; `None` to refuse other strings.

    Raises:
        ValueError: if there is no entry, one is repeated or empty, or `unknown` is none of them.

    Examples:
        >>> letters = Vocabulary.of(["banana"])
        >>> letters.encode("nab").tolist(), letters.decode([2, 0, 1])
        ([1, 0, 2], ['b', 'a', 'n'])
        >>> words = Vocabulary.of([["a", "good", "film"], ["a", "film"]], unknown="<unk>", least=2)
        >>> words.encode(["a", "bad", "film"]).tolist(), words.entries
        ([1, 0, 2], ('<unk>', 'a', 'film'))
    """

    entries: tuple[str, ...]
    _: KW_ONLY
    unknown: str | None = None

    def __post_init__(self):
        super().__post_init__()
        entries = self.entries
        strings = isinstance(entries, tuple) and all(type(entry) is str for entry in entries)
        if not strings or not all(entries) or not entries or len(set(entries)) < len(entries):
            raise ValueError(
                "expected a tuple of different strings, at least one and none empty, got "
                f"{brief(entries)}; Vocabulary.of takes sequences of them"
            )
        if self.unknown is not None and self.unknown not in entries:
            raise ValueError(
                f"expected unknown to be one of the entries, got {brief(self.unknown)}"
            )

    @classmethod
    def of(
        cls,
        sequences: Iterable[Iterable[str]],
        *,
        specials: Sequence[str] = (),
        unknown: str | None = None,
        least: int = 1,
        largest: int | None = None,
    ) -> "Vocabulary":
        """The vocabulary of sequences.

        The specials are first, with `unknown` among them, then the other entries by how often
        they occur; those that occur equally often are in alphabetical order.

        Args:
            sequences: sequences of strings; a text is a sequence of its characters.
            specials: entries to begin with, whether or not they occur.
            unknown: the entry for others; it comes first unless it is among the specials.
            least: how often an entry occurs at least.
            largest: number of entries at most, specials included; by default without limit.

        Raises:
            ValueError: if something is no sequence of strings, or no entry is left.
        """
        least = check_positive("least", least)
        specials = list(_strings("specials, a list", specials))
        if unknown is not None and check_instance("unknown", unknown, str) not in specials:
            specials = [unknown, *specials]
        if largest is not None:
            largest = check_positive("largest", largest, least=max(len(specials), 1))
        try:
            counts = Counter(chain.from_iterable(sequences))
        except TypeError:
            raise ValueError(
                f"expected sequences of strings, got {brief(sequences)}; one text is given as "
                "Vocabulary.of([text])"
            ) from None
        _strings("sequences", list(counts))
        left = (e for e, n in counts.items() if n >= least and e not in set(specials))
        found = sorted(left, key=lambda entry: (-counts[entry], entry))
        return cls(tuple([*specials, *map(str, found)][:largest]), unknown=unknown)

    @cached_property
    def _tokens(self) -> dict[str, int]:
        return {entry: token for token, entry in enumerate(self.entries)}

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, entry: object) -> bool:
        return isinstance(entry, str) and entry in self._tokens

    def __getitem__(self, entry: str) -> int:
        """The token of one entry."""
        return int(self.encode([entry])[0])

    def encode(self, sequence: Sequence[str]) -> Int[np.ndarray, "time"]:
        """The tokens of a sequence.

        Raises:
            ValueError: if it is no sequence of strings, or holds strings that are no entries and
                there is no token for unknown ones.
        """
        sequence = _strings("a sequence", sequence)
        if self.unknown is not None:
            found = map(self._tokens.get, sequence, repeat(self._tokens[self.unknown]))
            return np.fromiter(found, np.int32, len(sequence))
        try:
            return np.fromiter(map(self._tokens.__getitem__, sequence), np.int32, len(sequence))
        except KeyError:
            others = sorted(set(sequence) - set(self.entries))
            shown = ", ".join(map(repr, others[:10])) + ", …" * (len(others) > 10)
            raise ValueError(
                f"expected entries of the vocabulary, got {shown} too; did the sequences that it "
                "was made of have none of these?"
            ) from None

    def decode(self, tokens: Any) -> list[str]:
        """The entries of a sequence of tokens; `"".join` of them is a text of characters.

        Raises:
            ValueError: if they are no list of tokens of the vocabulary.
        """
        try:
            tokens = np.asarray(tokens)
        except ValueError:
            raise ValueError(
                f"expected a list of tokens, got {brief(tokens)}; one sequence is decoded at a time"
            ) from None
        last = len(self) - 1
        if tokens.ndim != 1 or (tokens.size and tokens.dtype.kind not in "iu"):
            raise ValueError(
                f"expected a list of tokens, got {tokens.dtype}{list(tokens.shape)}; one sequence "
                "is decoded at a time"
            )
        if tokens.size and not 0 <= tokens.min() <= tokens.max() <= last:
            raise ValueError(
                f"expected tokens from 0 to {last}, got {tokens.min()} … {tokens.max()}; is there "
                "padding among them?"
            )
        return [self.entries[token] for token in tokens.tolist()]


def _strings(name: str, sequence: Any) -> Sequence[str]:
    """A sequence of strings as it is, or as a list."""
    if isinstance(sequence, str):
        return sequence
    listed = isinstance(sequence, Sequence) or getattr(sequence, "ndim", 0)
    if not listed or not all(isinstance(entry, str) for entry in sequence):
        raise ValueError(
            f"expected {name} of strings, got {brief(sequence)}; a text is a sequence of its "
            "characters, a sentence a sequence of its words"
        )
    return list(sequence)
