"""Layers against the engine, against NumPy, and against loops over unpadded sequences."""

import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, at, random_like, stacked
from draws import pull

from rnnjax import GRU, LSTM, Elman, scan
from rnnjax.engine import Sequential as Method
from rnnjax.layers import (
    Bidirectional,
    Dense,
    Dropout,
    DropoutParams,
    Embedding,
    LayerNorm,
    Pool,
    Recurrent,
    Sequential,
)

B, T, F, H = 4, 5, 2, 3
KEY = jax.random.key(0)
LENGTHS = np.array([5, 0, 2, 3])
PADDING = np.arange(T) >= LENGTHS[:, None]
GAPPY = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 1, 1, 0, 1], [1, 1, 1, 1, 1]], bool)
RESETS = np.array([[0, 1, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]], bool)

MODEL = Sequential((Recurrent(GRU(H)), LayerNorm(), Dropout(0.5), Recurrent(LSTM(H)), Dense(2)))
LAYERS = [
    Recurrent(LSTM(H), reverse=True, method=Method(checkpoint=3)),
    Bidirectional(GRU(H), "mean", Elman(H)),
    Embedding(6, H),
    Dense(2),
    LayerNorm(1e-3),
    Dropout(0.3, per_sequence=True),
    Pool("max"),
    MODEL,
]


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def draw(layer, features=F):
    """Random parameters and inputs."""
    params = random_like(1, layer.init(KEY, features, dtype=jnp.float64))
    return params, random_like(2, np.empty((B, T, features)))


# Recurrent.


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_recurrent_is_scan_with_time_second(reverse):
    layer = Recurrent(LSTM(H), reverse=reverse)
    params, xs = draw(layer)
    carry = random_like(4, layer.init_carry(params, (B,)))

    def engine(params, xs, carry):
        final, ys = scan(
            layer.cell, params, jnp.swapaxes(xs, 0, 1), carry,
            lengths=LENGTHS, mask=GAPPY.T, resets=RESETS.T, reverse=reverse,
        )  # fmt: skip
        return final, jnp.swapaxes(ys, 0, 1)

    apply = partial(layer.apply, lengths=LENGTHS, mask=GAPPY, resets=RESETS)
    assert_close(pull(apply, params, xs, carry), pull(engine, params, xs, carry))


def test_recurrent_takes_any_number_of_batch_axes():
    layer = Recurrent(GRU(H))
    params, xs = draw(layer)
    carry, ys = layer.apply(params, xs, mask=GAPPY, lengths=LENGTHS)
    single = layer.apply(params, xs[2], mask=GAPPY[2], lengths=LENGTHS[2])
    assert_close(single, (carry[2], ys[2]))

    def two(a):
        return a.reshape(2, 2, *a.shape[1:])

    double = layer.apply(params, two(xs), mask=two(GAPPY), lengths=two(LENGTHS))
    assert_close(double, (two(carry), two(ys)))


# Bidirectional.

MERGES = {
    "concat": lambda f, b: jnp.concatenate([f, b], axis=-1),
    "sum": lambda f, b: f + b,
    "mean": lambda f, b: 0.5 * (f + b),
    "product": lambda f, b: f * b,
}


@pytest.mark.parametrize("merge", MERGES)
def test_bidirectional_is_two_runs_over_each_unpadded_sequence(merge):
    layer = Bidirectional(GRU(H), merge, backward=LSTM(H))
    params, xs = draw(layer)
    carry = random_like(4, layer.init_carry(params, (B,)))

    def unpadded(params, xs, carry):
        rows = []
        for row, n in enumerate(LENGTHS):
            x, start = xs[row, :n], at(carry, row)
            forward, fs = scan(GRU(H), params.forward, x, start.forward)
            backward, bs = scan(LSTM(H), params.backward, jnp.flip(x, 0), start.backward)
            ys = MERGES[merge](fs, jnp.flip(bs, 0))
            rows.append((type(carry)(forward, backward), jnp.pad(ys, ((0, T - n), (0, 0)))))
        return stacked(rows)

    apply = partial(layer.apply, lengths=LENGTHS)
    (final, ys), gradients = pull(apply, params, xs, carry)
    assert ys.shape[-1] == layer.output_size
    assert_close(((final, ys), gradients), pull(unpadded, params, xs, carry))


@pytest.mark.parametrize("gaps", [False, True], ids=["all steps", "gaps"])
def test_both_directions_start_afresh_at_the_borders_of_documents(gaps):
    layer = Bidirectional(GRU(H))
    params, xs = draw(layer)
    mask = GAPPY if gaps else np.ones_like(GAPPY)

    def by_document(params, xs):
        ys = jnp.zeros((B, T, layer.output_size))
        for row in range(B):
            steps = np.flatnonzero(mask[row])
            borders = np.flatnonzero(RESETS[row, steps])
            for document in np.split(steps, borders):
                _, alone = layer.apply(params, xs[row, document])
                ys = ys.at[row, document].set(alone)
        return ys

    def packed(params, xs):
        return layer.apply(params, xs, mask=mask, resets=RESETS)[1]

    assert_close(pull(packed, params, xs), pull(by_document, params, xs))


def test_bidirectional_draws_two_sets_of_parameters():
    params = Bidirectional(GRU(H)).init(KEY, F)
    assert abs(params.forward.w_h - params.backward.w_h).max() > 0.1


# Sequential.


def test_sequential_is_its_layers_one_after_the_other():
    params, xs = draw(MODEL)
    carry = random_like(4, MODEL.init_carry(params, (B,)))
    assert [jax.tree.map(jnp.shape, p) for p in params[:2]] == [
        GRU(H).init(KEY, F)._replace(w_x=(F, 3 * H), w_h=(H, 3 * H), b=(3 * H,), b_hn=(H,)),
        LayerNorm().init(KEY, H)._replace(gain=(H,), bias=(H,)),
    ]
    assert MODEL.output_size == 2
    assert Sequential((Dense(7), Pool(), Dropout(0.5))).output_size == 7

    def by_hand(params, xs, carry):
        finals = []
        keys = jax.random.split(KEY, len(MODEL.layers))
        for layer, p, c, key in zip(MODEL.layers, params, carry, keys, strict=True):
            final, xs = layer.apply(p, xs, c, lengths=LENGTHS, key=key)
            finals.append(final)
        return tuple(finals), xs

    apply = partial(MODEL.apply, lengths=LENGTHS, key=KEY)
    assert_close(pull(apply, params, xs, carry), pull(by_hand, params, xs, carry))


def test_two_windows_equal_one():
    params, xs = draw(MODEL)

    def windows(params, xs):
        carry, first = MODEL.apply(params, xs[:, :2])
        carry, second = MODEL.apply(params, xs[:, 2:], carry)
        return carry, jnp.concatenate([first, second], axis=1)

    assert_close(pull(windows, params, xs), pull(MODEL.apply, params, xs))


# Layers without memory.


def test_embedding_is_a_product_with_one_hot_vectors():
    layer = Embedding(6, H)
    table = random_like(1, layer.init(KEY, dtype=jnp.float64))
    tokens = np.random.default_rng(0).integers(0, 6, (B, T))

    def product(table):
        return (), jax.nn.one_hot(tokens, 6, dtype=table.dtype) @ table

    got = pull(lambda table: layer.apply(table, tokens), table)
    assert_close(got, pull(product, table))
    np.testing.assert_array_equal(got[0][1], np.asarray(table)[tokens])


def test_a_token_outside_the_vocabulary_gives_nan():
    table = random_like(1, np.empty((6, H)))
    _, ys = Embedding(6, H).apply(table, np.array([[0, 6, 5, -1]]))
    np.testing.assert_array_equal(np.isnan(ys).all(-1), [[False, True, False, True]])
    np.testing.assert_array_equal(ys[0, 2], table[5])


def test_dense_is_an_affine_map():
    params, xs = draw(Dense(2))
    expected = np.einsum("bti,io->bto", xs, params.w) + np.asarray(params.b)
    (_, ys), (d_params, d_xs) = pull(Dense(2).apply, params, xs)
    assert_close(ys, expected)
    weights = random_like(4, ys)
    assert_close(d_params.w, np.einsum("bti,bto->io", xs, weights))
    assert_close(d_params.b, weights.sum((0, 1)))
    assert_close(d_xs, np.einsum("bto,io->bti", weights, params.w))


def test_layer_norm_has_mean_zero_and_variance_one_before_gain_and_bias():
    layer = LayerNorm(epsilon=1e-3)
    params, xs = draw(layer, features=7)

    def normalized(params, xs):
        mean = xs.sum(-1, keepdims=True) / 7
        variance = ((xs - mean) ** 2).sum(-1, keepdims=True) / 7
        return (), (xs - mean) / jnp.sqrt(variance + 1e-3) * params.gain + params.bias

    got = pull(layer.apply, params, xs)
    assert_close(got, pull(normalized, params, xs))
    x = np.asarray(xs)
    z = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    assert_close(got[0][1], z * np.asarray(params.gain) + np.asarray(params.bias))


# Dropout.


def test_dropout_without_a_key_is_the_identity():
    _, xs = draw(Dropout(0.5))
    np.testing.assert_array_equal(Dropout(0.5).apply((), xs)[1], xs)
    np.testing.assert_array_equal(Dropout(0.0).apply((), xs, key=KEY)[1], xs)


@pytest.mark.parametrize("per_sequence", [False, True], ids=["per step", "per sequence"])
def test_dropout_keeps_the_rate_and_the_mean(per_sequence):
    rate = 0.3
    layer = Dropout(rate, per_sequence=per_sequence)
    _, ys = layer.apply((), np.full((50, 8, 50), 2.0), key=KEY)
    kept = np.asarray(ys != 0)
    assert_close(ys, np.where(kept, 2 / (1 - rate), 0))
    draws = kept[:, 0].size if per_sequence else kept.size
    assert abs(kept.mean() - (1 - rate)) < 4 * np.sqrt(rate * (1 - rate) / draws)
    assert (kept == kept[:, :1]).all() == per_sequence
    assert not (kept == kept[:1]).all()
    _, others = layer.apply((), np.full((50, 8, 50), 2.0), key=jax.random.key(1))
    assert (others != ys).any()


@pytest.mark.parametrize("per_sequence", [False, True], ids=["per step", "per sequence"])
def test_the_gradient_of_dropout_is_its_mask(per_sequence):
    layer = Dropout(0.4, per_sequence=per_sequence)
    _, xs = draw(layer)
    (_, ys), (d_xs,) = pull(lambda xs: layer.apply((), xs, key=KEY), xs)
    assert 0 < (ys == 0).sum() < ys.size
    assert_close(d_xs, random_like(4, ys) * jnp.where(ys != 0, 1 / 0.6, 0))


def test_a_dropout_rate_may_be_a_parameter_that_members_do_not_share():
    layer, xs = Dropout(None), jnp.full((3, 4, 50), 2.0)
    rates = jnp.array([0.0, 0.4])
    members = DropoutParams(rates)
    apply = jax.vmap(lambda params, xs: layer.apply(params, xs, key=KEY), in_axes=(0, None))
    (_, ys), (d_members, d_xs) = pull(apply, members, xs)
    for rate, y in zip(rates, ys, strict=True):
        assert_close(y, Dropout(float(rate)).apply((), xs, key=KEY)[1], jnp.float32)
    assert not np.any(d_members.rate)
    weights = random_like(4, ys) * (ys != 0) / (1 - rates)[:, None, None, None]
    assert_close(d_xs, weights.sum(0), jnp.float32)


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


# Padding, ensembles, dtypes, identity.


@pytest.mark.parametrize(
    "model",
    [
        Sequential((Recurrent(LSTM(H)), Pool("last"), Dense(2))),
        Sequential((Bidirectional(GRU(H)), LayerNorm(), Pool("mean"), Dense(2))),
        Sequential((Recurrent(GRU(H), reverse=True), Dense(2), Pool("max"))),
        Bidirectional(LSTM(H), "product"),
        Sequential((LayerNorm(), Dense(H), Recurrent(GRU(H)))),
    ],
    ids=["last", "mean", "max", "bidirectional", "dense first"],
)
def test_garbage_in_the_padding_changes_nothing(model):
    params, xs = draw(model)
    apply = partial(model.apply, lengths=LENGTHS)
    clean = pull(apply, params, jnp.where(PADDING[..., None], 0, xs))
    for garbage in (jnp.nan, jnp.inf):
        assert_close(pull(apply, params, jnp.where(PADDING[..., None], garbage, xs)), clean)
    assert not clean[1][1][PADDING].any()
    assert clean[1][1][~PADDING].all()


def test_an_ensemble_of_models_is_a_loop_over_members():
    keys = jax.random.split(KEY, 3)
    ensemble = jax.vmap(partial(MODEL.init, input_size=F, dtype=jnp.float64))(keys)
    ensemble, (_, xs) = random_like(1, ensemble), draw(MODEL)

    def run(params, key):
        return pull(partial(MODEL.apply, lengths=LENGTHS, key=key), params, xs)

    members = stacked([run(at(ensemble, member), key) for member, key in enumerate(keys)])
    assert_close(jax.vmap(run)(ensemble, keys), members)


def test_a_bfloat16_model_is_near_the_exact_one():
    model = Sequential((Embedding(6, F), *MODEL.layers, Pool("mean")))
    initial = model.init(KEY, dtype=jnp.bfloat16)
    params = jax.tree.map(lambda a: a / 2, random_like(1, initial))
    exact = jax.tree.map(lambda a: a.astype(jnp.float64), params)
    tokens = np.random.default_rng(0).integers(0, 6, (B, T))

    def run(params):
        return pull(lambda params: model.apply(params, tokens, lengths=LENGTHS)[1], params)

    (ys, (gradient,)), (exact_ys, (exact_gradient,)) = run(params), run(exact)
    assert {a.dtype for a in jax.tree.leaves(gradient)} == {jnp.dtype(jnp.bfloat16)}
    assert_close(ys, exact_ys, jnp.bfloat16)
    norm = sum(jnp.sum(a**2) for a in jax.tree.leaves(exact_gradient)) ** 0.5
    error = jax.tree.map(lambda a, b: jnp.sum((a - b) ** 2), gradient, exact_gradient)
    assert sum(jax.tree.leaves(error)) ** 0.5 < 0.05 * norm


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_layer_is_a_static_value(layer):
    copy = pickle.loads(pickle.dumps(layer))
    assert copy is not layer
    assert copy == layer
    assert hash(copy) == hash(layer)
    assert layer != Dense(99)
    assert jax.tree.leaves(layer) == []
    traces = []

    @jax.jit
    def count(layer):
        traces.append(layer)
        return 0

    count(layer)
    count(copy)
    assert len(traces) == 1
