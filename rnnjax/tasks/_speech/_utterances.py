"""Utterances: sounds with their words, as features and labels."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from ...data import Batches, Vocabulary, bucketed, log_mel, standardized

BLANK = "<blank>"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WINDOW, STEP = 0.032, 0.02  # seconds
_FLOOR = 1e-6  # the energy of faint noise, so that digital silence is no outlier
_PIECE = 0.5  # sounds are filled up to multiples of it, so that few programs are compiled


class Utterance(NamedTuple):
    """A sound and its words."""

    samples: np.ndarray
    words: tuple[str, ...]


class Speech(NamedTuple):
    """A data set; `train`, `valid` and `test` are of different recordings."""

    train: list[Utterance]
    valid: list[Utterance]
    test: list[Utterance]
    rate: int  # samples a second
    vocabulary: Vocabulary  # the blank of CTC, then words or characters
    single_train: list[Utterance] = []  # single words, to compare with a classifier
    single_test: list[Utterance] = []

    @property
    def by_characters(self) -> bool:
        return spells(self.vocabulary)


def spells(vocabulary: Vocabulary) -> bool:
    """Whether labels are characters: a space is among them."""
    return " " in vocabulary


def vocabulary_of(utterances: Sequence[Utterance], most: int = 100) -> Vocabulary:
    """Words, if there are at most so many different ones, else characters with the space."""
    words = {word for utterance in utterances for word in utterance.words}
    if len(words) <= most:
        return Vocabulary((BLANK, *sorted(words)))
    return Vocabulary((BLANK, " ", *sorted(set().union(*words))))


def labels(words: Sequence[str], vocabulary: Vocabulary) -> np.ndarray:
    """The classes of words."""
    return vocabulary.encode(" ".join(words) if spells(vocabulary) else list(words))


def words_of(labels: Sequence[int], vocabulary: Vocabulary) -> str:
    """The words of classes, with a space between them; negative ones are left out."""
    found = vocabulary.decode([label for label in labels if label >= 0])
    return " ".join("".join(found).split() if spells(vocabulary) else found)


def log_spectra(utterances: Sequence[Utterance], rate: int, mels: int) -> list[np.ndarray]:
    """The log-mel energies of each sound, `[T, mels]`."""
    size, step, piece = round(WINDOW * rate), round(STEP * rate), round(_PIECE * rate)
    sizes, found = defaultdict(list), [np.empty((0, mels))] * len(utterances)
    for place, utterance in enumerate(utterances):
        sizes[-(-max(len(utterance.samples), size) // piece) * piece].append(place)
    for length, places in sizes.items():
        for some in (places[i : i + 64] for i in range(0, len(places), 64)):
            filled = np.zeros((64, length), np.float32)
            for row, place in zip(filled, some, strict=False):
                row[: len(utterances[place].samples)] = utterances[place].samples
            spectra = _spectra(filled, rate, mels)
            for spectrum, place in zip(np.asarray(spectra), some, strict=False):
                frames = 1 + max(len(utterances[place].samples) - size, 0) // step
                found[place] = spectrum[:frames]
    return found


def _spectra(samples: np.ndarray, rate: int, mels: int) -> jax.Array:
    return log_mel(samples, rate, window=WINDOW, step=STEP, mels=mels, floor=_FLOOR)


def features(utterances: Sequence[Utterance], rate: int, mels: int) -> list[np.ndarray]:
    """The log-mel energies of each sound, `[T, mels]`, with mean 0 and variance 1 over all bands.

    The mean of each band over time would take the vowel out of a single word.
    """
    return [_standardized(spectrum) for spectrum in log_spectra(utterances, rate, mels)]


def _standardized(spectrum: np.ndarray) -> np.ndarray:
    """`standardized`, of sounds of many lengths by few programs."""
    count, size = spectrum.size, -(-len(spectrum) // 64) * 64 * spectrum.shape[1]
    filled = np.pad(spectrum.reshape(-1, 1), ((0, size - count), (0, 0)))
    found = _jitted(filled, np.arange(size) < count)
    return np.asarray(found)[:count].reshape(spectrum.shape)


_jitted = jax.jit(standardized)


def batches(
    utterances: Sequence[Utterance], speech: Speech, mels: int, batch: int, seed: int = 0
) -> Batches:
    """Batches of similar lengths for `ctc_loss`."""
    targets = [labels(utterance.words, speech.vocabulary) for utterance in utterances]
    inputs = features(utterances, speech.rate, mels)
    return bucketed(inputs, targets, batch, target="labels", buckets=3, seed=seed)


def nearest_mean(speech: Speech, mels: int) -> float:
    """The share of single words whose mean spectrum is nearest to the mean of its word."""
    train, test = (
        np.stack([spectrum.mean(0) for spectrum in log_spectra(some, speech.rate, mels)])
        for some in (speech.single_train, speech.single_test)
    )
    words = np.array([utterance.words[0] for utterance in speech.single_train])
    classes = sorted(set(words))
    means = np.stack([train[words == word].mean(0) for word in classes])
    nearest = ((test[:, None] - means) ** 2).sum(-1).argmin(1)
    right = [
        classes[k] == each.words[0] for k, each in zip(nearest, speech.single_test, strict=True)
    ]
    return float(np.mean(right))
