"""The data of the tasks. Every model starts a sequence, and a window, from its initial carry."""

import re
from math import log
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.data import Batch, Vocabulary
from rnnjax.forecasting import LinearForecast, Window
from rnnjax.losses import accuracy, cross_entropy, frame_loss, squared_error
from rnnjax.tasks import Adding, ngram_bits
from rnnjax.tasks._digits import sklearn_digits
from rnnjax.tasks._forecast._series import etth1
from rnnjax.tasks._language._data import read
from rnnjax.tasks._music._baselines import frame_baselines
from rnnjax.tasks._music._pieces import chorales as pieces
from rnnjax.tasks._tagging._chunks import Sentence, conll2000, most_frequent

from .problem import Problem, some_rows

WINDOW = 100  # characters
VALID_CHARACTERS = 25_000  # of the twentieth that is there
FRAMES = 64  # of a training excerpt
CONTEXT, HORIZON = 96, 24  # hours
EVERY = 4  # validation window of a series counts
WORDS, LEAST = 40, 3  # of a training sentence; occurrences of a word that is known
UNKNOWN = "<unk>"
VALID_DIGITS = 237


def adding(length: int) -> Problem:
    """The adding problem: fresh sequences for every update."""
    task = Adding(length)

    def examples(seed: int, rows: int) -> Batch:
        return task.sample(jax.random.key(seed), rows)._replace(loss_mask=np.ones(rows, bool))

    return Problem(
        train=(),
        draw=lambda _, key, rows: task.sample(key, rows),
        valid=examples(1000, 128),
        test=examples(2000, 1024),
        outputs=1,
        loss=squared_error,
        baselines=lambda: {"the mean": task.trivial_loss},
    )


def characters() -> Problem:
    """A million characters of Shakespeare: the last twentieth is for tests."""
    vocabulary, tokens = np.unique([*read("shakespeare")], return_inverse=True)
    tokens, size = tokens.astype(np.int32), len(vocabulary)
    train, valid, test = np.split(tokens, [len(tokens) * 18 // 20, len(tokens) * 19 // 20])

    def draw(train, key, rows):
        starts = jax.random.randint(key, (rows, 1), 0, len(train) - WINDOW)
        found = train[starts + jnp.arange(WINDOW + 1)]
        return Batch(found[:, :-1], found[:, 1:])

    def windows(tokens):
        count = (len(tokens) - 1) // WINDOW
        pair = (tokens[first : first + count * WINDOW].reshape(count, WINDOW) for first in (0, 1))
        return Batch(*pair, loss_mask=np.ones((count, WINDOW), bool))

    def baselines():
        return {
            name: ngram_bits(train, test, order=order, vocabulary=size)
            for name, order in {"trigram counts": 3, "5-gram counts": 5}.items()
        }

    held_out = windows(valid[:VALID_CHARACTERS]), windows(test)
    kind = {"vocabulary": size, "every_step": True, "scale": 1 / log(2)}
    return Problem(train, draw, *held_out, size, cross_entropy, baselines, **kind)


def chorales() -> Problem:
    """Bach's chorales, the standard split: the keys of the next frame."""
    train, valid, test, _ = pieces()
    rolls, lengths = _padded(train), np.array([len(roll) for roll in train])

    def draw(train, key, rows):
        rolls, lengths = train
        key_piece, key_start = jax.random.split(key)
        chosen = jax.random.randint(key_piece, (rows, 1), 0, len(rolls))
        most = jnp.maximum(lengths[chosen] - FRAMES, 1)
        places = jax.random.randint(key_start, (rows, 1), 0, most) + jnp.arange(FRAMES + 1)
        found = rolls[chosen, jnp.minimum(places, rolls.shape[1] - 1)].astype(jnp.float32)
        return Batch(found[:, :-1], found[:, 1:], loss_mask=places[:, 1:] < lengths[chosen])

    def whole(rolls):
        padded = _padded(rolls).astype(np.float32)
        lengths = np.array([[len(roll)] for roll in rolls])
        mask = np.arange(1, padded.shape[1]) < lengths
        return Batch(padded[:, :-1], padded[:, 1:], loss_mask=mask)

    def baselines():
        return {"a Markov chain of each key": frame_baselines(train, test)["Markov chain"]}

    held_out = whole(valid), whole(test)
    return Problem((rolls, lengths), draw, *held_out, 88, frame_loss, baselines, every_step=True)


def forecasting() -> Problem:
    """Seven series of a transformer: the next day from four, as differences from the last hour."""
    table = etth1()
    first, second, end = table.cuts
    values = np.asarray(table.values, np.float32)
    values = (values - values[:first].mean(0)) / values[:first].std(0)

    def pair(past, future):
        last = past[:, -1:]
        return past - last, (future - last).reshape(len(future), -1)

    def draw(train, key, rows):
        starts = jax.random.randint(key, (rows, 1), 0, len(train) - CONTEXT - HORIZON + 1)
        found = train[starts + jnp.arange(CONTEXT + HORIZON)]
        return Batch(*pair(found[:, :CONTEXT], found[:, CONTEXT:]))

    def windows(start, stop, every=1):
        starts = np.arange(start - CONTEXT, stop - CONTEXT - HORIZON + 1, every)[:, None]
        found = values[starts + np.arange(CONTEXT + HORIZON)]
        return found[:, :CONTEXT], found[:, CONTEXT:]

    def examples(*cut):
        inputs, targets = pair(*windows(*cut))
        return Batch(inputs, targets, loss_mask=np.ones(len(targets), bool))

    def baselines():
        past, future = windows(second, end)
        linear = LinearForecast.fit([Window(*windows(CONTEXT, first))]).predict(past)
        return {
            "the last value": float(np.mean((past[:, -1:] - future) ** 2)),
            "a linear map": float(np.mean((linear - future) ** 2)),
        }

    held_out = examples(first, second, EVERY), examples(second, end)
    outputs = HORIZON * values.shape[1]
    return Problem(values[:first], draw, *held_out, outputs, squared_error, baselines)


def tagging() -> Problem:
    """The chunks of CoNLL-2000: the tag of each word, from it and the words before."""
    sentences = conll2000()
    words = Vocabulary.of(map(_plain, sentences.train), unknown=UNKNOWN, least=LEAST)
    tags = Vocabulary.of(sentence.tags for sentence in sentences.train)
    known = {tag: number for number, tag in enumerate(tags.entries)}

    def examples(sentences: list[Sentence], longest: int | None = None) -> Batch:
        inputs = _padded([words.encode(_plain(one)) for one in sentences], np.int32)
        # A tag that does not occur in training counts as wrong.
        targets = _padded([[known.get(t, len(tags)) for t in one.tags] for one in sentences])
        lengths = np.array([[len(one.words)] for one in sentences])
        mask = np.arange(inputs.shape[1]) < lengths
        found = Batch(inputs, targets.astype(np.int32), loss_mask=mask)
        return jax.tree.map(lambda a: a[:, :longest], found)

    def baselines():
        found = most_frequent(sentences.train, sentences.test)
        pairs = zip(found, (one.tags for one in sentences.test), strict=True)
        right = [a == b for some in pairs for a, b in zip(*some, strict=True)]
        return {"the most frequent tag of each word": 100 * float(np.mean(right))}

    return Problem(
        train=examples(sentences.train, WORDS),
        draw=some_rows,
        valid=examples(sentences.valid),
        test=examples(sentences.test),
        outputs=len(tags) + 1,
        loss=cross_entropy,
        baselines=baselines,
        vocabulary=len(words),
        every_step=True,
        measure=accuracy,
        scale=100.0,
    )


def digits() -> Problem:
    """Pictures of 8 x 8 pixels, a pixel at a time: which digit is it?"""
    found = sklearn_digits()
    pixels, labels = _sequences(found.train_images), found.train_labels.astype(np.int32)
    test = _sequences(found.test_images), found.test_labels.astype(np.int32)
    learnt, held_out = slice(None, -VALID_DIGITS), slice(-VALID_DIGITS, None)

    def baselines():
        means = np.stack([pixels[learnt][labels[learnt] == digit].mean(0) for digit in range(10)])
        distances = ((test[0][:, None] - means) ** 2).sum((2, 3))
        return {"the nearest mean picture": 100 * float((distances.argmin(1) == test[1]).mean())}

    def examples(inputs, targets):
        return Batch(inputs, targets, loss_mask=np.ones(len(targets), bool))

    train = Batch(pixels[learnt], labels[learnt])
    parts = examples(pixels[held_out], labels[held_out]), examples(*test)
    kind = {"measure": accuracy, "scale": 100.0}
    return Problem(train, some_rows, *parts, 10, cross_entropy, baselines, **kind)


def _sequences(images: np.ndarray) -> np.ndarray:
    return (images.reshape(len(images), -1, 1) / 255).astype(np.float32)


def _plain(sentence: Sentence) -> list[str]:
    return [re.sub(r"\d", "0", word.lower()) for word in sentence.words]


def _padded(rows: list, dtype: Any = np.uint8) -> np.ndarray:
    """Arrays of different lengths in one, with zeros behind them."""
    arrays = [np.asarray(row) for row in rows]
    found = np.zeros((len(rows), max(map(len, arrays)), *arrays[0].shape[1:]), dtype)
    for place, array in zip(found, arrays, strict=True):
        place[: len(array)] = array
    return found
