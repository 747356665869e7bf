"""Layers against the engine, against NumPy, and against loops over unpadded sequences."""

import dataclasses
import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, at, random_like, stacked
from draws import pull

from rnnjax import GRU, LSTM, Elman, Layer, Stack, scan
from rnnjax.cells import AttentionDecoder, AttentionMemory, VariationalDropout
from rnnjax.engine import Loop
from rnnjax.layers import (
    RNN,
    Bidirectional,
    Dense,
    DenseParams,
    Dropout,
    DropoutParams,
    Embedding,
    EmbeddingParams,
    LayerNorm,
    Pointwise,
    Pool,
    Sequential,
)

B, T, F, H = 4, 5, 2, 3
KEY = jax.random.key(0)
LENGTHS = np.array([5, 0, 2, 3])
PADDING = np.arange(T) >= LENGTHS[:, None]
GAPPY = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 1, 1, 0, 1], [1, 1, 1, 1, 1]], bool)
RESETS = np.array([[0, 1, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]], bool)

MODEL = Sequential((RNN(GRU(H)), LayerNorm(), Dropout(0.5), RNN(LSTM(H)), Dense(2)))
LAYERS = [
    RNN(LSTM(H), reverse=True, method=Loop(checkpoint=3)),
    Bidirectional(GRU(H), merge="mean", backward=Elman(H)),
    Embedding(6, H),
    Dense(2, use_bias=False),
    LayerNorm(epsilon=1e-3),
    Dropout(0.3, per_sequence=True),
    Pool("max"),
    MODEL,
    Sequential(body=MODEL, pool=Pool("mean")),
]


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def draw(layer, features=F):
    """Random parameters and inputs."""
    params = random_like(1, layer.init(KEY, features, dtype=jnp.float64))
    return params, random_like(2, np.empty((B, T, features)))


# RNN.


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_rnn_is_scan_with_time_second(reverse):
    layer = RNN(LSTM(H), reverse=reverse)
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


def last_of(ys, valid, reverse=False):
    """The output of the last step processed, or zeros, by a loop over sequences."""
    steps = [np.flatnonzero(row) for row in valid]
    pairs = zip(ys, steps, strict=True)
    rows = [y[t[0 if reverse else -1]] if len(t) else 0 * y[0] for y, t in pairs]
    return jnp.stack(rows)


@pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_without_sequences_the_last_output_is_given(reverse, masked):
    every, last = (RNN(LSTM(H), reverse=reverse, return_sequences=r) for r in (True, False))
    params, xs = draw(every)
    signals = {"lengths": LENGTHS, "mask": GAPPY, "resets": RESETS} if masked else {}
    valid = GAPPY & ~PADDING if masked else np.ones((B, T), bool)

    def by_hand(params, xs):
        carry, ys = every.apply(params, xs, **signals)
        return carry, last_of(ys, valid, reverse)

    got = pull(partial(last.apply, **signals), params, xs)
    assert got[0][1].shape == (B, H)
    assert_close(got, pull(by_hand, params, xs))


# Bidirectional.

MERGES = {
    "concat": lambda f, b: jnp.concatenate([f, b], axis=-1),
    "sum": lambda f, b: f + b,
    "mean": lambda f, b: 0.5 * (f + b),
    "product": lambda f, b: f * b,
}


@pytest.mark.parametrize("merge", MERGES)
def test_bidirectional_is_two_runs_over_each_unpadded_sequence(merge):
    layer = Bidirectional(GRU(H), merge=merge, backward=LSTM(H))
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
                _, alone = layer.apply(params, xs[row, document][None])
                ys = ys.at[row, document].set(alone[0])
        return ys

    def packed(params, xs):
        return layer.apply(params, xs, mask=mask, resets=RESETS)[1]

    assert_close(pull(packed, params, xs), pull(by_document, params, xs))


@pytest.mark.parametrize("merge", MERGES)
def test_without_sequences_the_last_step_of_each_direction_is_given(merge):
    last = Bidirectional(GRU(H), merge=merge, return_sequences=False)
    params, xs = draw(last)
    signals = {"lengths": LENGTHS, "mask": GAPPY}
    directions = [RNN(GRU(H)), RNN(GRU(H), reverse=True)]

    def by_hand(params, xs):
        both = [rnn.apply(p, xs, **signals) for rnn, p in zip(directions, params, strict=True)]
        ends = [last_of(ys, GAPPY & ~PADDING, k == 1) for k, (_, ys) in enumerate(both)]
        return type(params)(*(carry for carry, _ in both)), MERGES[merge](*ends)

    got = pull(partial(last.apply, **signals), params, xs)
    assert got[0][1].shape == (B, last.output_size)
    assert_close(got, pull(by_hand, params, xs))


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
    assert Sequential((Dense(7), Pool("last"), Dropout(0.5))).output_size == 7
    assert [jnp.shape(c) for c in jax.tree.leaves(carry)] == [(B, H)] * 3 and len(carry) == 2

    def by_hand(params, xs, carry):
        finals, carries = [], iter(carry)
        keys = jax.random.split(KEY, len(MODEL.layers))
        for layer, p, key in zip(MODEL.layers, params, keys, strict=True):
            start = next(carries) if layer.has_memory else None
            final, xs = layer.apply(p, xs, start, lengths=LENGTHS, key=key)
            finals += [final] if layer.has_memory else []
        return tuple(finals), xs

    apply = partial(MODEL.apply, lengths=LENGTHS, key=KEY)
    assert_close(pull(apply, params, xs, carry), pull(by_hand, params, xs, carry))


def test_parts_may_have_names():
    names = ("one", "norm", "noise", "two", "head")
    named = Sequential(**dict(zip(names, MODEL.layers, strict=True)))
    params, xs = draw(MODEL)
    by_name = dict(zip(names, params, strict=True))
    assert jax.tree.structure(named.init(KEY, F)) == jax.tree.structure(by_name)
    carry, ys = MODEL.apply(params, xs, key=KEY)
    final, same = named.apply(by_name, xs, named.init_carry(by_name, (B,)), key=KEY)
    assert_close((final, same), ({"one": carry[0], "two": carry[1]}, ys))
    assert named != MODEL and dataclasses.replace(named) == named
    assert "head=Dense(" in repr(named)


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
    table = random_like(1, layer.init(KEY, dtype=jnp.float64)).table
    tokens = np.random.default_rng(0).integers(0, 6, (B, T))

    def product(table):
        return (), jax.nn.one_hot(tokens, 6, dtype=table.dtype) @ table

    got = pull(lambda table: layer.apply(EmbeddingParams(table), tokens), table)
    assert_close(got, pull(product, table))
    np.testing.assert_array_equal(got[0][1], np.asarray(table)[tokens])


def test_a_token_outside_the_vocabulary_gives_nan():
    table = random_like(1, np.empty((6, H)))
    _, ys = Embedding(6, H).apply(EmbeddingParams(table), np.array([[0, 6, 5, -1]]))
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
    layer, xs = Dropout("param"), jnp.full((3, 4, 50), 2.0)
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
        Sequential((RNN(LSTM(H)), Pool("last"), Dense(2))),
        Sequential((Bidirectional(GRU(H)), LayerNorm(), Pool("mean"), Dense(2))),
        Sequential((RNN(GRU(H), reverse=True), Dense(2), Pool("max"))),
        Bidirectional(LSTM(H), merge="product"),
        Sequential((LayerNorm(), Dense(H), RNN(GRU(H)))),
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
    assert not model.keeps_time or not clean[0][1][PADDING].any()


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


# What stands at masked steps reaches nothing, whatever the layers.


class Inverse(Pointwise):
    """A user's layer, without a derivative at zero."""

    def init(self, key, input_size, *, dtype=jnp.float32):
        return ()

    def transform(self, params, xs):
        return 1 / xs


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
    [Dense(H), LayerNorm(), Dropout(0.5), RNN(GRU(H)), Bidirectional(GRU(H)), Inverse()],
    ids=lambda layer: type(layer).__name__,
)
def test_padding_tokens_outside_the_vocabulary_are_harmless(behind):
    model = Sequential((Embedding(6, H), behind, RNN(Elman(2)), Pool("mean")))
    params = random_like(1, model.init(KEY, dtype=jnp.float64))
    tokens = np.random.default_rng(0).integers(0, 6, (B, T))

    def run(pad):
        given = np.where(PADDING, pad, tokens)
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


def inputs_of(layer, lead=(B, T)):
    tokens = layer.num_feature_axes == 0
    return np.ones(lead, int) if tokens else np.array(random_like(2, np.empty((*lead, F))))


@pytest.mark.parametrize("signals", BAD.values(), ids=BAD)
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_signals_that_do_not_fit_are_refused(layer, signals):
    params = layer.init(KEY, F)
    name = next(iter(signals))
    with pytest.raises(ValueError, match=f"expected (no )?{name}"):
        layer.apply(params, inputs_of(layer), **signals)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_inputs_are_batch_major_and_nothing_else(layer):
    params = layer.init(KEY, F)
    for lead in ((T,), (2, B, T)):
        with pytest.raises(ValueError, match=r"expected inputs \[B, T.*a batch axis"):
            layer.apply(params, inputs_of(layer, lead))


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_parameters_may_be_numpy_arrays(layer):
    params, xs = layer.init(KEY, F), inputs_of(layer)
    assert_close(layer.apply(jax.device_get(params), xs), layer.apply(params, xs))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_nothing_is_promoted_implicitly(layer, dtype):
    params = layer.init(KEY, F, dtype=dtype)
    xs = inputs_of(layer)
    xs = jnp.asarray(xs, jnp.int32 if layer.num_feature_axes == 0 else dtype)
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):

        def loss(params):
            signals = {"lengths": LENGTHS, "mask": GAPPY, "resets": RESETS}
            return layer.apply(params, xs, key=KEY, **signals)[1].sum()

        jax.grad(loss)(params)


@pytest.mark.parametrize("layer", [Dense(2), LayerNorm(), RNN(GRU(H)), Bidirectional(GRU(H))])
def test_complex_inputs_and_integer_weights_are_refused(layer):
    params, xs = draw(layer)
    with pytest.raises(ValueError, match=r"expected real inputs.*complex128"):
        layer.apply(params, xs * (1 + 1j))
    with pytest.raises(ValueError, match=r"expected (float parameters|a parameter)"):
        layer.apply(jax.tree.map(lambda a: jnp.sign(a).astype(int), params), xs)


# Noise and context reach every part.


def test_a_key_reaches_the_cells():
    noisy = VariationalDropout(GRU(H), rate=0.5)
    for layer in (
        RNN(noisy),
        Bidirectional(noisy),
        RNN(Stack((Elman(H), noisy))),
        Sequential((Dense(F), Sequential((RNN(noisy), Dense(2))))),
    ):
        params, xs = draw(layer)
        quiet, again, first, second = (
            layer.apply(params, xs, key=key)[1] for key in (None, None, KEY, jax.random.key(1))
        )
        np.testing.assert_array_equal(quiet, again)
        assert abs(first - second).max() > 1e-3 and abs(first - quiet).max() > 1e-3


def test_a_context_reaches_who_takes_one():
    decoder = AttentionDecoder(GRU(H), attention_size=3, memory_size=2)
    memory = AttentionMemory(random_like(5, np.empty((B, 6, 2))), np.array([6, 0, 3, 1]))
    layer = Sequential((Dense(F), RNN(GRU(F)), Sequential((RNN(decoder), LayerNorm()))))
    params, xs = draw(layer)
    assert layer.takes_context and not layer.layers[1].takes_context
    _, ys = layer.apply(params, xs, context=memory)
    _, h = Sequential(layer.layers[:2]).apply(params[:2], xs)
    decoded = scan(decoder, params[2][0], jnp.swapaxes(h, 0, 1), context=memory)[1]
    assert_close(ys, LayerNorm().apply(params[2][1], jnp.swapaxes(decoded, 0, 1))[1])
    with pytest.raises(ValueError, match="expected a context for"):
        layer.apply(params, xs)


# Options and their limits.


def test_a_dropout_rate_of_one_gives_zeros():
    def dropped(xs):
        params = DropoutParams(jnp.float32(1))
        return Dropout("param").apply(params, xs, key=KEY)[1].sum()

    value, gradient = jax.value_and_grad(dropped)(jnp.ones((1, 2, 2)))
    assert value == 0 and not gradient.any()


@pytest.mark.parametrize("mean", [0.0, 1000.0, 5013.25])
def test_layer_norm_does_not_cancel(mean):
    x = np.array([[[1.0, 2.0, 4.0]]])
    params = LayerNorm().init(KEY, 3)
    _, ys = LayerNorm().apply(params, jnp.asarray(x + mean, jnp.float32))
    assert ys.dtype == jnp.float32
    np.testing.assert_allclose(ys, (x - x.mean()) / x.std(), atol=1e-3)  # that of x itself


def test_dense_may_have_no_bias_and_other_initial_values():
    layer = Dense(2, use_bias=False, w_init="orthogonal")
    params = layer.init(KEY, 2)
    np.testing.assert_allclose(params.w @ params.w.T, np.eye(2), atol=1e-6)
    assert params == DenseParams(params.w, None)
    _, ys = layer.apply(params, jnp.ones((1, 1, 2)))
    np.testing.assert_array_equal(ys[0, 0], params.w.sum(0))
    assert (Dense(2, b_init=jax.nn.initializers.ones).init(KEY, 2).b == 1).all()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LayerNorm(epsilon=-1e-5), "expected epsilon to be positive"),
        (lambda: Dropout(1.0), "expected rate to be at least 0 and below 1"),
        (lambda: Dropout("no"), "expected rate to be a finite number"),
        (lambda: Dense(0), "expected size to be a positive integer"),
        (lambda: Dense(2, w_init="nonsense"), "expected .*nonsense"),
        (lambda: RNN(GRU(H), reverse="no"), "expected reverse to be True or False"),
        (lambda: RNN(Dense(2)), "expected cell to be a Cell"),
        (lambda: Pool("first"), "expected how to be 'last'"),
        (lambda: Bidirectional(GRU(H), merge="max"), "expected merge to be"),
        (lambda: Sequential((GRU(H),)), r"becomes a layer by RNN\(cell\)"),
        (lambda: Sequential(()), "at least one layer"),
        (lambda: Sequential((Dense(2),), head=Dense(2)), "got both"),
        (lambda: Sequential((Pool("max"), RNN(GRU(H)))), "expected sequences for RNN"),
        (lambda: Sequential((Dense(2),)).init(KEY), "expected an input_size, got None"),
    ],
)
def test_what_makes_no_layer_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "backwards",
    [
        (Bidirectional(GRU(H)),),
        (RNN(GRU(H), reverse=True), LayerNorm()),
        (Sequential((Dense(2), Bidirectional(GRU(H)))), Dense(2)),
    ],
)
def test_the_last_step_of_a_backward_direction_is_no_summary(backwards):
    with pytest.raises(ValueError, match="give it return_sequences=False"):
        Sequential((*backwards, Sequential((Pool("last"), Dense(2)))))
    Sequential((*backwards, Pool("mean")))
    Sequential((*backwards, RNN(GRU(H)), Pool("last")))


def test_entries_that_do_not_fit_are_refused():
    params, xs = draw(MODEL)
    with pytest.raises(
        ValueError, match=r"expected parameters with an entry for each layer, \[0, 1, 2, 3, 4\]"
    ):
        MODEL.apply(params[1:], xs)
    with pytest.raises(
        ValueError, match=r"expected carry with .* layer with memory, \[0, 1\], got"
    ):
        MODEL.apply(params, xs, (None,) * 5)
    named = Sequential(rnn=RNN(GRU(H)), head=Dense(2))
    with pytest.raises(
        ValueError, match=r"expected parameters with .*\['rnn', 'head'\], got \['rnn'\]"
    ):
        named.apply({"rnn": ()}, xs)
    with pytest.raises(ValueError, match=r"got \[\] in ArrayImpl"):
        MODEL.apply(params, xs, jnp.ones((B, H)))


def test_properties_tell_what_a_layer_does():
    assert [layer.causal for layer in LAYERS] == [False, False, *[True] * 4, False, True, False]
    assert Embedding(6, H).num_feature_axes == MODEL.num_feature_axes - 1 == 0
    assert not RNN(GRU(H), return_sequences=False).causal and MODEL.has_memory
    assert isinstance(Inverse(), Layer) and not Sequential((Dense(2),)).has_memory
