"""CTC against the sum over all alignments, one by one, in float64."""

# pyright: reportArgumentType=false

import itertools
from functools import cache, partial
from typing import Any

import jax
import numpy as np
import optax
import pytest
from scipy import special

from rnnjax.losses import ctc_feasible, ctc_loss, valid_steps

T, K = 5, 3
LABELS = [[1, 2], [1, 1], [2], [], [1, 2, 1], [1, 1], [2, 2, 2], [2]]
LENGTHS = [5, 4, 2, 3, 3, 2, 4, 0]  # the last three have no alignment


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


@cache
def pull(blank=0):
    """The sum and the number of losses, and the gradient, compiled once."""
    return jax.jit(jax.value_and_grad(partial(ctc_loss.total, blank=blank), has_aux=True))


def collapsed(path, blank):
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


@cache
def alignments(steps, labels, blank):
    paths = itertools.product(range(K), repeat=steps)
    return np.array([path for path in paths if collapsed(path, blank) == labels], int)


def brute_force(logits, labels, blank) -> Any:
    """Minus the logarithm of the probability of all alignments; `None` if there are none."""
    paths = alignments(len(logits), tuple(labels), blank)
    if not paths.size:
        return None
    log_p = special.log_softmax(logits, -1)
    return -np.asarray(special.logsumexp(log_p[np.arange(len(logits)), paths].sum(-1)))


def rows(blank):
    """Labels and masks: the cases above, and as many at random with gaps between valid steps."""
    random = np.random.default_rng(5)
    drawn = [list(random.integers(1, 3, random.integers(0, 4))) for _ in LABELS]
    masks = [np.array(valid_steps(np.array(LENGTHS), T)), random.random((len(drawn), T)) < 0.8]
    return [[(blank + k) % K for k in row] for row in LABELS + drawn], np.concatenate(masks)


@pytest.mark.parametrize("blank, padding", [(0, 0), (2, 2), (1, -1), (-1, -1)])
def test_ctc_and_its_gradient_equal_the_sum_over_all_alignments(blank, padding):
    known = blank % K
    labels, mask = rows(known)
    padded = np.array([row + [padding] * (4 - len(row)) for row in labels])
    logits = 2 * np.random.default_rng(3).normal(size=(len(labels), T, K))

    def loss_of(b, logits) -> Any:
        return brute_force(logits[mask[b]], labels[b], known) if mask[b].any() else None

    losses = [loss_of(b, row) for b, row in enumerate(logits)]
    feasible = [loss is not None for loss in losses]
    assert feasible[:8] == [True] * 5 + [False] * 3 and sum(feasible[8:]) > 3
    found = ctc_feasible(padded, mask, blank=known)
    np.testing.assert_array_equal(found, feasible)

    garbage = np.where(mask[..., None], logits, np.nan)
    (total, count), gradient = pull(blank)(garbage, padded, mask)
    assert count == sum(feasible)
    np.testing.assert_allclose(total, sum(x for x in losses if x is not None), 1e-8)
    for b, t, k in itertools.product(*map(range, logits.shape)):
        expected = 0.0
        if feasible[b] and mask[b, t]:
            step = 1e-6 * np.eye(T * K)[t * K + k].reshape(T, K)
            expected = (loss_of(b, logits[b] + step) - loss_of(b, logits[b] - step)) / 2e-6
        np.testing.assert_allclose(gradient[b, t, k], expected, 1e-7, 1e-8)


def test_ctc_is_the_mean_over_sequences_and_needs_no_mask():
    logits = np.random.default_rng(3).normal(size=(2, 6, K))
    losses = [brute_force(logits[0], [1], 0), brute_force(logits[1], [2, 1, 2], 0)]
    labels = np.array([[1, 0, 0, -1], [2, 1, 2, 0]])
    np.testing.assert_allclose(ctc_loss(logits, labels), np.mean(losses), 1e-8)


@pytest.mark.parametrize(
    "labels, named",
    [
        ([1, 3, 0, 0], 3),
        ([3, 3, 0, -1], 3),
        ([1, -1, 2, 0], -1),
        ([1, 0, 2, 0], 0),
        ([2, 1, 99, -1], 99),
    ],
)
def test_labels_that_are_no_class_are_refused_or_make_the_loss_nan(labels, named):
    logits = np.random.default_rng(0).normal(size=(2, 6, K))
    labels = np.array([[1, 0, 0, 0], labels])
    message = rf"expected labels from 0 to 2, the 3 classes, .* got {named}; padding"
    with pytest.raises(ValueError, match=message):
        ctc_loss(logits, labels)
    with pytest.raises(ValueError, match=message):
        jax.grad(lambda a: ctc_loss(a, labels))(logits)
    whole = np.ones((2, 6), bool)
    (value, _), gradient = pull()(logits, labels, whole)
    assert np.isnan(value) and np.isnan(gradient[1]).all() and np.isfinite(gradient[0]).all()
    whole[1] = False  # a row that does not count may hold anything
    assert not np.any(ctc_loss.total(logits[1:], labels[1:], whole[1:]))
    (value, count), gradient = pull()(logits, labels, whole)
    assert count == 1 and not np.any(gradient[1])
    np.testing.assert_allclose(value, brute_force(logits[0], [1], 0), 1e-8)


def test_small_integers_are_labels_among_many_classes():
    logits = np.random.default_rng(0).normal(size=(1, 3, 300))
    labels = np.array([[250, 7]])
    np.testing.assert_allclose(
        ctc_loss(logits, labels.astype(np.uint8), blank=-1), ctc_loss(logits, labels, blank=299)
    )


@pytest.mark.parametrize("shape, size", [((0, 4, K), 2), ((2, 0, K), 2), ((2, 0, K), 0)])
def test_ctc_of_nothing_is_zero(shape, size):
    logits, labels = np.zeros(shape), np.ones((shape[0], size), int)
    value, gradient = jax.value_and_grad(ctc_loss)(logits, labels)
    assert value == 0 and not np.any(gradient) and ctc_loss.total(logits, labels)[1] == 0


def test_ctc_without_labels_is_a_blank_at_every_step():
    logits = np.random.default_rng(0).normal(size=(2, 4, K))
    losses = [brute_force(row, [], 0) for row in logits]
    np.testing.assert_allclose(ctc_loss(logits, np.ones((2, 0), int)), np.mean(losses), 1e-8)


def test_ctc_does_not_fall_below_zero_by_rounding():
    random = np.random.default_rng(0)
    labels = random.integers(1, 3, (64, 4))
    path = np.insert(labels, range(4), 0, axis=1)  # each label after a blank
    logits = 20 * np.eye(3)[path] + random.normal(size=(64, 8, 3))
    logits = logits.astype(np.float32)
    with jax.enable_x64(False):
        losses = optax.ctc_loss(logits, np.zeros((64, 8)), labels, np.zeros((64, 4)))
        each = jax.jit(jax.vmap(ctc_loss))(logits[:, None], labels[:, None])
    assert losses.min() < 0 <= each.min() and each.max() > 0
    np.testing.assert_allclose(each, losses, 1e-6, 1e-6)


LOGITS, MASK, ONES = np.zeros((2, 4, 3)), np.ones((2, 4), bool), np.ones((2, 3), int)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: ctc_loss(np.zeros((2, 5, 3)), ONES, MASK),
            r"a bool mask of shape \[2, 5\], got bool",
        ),
        (
            lambda: ctc_loss(LOGITS, ONES, MASK.astype(int)),
            r"a bool mask .* got int64\[2, 4\]; does it",
        ),
        (lambda: ctc_loss(LOGITS[0], ONES), r"logits \[B, T, classes\], got \[4, 3\]"),
        (lambda: ctc_loss(LOGITS, ONES[0]), r"labels \[B, L\] .* got int64\[3\]"),
        (lambda: ctc_loss(LOGITS, ONES[:1]), r"labels \[B, L\] .* got int64\[1, 3\]"),
        (lambda: ctc_loss(LOGITS, ONES * 1.0), r"labels to be classes, integers, got float64"),
        (lambda: ctc_loss(LOGITS, ONES, blank=3), "blank to be one of 3 classes, got 3"),
        (lambda: ctc_loss(LOGITS, ONES, blank=-4), "blank to be an integer of at least -3, got -4"),
        (lambda: ctc_loss(LOGITS, ONES, blank="last"), "blank to be an integer .* got 'last'"),
        (
            lambda: ctc_feasible(ONES, MASK, blank=-1),
            "blank to be an integer of at least 0, got -1",
        ),
        (lambda: ctc_feasible(ONES * 1.0, MASK), "labels to be classes, integers"),
    ],
)
def test_ctc_refuses_what_does_not_fit(call, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        call()
