"""Lengths, masks and resets of layers: what is padding reaches nothing."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, random_like
from draws import pull, pulled
from layer_draws import GAPPY, KEY, LAYERS, LENGTHS, PADDING, B, F, H, Inverse, T, draw, inputs_of

from rnnjax import GRU, LSTM, Elman
from rnnjax.layers import (
    RNN,
    AttentionPool,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    Pool,
    Sequential,
)

pytestmark = pytest.mark.usefixtures("x64")

# Pool.

POOLS = {
    "last": lambda rows: rows[-1],
    "mean": lambda rows: sum(rows) / len(rows),
    "max": lambda rows: np.max(rows, axis=0),
}


SIGNALS = {
    "all": {},
    "lengths": {"lengths": LENGTHS},
    "mask": {"mask": GAPPY},
    "both": {"lengths": LENGTHS, "mask": GAPPY},
}


@pytest.mark.parametrize("signals", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize("how", POOLS)
def test_pool_is_a_loop_over_valid_steps(how, signals):
    valid = signals.get("mask", np.ones((B, T), bool))
    valid = valid & ~PADDING if "lengths" in signals else valid
    signals = jax.tree.map(jnp.asarray, signals)

    def by_hand(xs):
        rows = [xs[row][valid[row]] for row in range(B)]
        return np.stack([POOLS[how](row) if len(row) else np.zeros(F) for row in rows])

    def pooled(xs):
        return Pool(how).apply((), xs, **signals)[1]

    _, xs = draw(Pool(how))
    x = np.asarray(xs)
    ys, (d_xs,) = pull(pooled, xs)
    assert_close(ys, by_hand(x))
    weights, nudge = np.asarray(random_like(4, ys)), 1e-6
    differences = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[index] = nudge
        change = by_hand(x + e) - by_hand(x - e)
        differences[index] = (weights * change).sum() / (2 * nudge)
    np.testing.assert_allclose(d_xs, differences, atol=1e-8)


@pytest.mark.parametrize("signals", SIGNALS.values(), ids=SIGNALS)
def test_attention_pool_is_a_weighted_mean_of_valid_steps(signals):
    valid = signals.get("mask", np.ones((B, T), bool))
    valid = valid & ~PADDING if "lengths" in signals else valid
    signals = jax.tree.map(jnp.asarray, signals)
    layer = AttentionPool(2)
    params, xs = draw(layer)

    def by_hand(params, xs):
        w, b, w_s = params
        pooled = np.zeros((B, F))
        for row in range(B):
            steps = xs[row][valid[row]]
            scores = np.exp(np.tanh(steps @ w + b) @ w_s[:, 0])
            for step, score in zip(steps, scores, strict=True):
                pooled[row] += step * score / scores.sum()
        return pooled

    arguments = jax.tree.map(np.asarray, (params, xs))
    ys, gradients = pull(lambda params, xs: layer.apply(params, xs, **signals)[1], params, xs)
    assert_close(ys, by_hand(*arguments))
    weights, nudge = np.asarray(random_like(4, ys)), 1e-6
    leaves, structure = jax.tree.flatten(arguments)
    for number, (leaf, gradient) in enumerate(zip(leaves, jax.tree.leaves(gradients), strict=True)):
        differences = np.zeros_like(leaf)
        for index in np.ndindex(leaf.shape):
            near = [leaf.copy(), leaf.copy()]
            near[0][index] += nudge
            near[1][index] -= nudge
            high, low = (
                by_hand(*structure.unflatten([*leaves[:number], a, *leaves[number + 1 :]]))
                for a in near
            )
            differences[index] = (weights * (high - low)).sum() / (2 * nudge)
        np.testing.assert_allclose(gradient, differences, atol=1e-8)


def test_attention_pool_of_no_steps_is_zero():
    layer = AttentionPool(2)
    params, xs = draw(layer)
    assert not layer.apply(params, xs[:, :0])[1].any()


# What stands at masked steps reaches nothing, whatever the layers.


@pytest.mark.parametrize(
    "model",
    [
        Sequential((RNN(LSTM(H)), Pool("last"), Dense(2))),
        Sequential((Bidirectional(GRU(H)), LayerNorm(), Pool("mean"), Dense(2))),
        Sequential((RNN(GRU(H), reverse=True), Dense(2), Pool("max"))),
        Sequential((AttentionPool(2), Dense(2))),
        Bidirectional(LSTM(H), merge="product"),
        Sequential((LayerNorm(), Dense(H), RNN(GRU(H)))),
    ],
    ids=["last", "mean", "max", "attention", "bidirectional", "dense first"],
)
def test_garbage_in_the_padding_changes_nothing(model):
    params, xs = draw(model)
    run = pulled(partial(model.apply, lengths=LENGTHS))
    clean = run(params, jnp.where(PADDING[..., None], 0, xs))
    for garbage in (jnp.nan, jnp.inf):
        assert_close(run(params, jnp.where(PADDING[..., None], garbage, xs)), clean)
    assert not clean[1][1][PADDING].any()
    assert clean[1][1][~PADDING].all()
    assert not model.keeps_time or not clean[0][1][PADDING].any()


@pytest.mark.parametrize(
    "model",
    [
        Sequential((Inverse(), RNN(GRU(H)))),
        Sequential((RNN(GRU(H)), Inverse(), Dense(2))),
        Sequential((Bidirectional(GRU(H)), Sequential((Inverse(), RNN(Elman(H)), Inverse())))),
        Sequential((RNN(Elman(H)), LayerNorm(epsilon=1e-12), Inverse())),
    ],
    ids=["first", "behind", "nested", "norm"],
)
def test_no_layer_sees_a_value_that_does_not_occur(model):
    params, xs = draw(model)
    weights = random_like(4, np.empty((B, T, 3)))

    def padded(params, xs):
        _, ys = model.apply(params, jnp.where(PADDING[..., None], jnp.nan, xs), lengths=LENGTHS)
        return jnp.where(PADDING[..., None], 0, ys * weights[..., : ys.shape[-1]]).sum()

    def row_by_row(params, xs):
        loss = 0
        for row, n in enumerate(LENGTHS):
            if n:
                _, ys = model.apply(params, xs[row : row + 1, :n])
                loss += (ys[0] * weights[row, :n, : ys.shape[-1]]).sum()
        return loss

    got, expected = (jax.jit(jax.grad(loss, (0, 1)))(params, xs) for loss in (padded, row_by_row))
    assert_close(got, expected)


@pytest.mark.parametrize(
    "behind",
    [LayerNorm(), Dropout(0.5), Bidirectional(GRU(H)), Inverse()],
    ids=lambda layer: type(layer).__name__,
)
def test_padding_tokens_outside_the_vocabulary_are_harmless(behind):
    model = Sequential((Embedding(6, H), behind, RNN(Elman(2)), Pool("mean")))
    params = random_like(1, jax.eval_shape(partial(model.init, dtype=jnp.float64), KEY))
    tokens = np.random.default_rng(0).integers(0, 6, (B, T))

    @jax.jit
    def run(pad):
        given = jnp.where(PADDING, pad, tokens)
        return pull(lambda p: model.apply(p, given, lengths=LENGTHS, key=KEY)[1], params)

    zero = run(0)
    assert all(np.isfinite(a).all() for a in jax.tree.leaves(zero))
    assert_close(run(-1), zero)
    assert_close(run(99), zero)


def test_without_any_valid_step_gradients_are_zero():
    model = Sequential((Dense(H), Inverse(), RNN(GRU(H)), LayerNorm(), Pool("mean")))
    params, xs = draw(model)
    nothing = np.zeros(B, int)
    ys, (d_params, d_xs) = pull(
        lambda p, xs: model.apply(p, xs, lengths=nothing)[1], params, jnp.full_like(xs, jnp.nan)
    )
    assert not ys.any() and not any(a.any() for a in jax.tree.leaves((d_params, d_xs)))


# Signals at the boundary, of every layer.

BAD = {
    "float lengths": {"lengths": np.ones(B)},
    "bool lengths": {"lengths": np.ones(B, bool)},
    "negative lengths": {"lengths": np.full(B, -1)},
    "lengths beyond T": {"lengths": np.full(B, T + 1, np.uint64)},
    "lengths of another batch": {"lengths": np.ones(B + 1, int)},
    "mask of integers": {"mask": np.ones((B, T), int)},
    "mask of NaN": {"mask": np.full((B, T), np.nan)},
    "time-major mask": {"mask": np.ones((T, B), bool)},
    "resets of floats": {"resets": np.ones((B, T))},
    "resets of another shape": {"resets": np.ones(B, bool)},
    "context that nobody takes": {"context": np.ones(B)},
}


@pytest.mark.parametrize("signals", BAD.values(), ids=BAD)
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_signals_that_do_not_fit_are_refused(layer, signals):
    params, name = layer.init(KEY, F), next(iter(signals))
    with pytest.raises(ValueError, match=f"expected (no )?{name}"):
        layer.apply(params, inputs_of(layer), **signals)
