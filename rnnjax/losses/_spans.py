"""Spans of tags, and how many of them a tagger finds."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from .._checks import brief
from ..layers._constraints import split_tag


class Span(NamedTuple):
    """A span of a sequence: the steps from `start` to `stop - 1`."""

    kind: str  # its type, such as "NP"
    start: int  # the first step
    stop: int  # the step after the last one


class SpanScores(NamedTuple):
    """How the spans that a tagger predicts agree with the true ones, from 0 to 1."""

    precision: float  # share of the predicted spans that are true
    recall: float  # share of the true spans that are predicted
    f1: float  # harmonic mean of the two


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans of a sequence of BIO tags, by the rules of conlleval.

    `B-X` starts a span of type X; so does `I-X` unless a span of type X reaches to it. So
    tags in IOB2, in IOB1, and those of a tagger that breaks the scheme are all read.

    Args:
        tags: "O", or "B" or "I" with a type: "B-NP".

    Raises:
        ValueError: if something else is among the tags.

    Examples:
        >>> spans(["B-NP", "I-NP", "O", "I-VP"])
        [Span(kind='NP', start=0, stop=2), Span(kind='VP', start=3, stop=4)]

    Reference:
        E. Tjong Kim Sang, S. Buchholz, Introduction to the CoNLL-2000 shared task: chunking,
        CoNLL 2000.
    """
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise ValueError(f"expected a list of tags, got {brief(tags)}; each is a string")
    found: list[Span] = []
    inside = None  # the type of the span that reaches to the step
    for step, tag in enumerate(tags):
        letter, kind = split_tag(tag)
        if letter == "I" and kind == inside:
            found[-1] = found[-1]._replace(stop=step + 1)
        elif letter != "O":
            found.append(Span(kind, step, step + 1))
        inside = None if letter == "O" else kind
    return found


def span_scores(predicted: Sequence[Sequence[str]], true: Sequence[Sequence[str]]) -> SpanScores:
    """The precision, recall and F1 of predicted spans, as conlleval reports them.

    A predicted span is right if a true one has its type, start and stop. A share of nothing is 0.

    Args:
        predicted: the tags of each sequence.
        true: the true tags, as many.

    Raises:
        ValueError: if the numbers of sequences or tags differ, or a tag is of another scheme.

    Examples:
        >>> span_scores([["B-NP", "O", "B-VP"]], [["B-NP", "O", "B-NP"]])
        SpanScores(precision=0.5, recall=0.5, f1=0.5)

    Reference:
        E. Tjong Kim Sang, S. Buchholz, Introduction to the CoNLL-2000 shared task: chunking,
        CoNLL 2000.
    """
    right = guessed = wanted = 0
    for ours, theirs in _pairs(predicted, true):
        own, other = set(spans(ours)), set(spans(theirs))
        right, guessed, wanted = right + len(own & other), guessed + len(own), wanted + len(other)
    return SpanScores(
        right / max(guessed, 1), right / max(wanted, 1), 2 * right / max(guessed + wanted, 1)
    )


def _pairs(predicted: Any, true: Any) -> Iterator[tuple[Any, Any]]:
    """The tags of each sequence, predicted and true."""
    for name, sequences in (("predicted", predicted), ("true", true)):
        if isinstance(sequences, str) or not isinstance(sequences, Sequence):
            raise ValueError(
                f"expected {name} to be a list with the tags of each sequence, got "
                f"{brief(sequences)}"
            )
    if len(predicted) != len(true):
        raise ValueError(
            f"expected predicted and true tags of the same sequences, got {len(predicted)} and "
            f"{len(true)}"
        )
    for number, (ours, theirs) in enumerate(zip(predicted, true, strict=True)):
        lists = all(isinstance(tags, Sequence) and type(tags) is not str for tags in (ours, theirs))
        if not lists or len(ours) != len(theirs):
            raise ValueError(
                f"expected a predicted and a true tag for each step, got {brief(ours)} and "
                f"{brief(theirs)} for sequence {number}"
            )
        yield ours, theirs
