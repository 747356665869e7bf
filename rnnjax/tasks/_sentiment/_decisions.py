"""Decisions about texts, and how far each word moved them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.markup import escape
from rich.text import Text
from scipy.special import log_softmax, logsumexp

from ...data import Batches, Vocabulary, bucketed, padded
from ...layers import Layer
from ...losses import accuracy
from ...training import SequenceObjective, evaluate, predict
from ._reviews import Review

_FULL = 24  # lengths are rounded up, so that few shapes are compiled


class Classifier(NamedTuple):
    """A network that gives texts labels."""

    model: Layer  # tokens `[B, T]` to logits `[B, labels]`
    params: Any  # of the model
    vocabulary: Vocabulary  # of words; the unknown one is among them
    labels: Sequence[str]  # in the order of the logits


class Decision(NamedTuple):
    """The label of a text, and how far each word moved it."""

    words: tuple[str, ...]  # of the text
    label: str  # the likeliest
    probability: float  # of the label
    influence: Float[np.ndarray, "words"]  # what a word adds to the label's log-odds


def batches(
    reviews: Sequence[Review],
    vocabulary: Vocabulary,
    labels: Sequence[str],
    size: int = 64,
    seed: int = 0,
) -> Batches:
    """Texts of similar lengths as tokens, with the places of their labels as targets."""
    tokens = [vocabulary.encode(each.words) for each in reviews]
    targets = [labels.index(each.label) for each in reviews]
    longest = -(-max(map(len, tokens)) // _FULL) * _FULL
    edges = [*(edge for edge in (12, 24, 48) if edge < longest), longest]
    return bucketed(tokens, targets, size, target="sequence", edges=edges, seed=seed)


def share_right(classifier: Classifier, reviews: Sequence[Review]) -> float:
    """The accuracy of a classifier on texts."""
    model, params, vocabulary, labels = classifier
    feed = batches(reviews, vocabulary, labels)
    objective = SequenceObjective(model, accuracy)
    return evaluate(objective, params, feed)


def decide(classifier: Classifier, words: Sequence[str]) -> Decision:
    """The decision about a text; a word's influence is the change when it is left out.

    Raises:
        ValueError: if there is no word.
    """
    if not words:
        raise ValueError("expected a text with at least one word, got none")
    tokens = classifier.vocabulary.encode(words)
    versions = [tokens, *(np.delete(tokens, place) for place in range(len(tokens)))]
    steps, rows = (-(-n // _FULL) * _FULL for n in (len(tokens), len(versions)))
    nothing = [0] * len(versions)
    batch = padded(versions, nothing, target="sequence", steps=steps, batch_size=rows)
    logits = next(predict(classifier.model, classifier.params, batch))[: len(versions)]
    logits = logits.astype(np.float64)
    best = int(logits[0].argmax())
    odds = logits[:, best] - logsumexp(np.delete(logits, best, axis=1), axis=1)
    probability = float(np.exp(log_softmax(logits[0])[best]))
    return Decision(tuple(words), classifier.labels[best], probability, odds[0] - odds[1:])


def coloured(decision: Decision) -> Text:
    """The words of a text: green for the label, red against it, bold where they moved it far."""
    text, largest = Text(), np.abs(decision.influence).max()
    for word, moved in zip(decision.words, decision.influence, strict=True):
        style = "green" if moved > 0 else "red"
        share = abs(moved) / largest if largest else 0
        style = f"bold {style}" if share > 0.5 else style if share > 0.1 else "dim"
        text.append(f"{word} ", style)
    return text


def moved_most(decision: Decision, count: int = 4) -> str:
    """The words that moved a decision most, with what they add to the log-odds."""
    order = np.argsort(-np.abs(decision.influence), kind="stable")[:count]
    return ", ".join(f"{decision.words[i]} {decision.influence[i]:+.1f}" for i in order)


def show(decision: Decision) -> None:
    """Prints a decision, its words, and which of them moved it most."""
    console = Console(highlight=False)
    console.print(f"\n{escape(decision.label)} ({decision.probability:.2f})", end="  ")
    console.print(coloured(decision), soft_wrap=True)
    print(f"  moved most by {moved_most(decision)}")
