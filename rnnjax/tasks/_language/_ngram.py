"""Models that count: the baselines of the language model."""

import math
from typing import Any

import numpy as np
from jaxtyping import Int

from ..._checks import brief, check_array, check_positive


def ngram_bits(
    train: Int[np.ndarray, "n"], held_out: Int[np.ndarray, "m"], *, order: int, vocabulary: int
) -> float:
    """Bits per character on held-out text of an interpolated n-gram model.

    Each order is mixed with the one below it by the weights of Witten and Bell: a context seen
    `n` times, followed by `k` different characters, gets the share `n / (n + k)`:

        p(x | context) = (count(context x) + k p(x | shorter context)) / (n + k)

    The lowest order is the even distribution over the vocabulary.

    Args:
        train: the tokens to count.
        held_out: the tokens to predict, from the `order - 1` before each.
        order: length of the longest n-gram; 1 looks at frequencies only.
        vocabulary: number of tokens.

    Examples:
        >>> tokens = np.array([0, 1] * 50)
        >>> ngram_bits(tokens, tokens, order=2, vocabulary=2) < 0.1
        True

    Reference:
        I. Witten, T. Bell, The zero-frequency problem, IEEE Transactions on Information Theory
        37, 1991.
    """
    order = check_positive("order", order)
    vocabulary = check_positive("vocabulary", vocabulary)
    train, held_out = (
        _tokens(name, tokens, order, vocabulary)
        for name, tokens in (("train", train), ("held_out", held_out))
    )
    probability = np.full(len(held_out) - order + 1, 1 / vocabulary)
    # Codes of the contexts, numbered anew at each order, so that they stay small.
    before_train, before_held_out = (
        np.zeros_like(train, np.int64),
        np.zeros_like(held_out, np.int64),
    )
    for n in range(1, order + 1):
        seen_in_train = before_train * vocabulary + train[n - 1 :]
        seen_in_held_out = before_held_out * vocabulary + held_out[n - 1 :]
        probability = _mix(seen_in_train, seen_in_held_out[order - n :], vocabulary, probability)
        both = np.concatenate([seen_in_train, seen_in_held_out])
        numbers = np.unique(both, return_inverse=True)[1]
        before_train = numbers[: len(seen_in_train) - 1]
        before_held_out = numbers[len(seen_in_train) : -1]
    return float(-np.log2(probability).mean())


def counting_models(train: np.ndarray, held_out: np.ndarray, vocabulary: int) -> dict[str, float]:
    """The nats per held-out token of n-gram models, by their names."""
    orders = {"unigram": 1, "trigram": 3, "interpolated 5-gram": 5}
    return {
        name: math.log(2) * ngram_bits(train, held_out, order=order, vocabulary=vocabulary)
        for name, order in orders.items()
    }


def _tokens(name: str, tokens: Any, order: int, vocabulary: int) -> np.ndarray:
    """Tokens as an array.

    Raises:
        ValueError: unless they are at least `order` tokens of the vocabulary.
    """
    known = np.asarray(check_array(name, tokens))
    fit = known.ndim == 1 and known.dtype.kind in "iu" and len(known) >= order
    if not fit or known.min() < 0 or known.max() >= vocabulary:
        raise ValueError(
            f"expected {name} to be at least {order} tokens, integers below the vocabulary of "
            f"{vocabulary}, got {brief(known)}"
        )
    return known


def _mix(train: np.ndarray, held_out: np.ndarray, vocabulary: int, lower: np.ndarray) -> np.ndarray:
    """The held-out probabilities of one order, from n-gram codes and those of the order below."""
    grams, counts = np.unique(train, return_counts=True)
    contexts, first, kinds = np.unique(grams // vocabulary, return_index=True, return_counts=True)
    totals = np.add.reduceat(counts, first)
    count = _look_up(grams, counts, held_out)
    total = _look_up(contexts, totals, held_out // vocabulary)
    kind = _look_up(contexts, kinds, held_out // vocabulary)
    return np.where(total > 0, (count + kind * lower) / np.maximum(total + kind, 1), lower)


def _look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The value of each wanted key; 0 where it is not among the sorted keys."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)
