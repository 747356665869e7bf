"""Scores of forecasts, and samples of distributions and of paths: closed forms and brute force."""

# pyright: reportArgumentType=false

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import random_like
from jax.test_util import check_grads
from scipy import integrate, stats

from rnnjax import LSTM
from rnnjax.decoding import sample_paths
from rnnjax.forecasting import Window, step_batch
from rnnjax.layers import RNN, Dense, Layer, Pointwise, Sequential
from rnnjax.losses import (
    Gaussian,
    NegativeBinomial,
    Quantiles,
    StudentT,
    absolute_error,
    coverage,
    crps,
    gaussian_crps,
    mase,
    negative_binomial_loss,
    quantile_loss,
    smape,
)

RNG = np.random.default_rng(0)
B, T = 3, 4
MASK = RNG.uniform(size=(B, T)) < 0.6


def softplus(x):
    return np.logaddexp(0, x)


def gaussian_scores(o, t):
    """The integral of the squared difference of distribution functions."""

    def score(mean, scale, t):
        def squared(x):
            return (stats.norm.cdf(x, mean, scale) - (x >= t)) ** 2

        ends = mean - 30 * scale - abs(t), mean + 30 * scale + abs(t)
        return sum(integrate.quad(squared, *e, limit=200)[0] for e in ((ends[0], t), (t, ends[1])))

    return np.vectorize(score)(o[..., 0], softplus(o[..., 1]) + 1e-4, t)


def sample_scores(x, t):
    """Over all pairs of samples."""
    pairs = np.abs(x[..., :, None] - x[..., None, :]).mean((-1, -2))
    return np.abs(x - t[..., None]).mean(-1) - pairs / 2


def counts(o, t):
    mean, dispersion = softplus(o[..., 0]) + 1e-4, softplus(o[..., 1]) + 1e-4
    size = 1 / dispersion
    return -stats.nbinom.logpmf(t, size, size / (size + mean))


UNIT = (2.0, 0.5, 1.5, 4.0)
ROWS = {
    "absolute_error": (absolute_error, (), lambda p, t: np.abs(p - t)),
    "mase": (partial(mase, scale=UNIT), (), lambda p, t: np.abs(p - t) / np.array(UNIT)),
    "smape": (smape, (), lambda p, t: 2 * np.abs(p - t) / (np.abs(p) + np.abs(t))),
    "crps": (crps, (7,), sample_scores),
    "gaussian_crps": (gaussian_crps, (2,), gaussian_scores),
    "negative_binomial_loss": (negative_binomial_loss, (2,), counts),
}


@pytest.mark.parametrize("name", ROWS)
def test_scores_and_their_gradients(name):
    loss, features, oracle = ROWS[name]
    predictions = RNG.normal(size=(B, T, *features)).astype("float32")
    targets = RNG.poisson(3.0, (B, T)) if name.startswith("neg") else RNG.normal(size=(B, T))
    each = oracle(predictions.astype("float64"), np.asarray(targets, "float64"))
    np.testing.assert_allclose(jax.jit(loss)(predictions, targets), each.mean(), rtol=2e-5)
    hidden = np.where(MASK.reshape(B, T, *[1] * len(features)), predictions, np.nan)
    found, slope = jax.jit(jax.value_and_grad(loss))(hidden, targets, MASK)
    np.testing.assert_allclose(found, each[MASK].mean(), rtol=2e-5)
    assert not np.asarray(slope)[~MASK].any() and np.asarray(slope)[MASK].any()
    step = 1e-4  # of the oracle, in float64
    direction = RNG.normal(size=predictions.shape)
    ends = [
        oracle(predictions + s * step * direction, np.asarray(targets, "float64"))[MASK].mean()
        for s in (1, -1)
    ]
    expected = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose((slope * direction).sum(), expected, rtol=2e-3, atol=1e-4)


def test_special_values_of_scores():
    value, slope = jax.jit(jax.value_and_grad(smape))(np.zeros(2, "float32"), np.zeros(2))
    assert value == 0 and np.isfinite(slope).all()
    one = RNG.normal(size=(B, T, 1)).astype("float32")
    np.testing.assert_allclose(
        jax.jit(crps)(one, np.ones((B, T))), jax.jit(absolute_error)(one[..., 0], np.ones((B, T)))
    )
    bounds = np.array([[0, 1], [0, 1], [0, 1], [0.0, 1]], "float32")
    targets, seen = np.array([0, 1, 1.1, np.nan]), np.array([True] * 3 + [False])
    assert jax.jit(coverage)(bounds, targets, seen) == 2 / 3
    with pytest.raises(ValueError, match="expected counts, got -1"):
        negative_binomial_loss(np.ones((1, 2)), np.array([-1]))
    assert jnp.isnan(jax.jit(negative_binomial_loss)(np.ones((1, 2)), np.array([-1])))


def test_the_score_of_many_samples_is_that_of_their_distribution():
    outputs = np.array([[0.3, 0.8], [-1.0, 0.1]], "float32")
    keys = jax.random.split(jax.random.key(0), 20_000)
    draw = jax.jit(jax.vmap(Gaussian.of(outputs).sample))(keys).T
    both = jax.jit(lambda draw, targets: (crps(draw, targets), gaussian_crps(outputs, targets)))
    for target in (0.0, 1.7):
        found, exact = both(draw, np.full(2, target))
        np.testing.assert_allclose(found, exact, rtol=0.02)


DRAWS = {
    "gaussian": (Gaussian.of, 2, lambda o: stats.norm(o[0], softplus(o[1]) + 1e-4)),
    "student": (
        StudentT.of,
        3,
        lambda o: stats.t(2 + softplus(o[2]), o[0], softplus(o[1]) + 1e-4),
    ),
}


@pytest.mark.parametrize("name", DRAWS)
def test_samples_have_the_distribution(name):
    of, size, exact = DRAWS[name]
    outputs = RNG.normal(size=size).astype("float32")
    draw = jax.vmap(of(outputs).sample)(jax.random.split(jax.random.key(1), 4000))
    assert stats.kstest(np.asarray(draw), exact(outputs.astype("float64")).cdf).pvalue > 1e-3


def test_counts_have_the_distribution():
    outputs = np.array([2.0, -0.3], "float32")
    draw = jax.vmap(NegativeBinomial.of(outputs).sample)(jax.random.split(jax.random.key(1), 4000))
    draw = np.asarray(draw)
    found = np.bincount(draw.astype(int), minlength=12)[:12] / 4000
    exact = np.exp(-counts(np.broadcast_to(outputs, (12, 2)).astype("float64"), np.arange(12)))
    np.testing.assert_allclose(found, exact, atol=5 * 0.5 / np.sqrt(4000))
    assert (draw == np.round(draw)).all() and draw.min() == 0


def test_quantiles_do_not_cross_and_samples_lie_between_them():
    levels = (0.1, 0.4, 0.9)
    outputs = 3 * RNG.normal(size=(5, 3)).astype("float32")
    found = jax.tree.map(np.asarray, Quantiles.of(outputs, levels))
    steps = np.concatenate([outputs[:, :1], softplus(outputs[:, 1:])], 1)
    np.testing.assert_allclose(found.values, np.cumsum(steps, 1), rtol=1e-5)
    keys = jax.random.split(jax.random.key(0), 4000)
    draw = np.asarray(jax.jit(jax.vmap(found.sample))(keys))
    below = (draw[..., None] <= found.values).mean(0)
    np.testing.assert_allclose(below, np.broadcast_to(levels, (5, 3)), atol=0.04)
    middle = np.quantile(draw, 0.25, axis=0)  # half way between the first two levels
    spread = np.asarray(found.values[:, 2] - found.values[:, 0])
    assert (np.abs(middle - found.values[:, :2].mean(1)) < 0.04 * spread).all()
    ones = np.ones(5)
    check_grads(
        jax.jit(lambda o: quantile_loss(Quantiles.of(o, levels).values, ones, quantiles=levels)),
        (jnp.asarray(outputs),),
        1,
        ["rev"],
        atol=1e-2,
        rtol=1e-2,
    )
    with pytest.raises(ValueError, match="expected at least two levels that rise"):
        Quantiles.of(outputs, (0.4, 0.1, 0.9))


class Autoregression(Pointwise):
    """`y_t ~ N(w y_{t-1} + v known_t, 0.3)`, with the scale as softplus undoes it."""

    def init(self, key, input_size, *, dtype=jnp.float32):
        return jnp.array([0.8, 0.5])

    def transform(self, params, xs):
        mean = params[0] * xs[..., 0] + params[1] * xs[..., 2]
        return jnp.stack([mean, jnp.full_like(mean, np.log(np.expm1(0.3 - 1e-4)))], -1)


def test_paths_of_an_autoregression_have_its_moments():
    horizon, w, v = 6, 0.8, 0.5
    past, known = RNG.normal(size=(2, 5)), RNG.normal(size=(2, 11, 1))
    inputs = step_batch(Window(past, np.full((2, horizon), np.nan), known)).inputs.astype("float32")
    model = Autoregression()

    def paths(params):
        options = {"horizon": horizon, "num": 4000}
        return sample_paths(model, params, inputs, Gaussian.of, jax.random.key(0), **options)

    found = np.asarray(paths(jnp.array([w, v])))
    assert found.shape == (4000, 2, horizon)
    mean, variance = past[:, -1], 0.0
    for h in range(horizon):
        mean, variance = w * mean + v * known[:, 5 + h, 0], w**2 * variance + 0.09
        np.testing.assert_allclose(found[..., h].mean(0), mean, atol=5 * np.sqrt(variance / 4000))
        np.testing.assert_allclose(found[..., h].var(0), variance, rtol=0.12)
    slope = jax.grad(lambda p: paths(p)[..., 1].mean(0)[0])(jnp.array([w, v]))
    start, first = past[0, -1], known[0, 5, 0]
    np.testing.assert_allclose(
        slope, [2 * w * start + v * first, w * first + known[0, 6, 0]], atol=0.05
    )


class Certain(Gaussian):
    """A distribution whose sample is its mean."""

    def sample(self, key):
        return self.mean


def two_features(outputs):
    """Means `[B, 2]` of outputs `[B, 4]`."""
    return Certain(outputs[..., :2], outputs[..., 2:])


def test_a_path_is_what_a_loop_over_the_whole_sequence_gives():
    model: Layer = Sequential((RNN(LSTM(5)), Dense(4)))
    window = Window(
        RNG.normal(size=(3, 4, 2)), RNG.normal(size=(3, 3, 2)), RNG.normal(size=(3, 7, 1))
    )
    inputs = step_batch(window).inputs.astype("float32")
    params = random_like(2, jax.eval_shape(lambda: model.init(jax.random.key(0), 5)))
    apply = jax.jit(lambda xs: model.apply(params, xs)[1])
    found = sample_paths(model, params, inputs, two_features, jax.random.key(1), horizon=3, num=2)
    assert found.shape == (2, 3, 3, 2)
    own = inputs.copy()
    for t in range(4, 7):
        value = np.asarray(apply(own))[:, t, :2]
        np.testing.assert_allclose(found[0, :, t - 4], value, rtol=1e-4, atol=1e-6)
        if t < 6:
            own[:, t + 1, :4] = np.concatenate([value, np.ones_like(value)], -1)
    np.testing.assert_array_equal(found[0], found[1])
    spoiled = inputs.copy()
    spoiled[:, 5:, :4] = np.nan  # the future of the values reaches nothing
    again = sample_paths(model, params, spoiled, two_features, jax.random.key(1), horizon=3, num=2)
    np.testing.assert_array_equal(found, again)


def test_paths_refuse_what_does_not_fit():
    model: Layer = Sequential((RNN(LSTM(5)), Dense(2)))
    xs, key = jnp.ones((2, 4, 1)), jax.random.key(0)
    params = random_like(3, jax.eval_shape(lambda: model.init(key, 1)))
    with pytest.raises(ValueError, match="expected inputs with 1 values and 1 flags, got 1"):
        sample_paths(model, params, xs, Gaussian.of, key, horizon=2, num=2)
    with pytest.raises(ValueError, match="expected a horizon within the 4 steps"):
        sample_paths(model, params, xs, Gaussian.of, key, horizon=5, num=2)
    with pytest.raises(ValueError, match="expected a distribution with a method sample"):
        sample_paths(model, params, xs, jnp.tanh, key, horizon=2, num=2)
