"""Losses, metrics and penalties against NumPy and SciPy in float64, with and without masks."""

import itertools
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import special, stats

from rnnjax.training import (
    Gaussian,
    StudentT,
    accuracy,
    activation_penalty,
    binary_cross_entropy,
    bits,
    cross_entropy,
    ctc_feasible,
    ctc_loss,
    gaussian_loss,
    huber,
    perplexity,
    quantile_loss,
    sequence_accuracy,
    squared_error,
    student_t_loss,
    temporal_activation_penalty,
    valid_steps,
)

B, T, K = 3, 4, 5
QUANTILES = (0.1, 0.5, 0.8)


class Row(NamedTuple):
    id: str
    loss: Callable
    features: tuple[int, ...]
    draw: Callable  # of targets
    oracle: Callable  # of a loss for every target, in float64


def one_hot(targets):
    return np.eye(K)[targets]


def cross_entropies(logits, targets, smoothing=0.0):
    shares = (1 - smoothing) * one_hot(targets) + smoothing / K
    return -(shares * special.log_softmax(logits, -1)).sum(-1)


def hubers(predictions, targets, delta):
    error = abs(predictions - targets)
    return np.where(error < delta, error**2 / 2, delta * (error - delta / 2))


def pinballs(predictions, targets):
    error = targets[..., None] - predictions
    q = np.array(QUANTILES)
    return np.where(error > 0, q * error, (q - 1) * error).mean(-1)


def softplus(x):
    return np.logaddexp(0, x)


def gaussians(o, targets):
    return -stats.norm.logpdf(targets, o[..., 0], softplus(o[..., 1]) + 1e-4)


def student_ts(o, targets):
    scale, freedom = softplus(o[..., 1]) + 1e-4, 2 + softplus(o[..., 2])
    return -stats.t.logpdf(targets, freedom, o[..., 0], scale)


def classes(random):
    return random.integers(0, K, (B, T))


def truths(random):
    return random.random((B, T)) < 0.5


def shares(random):
    return random.random((B, T))


def reals(random):
    return random.normal(size=(B, T))


def binary(x, t):
    return -1.0 * t * special.log_expit(x) - (1.0 - t) * special.log_expit(-x)


SMOOTH = partial(cross_entropy, label_smoothing=0.2)
ROWS = [
    Row("cross_entropy", cross_entropy, (K,), classes, cross_entropies),
    Row("smoothed", SMOOTH, (K,), classes, partial(cross_entropies, smoothing=0.2)),
    Row("binary", binary_cross_entropy, (), truths, binary),
    Row("binary-shares", binary_cross_entropy, (), shares, binary),
    Row("squared", squared_error, (), reals, lambda p, t: (p - t) ** 2),
    Row("huber", huber, (), reals, partial(hubers, delta=1.0)),
    Row("huber-delta", partial(huber, delta=0.5), (), reals, partial(hubers, delta=0.5)),
    Row("quantile", partial(quantile_loss, quantiles=QUANTILES), (3,), reals, pinballs),
    Row("gaussian", gaussian_loss, (2,), reals, gaussians),
    Row("student_t", student_t_loss, (3,), reals, student_ts),
]
each_loss = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def draw(row: Row):
    random = np.random.default_rng(0)
    predictions, targets = 2 * random.normal(size=(B, T, *row.features)), row.draw(random)
    return predictions, targets, random.random((B, T)) < 0.6


def numeric_gradient(f: Callable, x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    moved = [x + step * e.reshape(x.shape) for e in np.eye(x.size)]
    back = [x - step * e.reshape(x.shape) for e in np.eye(x.size)]
    slopes = [(f(a) - f(b)) / (2 * step) for a, b in zip(moved, back, strict=True)]
    return np.reshape(slopes, x.shape)


@cache
def pull(loss: Callable) -> Callable:
    """The loss and its gradient, compiled once for all tests."""
    return jax.jit(jax.value_and_grad(loss))


def close(a: Any, b: Any, tolerance: float = 1e-9):
    np.testing.assert_allclose(a, b, tolerance, tolerance)


@each_loss
def test_a_loss_and_its_gradient_equal_the_reference(row):
    predictions, targets, _ = draw(row)
    value, gradient = pull(row.loss)(predictions, targets)
    close(value, row.oracle(predictions, targets).mean())
    close(gradient, numeric_gradient(lambda p: row.oracle(p, targets).mean(), predictions), 1e-7)


@each_loss
@pytest.mark.parametrize("per_sequence", [False, True])
def test_garbage_behind_the_mask_reaches_neither_value_nor_gradient(row, per_sequence):
    predictions, targets, mask = draw(row)
    given = np.array([True, False, True]) if per_sequence else mask
    mask = np.broadcast_to(given.reshape(B, -1), (B, T))
    drop = ~mask.reshape(B, T, *(1 for _ in row.features))
    garbage = np.where(drop, np.nan, predictions)
    wrong = np.where(mask, targets, np.nan if targets.dtype == float else 99).astype(targets.dtype)
    value, gradient = pull(row.loss)(garbage, wrong, given)

    def expected(p):
        return row.oracle(p, targets)[mask].mean()

    close(value, expected(predictions))
    close(gradient, numeric_gradient(expected, predictions), 1e-7)


@each_loss
def test_a_loss_of_nothing_is_zero(row):
    predictions, targets, mask = draw(row)
    value, gradient = pull(row.loss)(predictions, targets, np.zeros_like(mask))
    assert value == 0 and not np.any(gradient)
    assert pull(row.loss)(predictions[:, :0], targets[:, :0])[0] == 0


@each_loss
def test_a_loss_of_bfloat16_is_summed_in_float32(row):
    predictions, targets, mask = draw(row)
    rounded = jnp.asarray(predictions, jnp.bfloat16)
    single = np.float32(targets) if targets.dtype == float else targets
    value, _ = pull(row.loss)(rounded, single, mask)
    assert value.dtype == jnp.float32
    close(value, pull(row.loss)(np.float64(rounded), targets, mask)[0], 1e-6)


@each_loss
def test_shapes_that_do_not_fit_are_refused(row):
    predictions, targets, mask = draw(row)
    with pytest.raises(ValueError, match=r"expected predictions .* got targets \[3, 4, 1\]"):
        row.loss(predictions, targets[..., None])
    with pytest.raises(
        ValueError, match=r"expected a bool mask of shape \[3, 4\], or .* bool\[4, 3\]"
    ):
        row.loss(predictions, targets, mask.T)
    with pytest.raises(ValueError, match=r"got int64\[3, 4\]; does it need .astype\(bool\)"):
        row.loss(predictions, targets, mask.astype(int))


def test_axes_of_features_share_a_mask():
    random = np.random.default_rng(0)
    predictions, targets = random.normal(size=(2, B, T, 2))
    mask = random.random((B, T)) < 0.6
    close(squared_error(predictions, targets, mask), ((predictions - targets) ** 2)[mask].mean())


def test_quantiles_that_are_none_are_refused():
    for quantiles in ((0.1, 0.9), (0.1, 0.5, 1.0)):
        with pytest.raises(ValueError, match="expected quantiles between 0 and 1, one for each"):
            quantile_loss(np.zeros((2, 3)), np.zeros(2), quantiles=quantiles)


def test_the_least_quantile_loss_is_at_the_quantile():
    targets = np.random.default_rng(0).normal(size=4001)
    grid = np.linspace(-2, 2, 401)
    loss = jax.vmap(lambda p: quantile_loss(jnp.full((4001, 1), p), targets, quantiles=(0.8,)))
    assert abs(grid[loss(grid).argmin()] - np.quantile(targets, 0.8)) <= 0.01


def test_distributions_are_read_off_outputs():
    outputs = np.random.default_rng(0).normal(size=(2, 3))
    t, normal = StudentT.of(outputs), Gaussian.of(outputs[:, :2])
    close(t, (outputs[:, 0], softplus(outputs[:, 1]) + 1e-4, 2 + softplus(outputs[:, 2])))
    close(normal, t[:2])
    sure = np.array([[0, -1e4]], np.float32)
    assert gaussian_loss(sure, sure[:, 0]) < 0  # a scale of 0 would be NaN
    with pytest.raises(ValueError, match="expected outputs with 2 entries on the last axis"):
        Gaussian.of(outputs)


def test_nats_in_other_units():
    nats = np.log(8.0)
    assert bits(nats) == pytest.approx(3)
    close(perplexity(np.array([nats, 0])), [8, 1])


def test_valid_steps():
    expected = [[[0, 0, 0], [1, 0, 0]], [[1, 1, 0], [1, 1, 1]]]
    np.testing.assert_array_equal(valid_steps(np.array([[0, 1], [2, 3]]), 3), expected)


# Metrics


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
    with pytest.raises(ValueError, match=r"expected a mask of shape \[40, 2\], got \[40\]"):
        sequence_accuracy(logits, targets, mask[:, 0])


# Penalties


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


# CTC


def collapsed(path, blank):
    return [label for label, _ in itertools.groupby(path) if label != blank]


def brute_force(logits, labels, blank) -> Any:
    """Minus the logarithm of the probability of all alignments together, each one by itself."""
    p = special.softmax(logits, -1)
    paths = itertools.product(range(logits.shape[-1]), repeat=len(logits))
    found = [path for path in paths if collapsed(path, blank) == labels]
    total = sum(np.prod([p[t, k] for t, k in enumerate(path)]) for path in found)
    return -np.log(total) if found else None


LABELS = [[1, 2], [1, 1], [2], [], [1, 2, 1], [1, 1], [2, 2, 2], [2]]
LENGTHS = [5, 4, 2, 3, 3, 2, 4, 0]  # the last three have no alignment


def transcripts(blank, padding):
    names = {0: blank, 1: (blank + 1) % 3, 2: (blank + 2) % 3}
    rows = [[names[label] for label in row] for row in LABELS]
    return rows, np.array([row + [padding] * (4 - len(row)) for row in rows])


@pytest.mark.parametrize("blank, padding", [(0, 0), (2, 2), (1, -1)])
def test_ctc_equals_the_sum_over_all_alignments(blank, padding):
    logits = 2 * np.random.default_rng(3).normal(size=(8, 5, 3))
    rows, labels = transcripts(blank, padding)
    mask = np.array(valid_steps(np.array(LENGTHS), 5))
    losses = [
        brute_force(logits[b, :steps], rows[b], blank) if steps else None
        for b, steps in enumerate(LENGTHS)
    ]
    feasible = [loss is not None for loss in losses]
    assert feasible == [True] * 5 + [False] * 3
    np.testing.assert_array_equal(ctc_feasible(labels, mask, blank=blank), feasible)

    def mean(logits):
        real = [(logits[b, : LENGTHS[b]], rows[b]) for b in range(8) if feasible[b]]
        return np.mean([brute_force(x, row, blank) for x, row in real])

    garbage = np.where(mask[..., None], logits, np.nan)
    loss = partial(ctc_loss, blank=blank)
    value, gradient = jax.jit(jax.value_and_grad(loss))(garbage, labels, mask)
    close(value, mean(logits), 1e-8)
    assert not np.any(gradient[5:]) and not np.any(gradient[~mask])
    step = np.random.default_rng(4).normal(size=logits.shape) * 1e-5
    slope = (mean(logits + step) - mean(logits - step)) / 2
    close((gradient * step).sum(), slope, 1e-9)
    close(loss(logits[:1], labels[:1]), losses[0], 1e-8)  # without a mask


def test_ctc_of_infeasible_rows_alone_is_zero():
    value, gradient = jax.value_and_grad(ctc_loss)(jnp.ones((1, 1, 3)), np.array([[1, 2]]))
    assert value == 0 and not np.any(gradient)


def test_ctc_does_not_fall_below_zero_by_rounding():
    random = np.random.default_rng(0)
    labels = random.integers(1, 3, (64, 4))
    path = np.insert(labels, range(4), 0, axis=1)  # each label after a blank
    logits = 20 * np.eye(3)[path] + random.normal(size=(64, 8, 3))
    logits = logits.astype(np.float32)
    with jax.enable_x64(False):
        losses = optax.ctc_loss(logits, np.zeros((64, 8)), labels, np.zeros((64, 4)))
        each = jax.vmap(ctc_loss)(logits[:, None], labels[:, None])
    assert losses.min() < 0 <= each.min() and each.max() > 0
    close(each, losses, 1e-6)


def test_ctc_refuses_what_does_not_fit():
    labels, mask = np.ones((2, 3), int), np.ones((2, 4), bool)
    with pytest.raises(ValueError, match=r"expected logits \[B, T, classes\] and a mask \[B, T\]"):
        ctc_loss(np.zeros((2, 5, 3)), labels, mask)
    with pytest.raises(ValueError, match=r"expected labels \[B, L\] .* got int64\[3\]"):
        ctc_loss(np.zeros((2, 4, 3)), labels[0], mask)
