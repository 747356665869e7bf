"""Metrics, and penalties on hidden states, against loops in NumPy."""

import itertools
from typing import Any

import jax
import numpy as np
import pytest

from rnnjax.losses import (
    accuracy,
    activation_penalty,
    ctc_loss,
    sequence_accuracy,
    temporal_activation_penalty,
    valid_steps,
)

K = 5
MASK = np.ones((2, 3), bool)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def one_hot(classes):
    return np.eye(K)[classes]


def close(a: Any, b: Any, tolerance: float = 1e-9):
    np.testing.assert_allclose(a, b, tolerance, tolerance)


@pytest.mark.parametrize("masked", [False, True])
def test_accuracy_of_tokens_and_of_sequences(masked):
    random = np.random.default_rng(1)
    targets = random.integers(0, K, (40, 2))
    logits = one_hot(targets) + random.normal(size=(40, 2, K)) / 2
    mask = random.random((40, 2)) < 0.6 if masked else np.ones((40, 2), bool)
    logits[~mask] = np.nan
    rows = [[max(range(K), key=list(x).__getitem__) for x in row] for row in logits]
    right = [
        [a == b for a, b in zip(*pair, strict=True)] for pair in zip(rows, targets, strict=True)
    ]
    kept = [list(itertools.compress(*pair)) for pair in zip(right, mask, strict=True)]
    given = mask if masked else None
    share, whole = accuracy(logits, targets, given), sequence_accuracy(logits, targets, given)
    close(share, np.mean(sum(kept, [])), 1e-6)
    close(whole, np.mean([all(row) for row in kept if row]), 1e-6)
    assert 0 < whole < share < 1
    assert sequence_accuracy(logits, targets, np.zeros_like(mask)) == 0
    total, count = accuracy.total(logits, targets, given)
    assert (total, count) == (sum(map(sum, kept)), sum(map(len, kept)))
    total, count = sequence_accuracy.total(logits, targets, given)
    assert (total, count) == (sum(all(row) for row in kept if row), sum(map(bool, kept)))
    for bad in (mask[:, 0], mask.astype(int)):
        with pytest.raises(ValueError, match=r"expected a bool mask of shape \[40, 2\], got "):
            sequence_accuracy(logits, targets, bad)


@pytest.mark.parametrize("metric", [accuracy, sequence_accuracy])
def test_classes_that_are_none_are_refused_or_wrong(metric):
    logits, targets = one_hot(np.array([[1, 2], [3, 4]])), np.array([[1, 2], [3, 4]])
    for wrong in (K, -1):
        off = np.where(targets == 4, wrong, targets)
        with pytest.raises(ValueError, match=rf"expected targets from 0 to 4, .* got {wrong}; "):
            metric(logits, off)
        close(jax.jit(metric)(logits, off), {accuracy: 0.75, sequence_accuracy: 0.5}[metric])
        assert metric(logits, off, off != wrong) == 1
    with pytest.raises(ValueError, match=r"expected targets to be classes, integers, got float64"):
        metric(logits, targets * 1.0)


@pytest.mark.parametrize("metric", [accuracy, sequence_accuracy])
def test_the_share_of_nothing_is_zero(metric):
    for shape in ((0, 2), (2, 0)):
        assert metric(np.zeros((*shape, K)), np.zeros(shape, int)) == 0


def test_one_sequence_is_right_or_wrong():
    logits = one_hot(np.array([1, 2]))
    assert sequence_accuracy(logits, np.array([1, 2])) == 1
    assert sequence_accuracy(logits, np.array([1, 3])) == 0
    with pytest.raises(ValueError, match=r"expected targets \[\*batch, time\]"):
        sequence_accuracy(logits[0], np.array(1))


def test_metrics_and_penalties_run_under_strict_flags():
    with (
        jax.enable_x64(False),
        jax.numpy_rank_promotion("raise"),
        jax.numpy_dtype_promotion("strict"),
    ):
        logits, classes, mask = np.ones((2, 3, K), np.float32), np.ones((2, 3), int), MASK
        for masks in ((), (mask,)):
            for metric in (accuracy, sequence_accuracy):
                jax.eval_shape(metric, logits, classes, *masks)
            for penalty in (activation_penalty, temporal_activation_penalty):
                jax.eval_shape(jax.grad(penalty), logits, *masks)
            jax.eval_shape(jax.value_and_grad(ctc_loss), logits, classes, *masks)
        valid_steps(np.array([1, 3]), 3)


@pytest.mark.parametrize("masked", [False, True])
def test_penalties_on_activations_and_their_changes(masked):
    random = np.random.default_rng(2)
    hidden = random.normal(size=(2, 5, 3))
    mask = np.array([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1]], bool) if masked else np.ones((2, 5), bool)
    steps = [(b, t) for b in range(2) for t in range(5) if mask[b, t]]
    pairs = [(b, t) for b, t in steps if t < 4 and mask[b, t + 1]]
    square, change = np.zeros_like(hidden), np.zeros_like(hidden)
    for b, t in steps:
        square[b, t] += 2 * hidden[b, t] / (3 * len(steps))
    for b, t in pairs:
        difference = 2 * (hidden[b, t + 1] - hidden[b, t]) / (3 * len(pairs))
        change[b, t + 1] += difference
        change[b, t] -= difference
    garbage, given = np.where(mask[..., None], hidden, np.nan), mask if masked else None
    ar = jax.value_and_grad(activation_penalty)(garbage, given)
    tar = jax.value_and_grad(temporal_activation_penalty)(garbage, given)
    close(ar[0], np.mean([hidden[at] ** 2 for at in steps]))
    close(tar[0], np.mean([(hidden[b, t + 1] - hidden[b, t]) ** 2 for b, t in pairs]))
    close(ar[1], square)
    close(tar[1], change)


def test_one_step_does_not_change():
    assert temporal_activation_penalty(np.ones((2, 1, 3))) == 0
    with pytest.raises(ValueError, match=r"expected hidden \[\*batch, time, h\], got shape \[3\]"):
        temporal_activation_penalty(np.ones(3))
    for mask in (MASK.astype(int), MASK[:, 0]):
        with pytest.raises(ValueError, match=r"expected a bool mask of shape \[2, 3\]"):
            temporal_activation_penalty(np.ones((2, 3, 4)), mask)
