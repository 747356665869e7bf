"""Losses and their gradients against NumPy and SciPy in float64, with and without masks."""

# pyright: reportArgumentType=false

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import special, stats

from rnnjax.losses import (
    Gaussian,
    Masked,
    StudentT,
    binary_cross_entropy,
    bits,
    cross_entropy,
    gaussian_loss,
    perplexity,
    quantile_loss,
    squared_error,
    student_t_loss,
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


HUBER = partial(optax.huber_loss, delta=0.5)
SMOOTH = partial(cross_entropy, label_smoothing=0.2)
ROWS = [
    Row("cross_entropy", cross_entropy, (K,), classes, cross_entropies),
    Row("smoothed", SMOOTH, (K,), classes, partial(cross_entropies, smoothing=0.2)),
    Row("binary", binary_cross_entropy, (), truths, binary),
    Row("binary-shares", binary_cross_entropy, (), shares, binary),
    Row("squared", squared_error, (), reals, lambda p, t: (p - t) ** 2),
    Row("huber", Masked(optax.huber_loss), (), reals, partial(hubers, delta=1.0)),
    Row("huber-delta", Masked(HUBER), (), reals, partial(hubers, delta=0.5)),
    Row("own", Masked(lambda p, t: jnp.exp(p) - t * p), (), reals, lambda p, t: np.exp(p) - t * p),
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


def total_of(loss: Callable) -> Callable:
    """The sum and the number of the losses."""
    return partial(loss.func.total, **loss.keywords) if isinstance(loss, partial) else loss.total


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
    with pytest.raises(ValueError, match="expected predictions to be real .*, got complex128"):
        row.loss(predictions * 1j, targets)
    for wrong in (None, "text"):
        with pytest.raises(ValueError, match=f"expected targets to be an array .*, got .?{wrong}"):
            row.loss(predictions, wrong)


@each_loss
def test_totals_add_up_over_batches(row):
    predictions, targets, mask = draw(row)
    each, total = row.oracle(predictions, targets), total_of(row.loss)
    close(total(predictions, targets), (each.sum(), each.size))
    whole = total(predictions, targets, mask)
    close(whole, (each[mask].sum(), mask.sum()))
    halves = [total(*(a[:, t : t + 2] for a in (predictions, targets, mask))) for t in (0, 2)]
    close(np.sum(halves, 0), whole)
    close(pull(row.loss)(predictions, targets, mask)[0], whole[0] / whole[1])


@each_loss
def test_a_loss_runs_under_strict_flags(row):
    predictions, targets, mask = draw(row)
    targets = np.float32(targets) if targets.dtype == float else targets
    arrays = np.float32(predictions), targets
    with (
        jax.enable_x64(False),
        jax.numpy_rank_promotion("raise"),
        jax.numpy_dtype_promotion("strict"),
    ):
        for masks in ((), (mask,), (mask[:, 0],)):
            jax.eval_shape(jax.value_and_grad(row.loss), *arrays, *masks)


def test_axes_of_features_share_a_mask():
    random = np.random.default_rng(0)
    predictions, targets = random.normal(size=(2, B, T, 2))
    mask = random.random((B, T)) < 0.6
    close(squared_error(predictions, targets, mask), ((predictions - targets) ** 2)[mask].mean())


def test_options_out_of_range_are_refused():
    for quantiles in ((0.1, 0.9), (0.1, 0.5, 1.0), (0.5, 0.5, 0.1), 0.5):
        with pytest.raises(ValueError, match="expected different quantiles between 0 and 1, one f"):
            quantile_loss(np.zeros((2, 3)), np.zeros(2), quantiles=quantiles)
    for quantiles in ((0.1, 0.5, np.nan), "abc"):
        with pytest.raises(ValueError, match="expected a quantile to be a finite number"):
            quantile_loss(np.zeros((2, 3)), np.zeros(2), quantiles=quantiles)
    for smoothing in (-0.1, 1, 2, np.nan, "a"):
        with pytest.raises(ValueError, match="expected label_smoothing to be"):
            cross_entropy(np.zeros((2, 3)), np.zeros(2, int), label_smoothing=smoothing)


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
    for dtype in (np.int64, np.uint8):
        np.testing.assert_array_equal(valid_steps(np.array([[0, 1], [2, 3]], dtype), 3), expected)
    for lengths, steps in (([4], 3), ([-1], 3), ([1.0], 3), ([True], 3), ([1], -1), ([1], 2.5)):
        with pytest.raises(ValueError, match="expected (lengths|steps)"):
            valid_steps(np.array(lengths), steps)


# Targets out of range


@pytest.mark.parametrize("loss", [cross_entropy, SMOOTH], ids=["hard", "smoothed"])
@pytest.mark.parametrize("wrong", [K, -1, 99])
def test_classes_that_are_none_are_refused_or_make_the_loss_nan(loss, wrong):
    logits, targets, _ = draw(ROWS[0])
    targets[1, 2] = wrong
    message = rf"expected targets from 0 to 4, the 5 classes .* got {wrong}; is there padding"
    with pytest.raises(ValueError, match=message):
        loss(logits, targets)
    with pytest.raises(ValueError, match=message):
        jax.grad(lambda a: loss(a, targets))(logits)
    value, gradient = pull(loss)(logits, targets)
    assert np.isnan(value)
    where = np.zeros((B, T, 1), bool)
    where[1, 2] = True
    np.testing.assert_array_equal(np.isnan(gradient), where.repeat(K, -1))
    close(loss(logits, targets, targets != wrong), pull(loss)(logits, targets, targets != wrong)[0])


def test_classes_are_integers_of_any_size():
    logits, targets, _ = draw(ROWS[0])
    for wrong in (targets * 1.0, targets > 2):
        with pytest.raises(
            ValueError, match=r"expected targets to be classes, integers, got \w+\["
        ):
            cross_entropy(logits, wrong)
    close(cross_entropy(logits, targets.astype(np.uint8)), cross_entropy(logits, targets))
    many, two = np.random.default_rng(0).normal(size=(2, 300)), [250, 7]
    expected = -special.log_softmax(many, -1)[[0, 1], two].mean()
    close(cross_entropy(many, np.array(two, np.uint8)), expected)


@pytest.mark.parametrize("kind", [int, float, np.float32])
def test_truths_that_are_none_are_refused_or_make_the_loss_nan(kind):
    logits, targets, _ = draw(ROWS[2])
    targets = np.where(targets, 1, -1).astype(kind)
    with pytest.raises(ValueError, match="expected targets from 0 to 1, .* got -1"):
        binary_cross_entropy(logits, targets)
    value, gradient = pull(binary_cross_entropy)(logits, targets)
    assert np.isnan(value)
    np.testing.assert_array_equal(np.isnan(gradient), targets == -1)
    close(
        binary_cross_entropy(logits, targets, targets == 1),
        binary(logits, 1.0)[targets == 1].mean(),
    )
