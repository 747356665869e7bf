"""Pairs of sentences to learn translation from."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...data import Batches, Vocabulary, bucketed, data_file, read_lines, read_table
from .._application import split
from ._numbers import number_pairs

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
_SOURCE = (
    "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/tok/{}.lc.norm.tok.{}"
)
# The published name of each part, and the checksums of its German and English file.
_MULTI30K = {
    "train": (
        "train",
        "cb5a23529b65ec2061f1dc446192a9c37382b63cc75f81a0be59d34894b3a505",
        "08925f8e0572bcd5a006702fc5fe20e2d77c6917d4eebd576fc20de6693c2119",
    ),
    "val": (
        "val",
        "97232bd273eceb7207f689527386a97e4be2616b18ada47576bdaf96c8ae1f00",
        "46573ce391ae227f1c72f873392436a20ef18e0a6d518098cfbd70b77c8572ec",
    ),
    "test2016": (
        "test_2016_flickr",
        "c6a33d39d48f9f510de147651316cd9d918e09ad0219df734a2f16b6baccacc4",
        "5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2",
    ),
}

Pair = tuple[str, str]


class Side(NamedTuple):
    """A language: its vocabulary, of words or of characters."""

    vocabulary: Vocabulary
    by_words: bool

    def encode(self, text: str) -> np.ndarray:
        """The tokens of a sentence."""
        return self.vocabulary.encode(self.split(text))

    def decode(self, tokens: np.ndarray) -> str:
        """The sentence of tokens up to the end token or a negative one."""
        end = np.flatnonzero((tokens < 0) | (tokens == self.vocabulary[END]))
        entries = self.vocabulary.decode(tokens[: end[0]] if end.size else tokens)
        return (" " if self.by_words else "").join(entries)

    def split(self, text: str) -> list[str]:
        """The words, or the characters, of a sentence."""
        return text.split() if self.by_words else list(text)


Sides = tuple[Side, Side]  # source and target


class Pairs(NamedTuple):
    """A data set of pairs (source, target), split at random or as it was published."""

    train: list[Pair]
    valid: list[Pair]
    test: list[Pair]
    by_words: tuple[bool, bool] = (True, True)  # source and target; else by characters

    def sides(self, least: int) -> Sides:
        """Source and target, with the words that occur so often in the training pairs."""
        sides = []
        for by_words, texts in zip(self.by_words, zip(*self.train, strict=True), strict=True):
            side = Side(Vocabulary((UNKNOWN,)), by_words)
            vocabulary = Vocabulary.of(
                map(side.split, texts), specials=(UNKNOWN, START, END), unknown=UNKNOWN, least=least
            )
            sides.append(side._replace(vocabulary=vocabulary))
        return sides[0], sides[1]


def numbers(seed: int) -> Pairs:
    """Numbers, from German letters to English words; those of the test are new."""
    pairs = number_pairs(7000, seed)
    return Pairs(pairs[:6000], pairs[6000:6500], pairs[6500:], by_words=(False, True))


def multi30k(seed: int) -> Pairs:
    """Descriptions of pictures, German and English, tokenised and in lower case.

    D. Elliott et al., Multi30K: multilingual English-German image descriptions, 2016.
    """
    parts = []
    for part, (name, *checksums) in _MULTI30K.items():
        files = (
            data_file(f"translation/{part}.{end}", url=_SOURCE.format(name, end), sha256=checksum)
            for end, checksum in zip(("de", "en"), checksums, strict=True)
        )
        parts.append([*zip(*map(read_lines, files), strict=True)])
    return Pairs(*parts)


def own(path: Path, seed: int) -> Pairs:
    """A table of two columns, source and target; a tenth each validates and tests.

    Raises:
        ValueError: in one line, if it is no such table or has fewer than 30 rows.
    """
    rows = read_table(path)
    if len(rows[0]) != 2:
        raise ValueError(
            f"expected two columns in {path}, a sentence and its translation, got {len(rows[0])}"
        )
    pairs = [(source, target) for source, target in rows if source.split() and target.split()]
    return Pairs(*split(pairs, f"pairs of sentences in {path}", 30, seed))


def batches(pairs: Sequence[Pair], sides: Sides, batch: int, seed: int = 0) -> Batches:
    """Batches for teacher forcing: the start token and the target, the target and the end token."""
    source, target = sides
    tokens = [target.encode(text) for _, text in pairs]
    start, end = target.vocabulary[START], target.vocabulary[END]
    return bucketed(
        [np.r_[start, y].astype(np.int32) for y in tokens],
        [np.r_[y, end].astype(np.int32) for y in tokens],
        batch,
        context=[source.encode(text) for text, _ in pairs],
        buckets=3 if len(pairs) < 10_000 else 8,  # a program is compiled for each
        seed=seed,
    )
