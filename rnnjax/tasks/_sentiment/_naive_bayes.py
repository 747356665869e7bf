"""Trivial and simple classifiers of texts, to stand beside a network."""

from collections import Counter
from collections.abc import Sequence
from math import log

from ._reviews import Review


def majority(train: Sequence[Review], test: Sequence[Review]) -> float:
    """The accuracy of the most frequent label."""
    [(most, _)] = Counter(each.label for each in train).most_common(1)
    return sum(each.label == most for each in test) / len(test)


def naive_bayes(train: Sequence[Review], test: Sequence[Review]) -> float:
    """The accuracy of multinomial naive Bayes on which words and pairs of words occur.

    Counts are of reviews, with one added to each.

    Reference:
        S. Wang, C. Manning, Baselines and bigrams: simple, good sentiment and topic
        classification, ACL 2012.
    """
    vocabulary = {feature for each in train for feature in _features(each)}
    scores: dict[str, tuple[float, dict[str, float]]] = {}
    for label in sorted({each.label for each in train}):
        own = [_features(each) for each in train if each.label == label]
        counts = Counter(feature for features in own for feature in features)
        total = counts.total() + len(vocabulary)
        scores[label] = (
            log(len(own) / len(train)),
            {feature: log((counts[feature] + 1) / total) for feature in vocabulary},
        )

    def score(label: str, features: set[str]) -> float:
        prior, weights = scores[label]
        return prior + sum(weights[feature] for feature in features if feature in weights)

    def likeliest(features: set[str]) -> str:
        return max(scores, key=lambda label: score(label, features))

    return sum(likeliest(_features(each)) == each.label for each in test) / len(test)


def _features(each: Review) -> set[str]:
    """The words of a review, and its pairs of words that follow each other."""
    return {*each.words, *map(" ".join, zip(each.words, each.words[1:], strict=False))}
