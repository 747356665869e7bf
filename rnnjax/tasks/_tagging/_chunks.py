"""Sentences with a tag for each word: made from a grammar, of CoNLL-2000, or of one's own."""

import gzip
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...data import data_file, read_columns
from ...losses import spans
from .._application import split
from ._grammar import made_sentence

_HOME = "https://www.clips.uantwerpen.be/conll2000/chunking/"
_SHA256 = {  # of the text
    "train": "82033cd7a72b209923a98007793e8f9de3abc1c8b79d646c50648eb949b87cea",
    "test": "73b7b1e565fa75a1e22fe52ecdf41b6624d6f59dacb591d44252bf4d692b1628",
}
_MADE, _LONGEST = 3000, 32
_LEAST = 20


class Sentence(NamedTuple):
    """The words of a sentence, and the tag of each in the scheme IOB2."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


class Sentences(NamedTuple):
    """Sentences to learn from, to choose by, and to report."""

    train: list[Sentence]
    valid: list[Sentence]
    test: list[Sentence]


def made_chunks() -> Sentences:
    """Sentences made from a grammar, in noun, verb, prepositional and other phrases."""
    rng = np.random.default_rng(0)
    found: dict[tuple[str, ...], Sentence] = {}  # a sentence occurs once
    while len(found) < _MADE:
        chunks = made_sentence(rng)
        words = tuple(word for _, some in chunks for word in some)
        if len(words) > _LONGEST:
            continue
        found[words] = Sentence(words, tuple(tag for chunk in chunks for tag in _tags(*chunk)))
    return Sentences(*split(list(found.values()), "sentences", _LEAST))


def conll2000() -> Sentences:
    """The chunks of CoNLL-2000; the last tenth of the training sentences is for validation."""

    def read(name: str) -> list[Sentence]:
        url, sha256 = f"{_HOME}{name}.txt.gz", _SHA256[name]
        path = data_file(f"tagging/{name}.txt.gz", url=url, sha256=sha256, part=gzip.decompress)
        return read_sentences(path)

    train = read("train")
    cut = len(train) - len(train) // 10
    return Sentences(train[:cut], train[cut:], read("test"))


def own_chunks(path: str) -> Sentences:
    """The sentences of a file with a word a line: the word first, its tag last.

    Raises:
        ValueError: in one line, if it is no such file, or has fewer than 20 sentences.
    """
    if not Path(path).is_file():
        raise ValueError(
            "expected 'made', 'conll2000' or a file with a word and its tag a line, got no file "
            f"{path}"
        )
    return Sentences(*split(read_sentences(path), "sentences", _LEAST))


def read_sentences(path: str | Path) -> list[Sentence]:
    """The sentences of a file in columns, with tags in IOB1 or IOB2.

    Raises:
        ValueError: in one line, if it is no such file.
    """
    rows = read_columns(path)
    if len(rows[0][0]) < 2:
        raise ValueError(f"expected at least two columns, word and tag, in {path}, got 1")
    try:
        return [
            Sentence(tuple(row[0] for row in one), iob2([row[-1] for row in one])) for one in rows
        ]
    except ValueError as error:
        raise ValueError(f"{error}, in the last column of {path}") from None


def iob2(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags with `B-` at the start of every span, as conlleval reads them."""
    found = ["O"] * len(tags)
    for kind, start, stop in spans(tags):
        found[start:stop] = _tags(kind, tags[start:stop])
    return tuple(found)


def _tags(kind: str, words: Sequence[str]) -> list[str]:
    """The tags of a chunk."""
    if kind == "O":
        return ["O"] * len(words)
    name = f"-{kind}" if kind else ""
    return [f"{'I' if place else 'B'}{name}" for place in range(len(words))]


def most_frequent(train: Sequence[Sentence], test: Sequence[Sentence]) -> list[tuple[str, ...]]:
    """The most frequent tag of each word, of all words for one that is new."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in train:
        for word, tag in zip(*sentence, strict=True):
            counts[word][tag] += 1
    everywhere = sum(counts.values(), Counter()).most_common(1)[0][0]
    best = {word: tags.most_common(1)[0][0] for word, tags in counts.items()}
    return [tuple(best.get(word, everywhere) for word in sentence.words) for sentence in test]
