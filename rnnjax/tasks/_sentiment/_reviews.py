"""Short reviews with labels: made from a grammar, of films, or of one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...data import data_file, read_lines, read_table, tokenize
from .._application import split as in_three
from ._grammar import made_review

_HOME = "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/"
_SHA256 = {
    "positive": "c2dc6b2f55bcf725725372916287cc3f8f9b19402edaa9167de5287cb3ade421",
    "negative": "614274f81185a850e5a88d533d4679f916d6f62e9af6f0b4ec71fb94bf466ea5",
}
_MADE = 12_000
_LEAST = 20


class Review(NamedTuple):
    """A short text and its label."""

    words: tuple[str, ...]  # in small letters, with punctuation marks
    label: str  # any text


class Reviews(NamedTuple):
    """Reviews to learn from, to choose by, and to report."""

    train: list[Review]  # to learn from
    valid: list[Review]  # to choose by
    test: list[Review]  # to report
    labels: tuple[str, ...]  # the different labels, in order

    def parts(self) -> dict[str, list[Review]]:
        """The three parts by their use."""
        return {"to learn from": self.train, "to choose by": self.valid, "to report": self.test}


def made_reviews() -> Reviews:
    """Reviews made from a grammar with negation, contrast, intensifiers and neutral words."""
    rng = np.random.default_rng(0)
    texts: dict[str, str] = {}  # a text occurs once, so that the test is of new ones
    while len(texts) < _MADE:
        label = ("negative", "positive")[len(texts) % 2]
        texts[made_review(rng, label == "positive")] = label
    return split([review(text, label) for text, label in texts.items()])


def film_reviews() -> Reviews:
    """The 5331 positive and 5331 negative sentences about films of B. Pang and L. Lee, 2005."""
    every = []
    for label, checksum in _SHA256.items():
        name = f"rt-polarity.{label[:3]}"
        url = f"{_HOME}sentence_polarity.zip#sentence_polarity/{name}"
        path = data_file(f"sentiment/{name}", url=url, sha256=checksum)
        every += [review(text, label) for text in read_lines(path)]
    return split(every)


def own_reviews(path: str) -> Reviews:
    """The rows of a table with the columns `text` and `label`.

    Raises:
        ValueError: in one line, if it is no such table, has fewer than 20 rows, or one label.
    """
    if not Path(path).is_file():
        raise ValueError(
            f"expected 'made', 'films' or a .csv or .tsv file with the columns text and label, got "
            f"{path}"
        )
    return split([review(text, label) for text, label in read_table(path, ("text", "label"))])


def review(text: str, label: str) -> Review:
    """A text as words, with its label."""
    return Review(tuple(tokenize(text, lower=True)), label)


def split(every: Sequence[Review]) -> Reviews:
    """Reviews in three parts, always the same.

    Raises:
        ValueError: if there are fewer than 20, or not two labels.
    """
    labels = tuple(sorted({each.label for each in every}))
    if len(labels) < 2:
        raise ValueError(f"expected at least two different labels, got {', '.join(labels)}")
    return Reviews(*in_three(every, "texts", _LEAST), labels)
