"""Layers against NumPy, layers in sequence, and layers as values."""

import dataclasses
import pickle
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, at, random_like, stacked
from draws import pull
from layer_draws import (
    GAPPY,
    KEY,
    LAYERS,
    LENGTHS,
    MODEL,
    RESETS,
    B,
    F,
    H,
    Inverse,
    T,
    draw,
    inputs_of,
)

from rnnjax import GRU, Layer
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
    Pool,
    Sequential,
    Tied,
    TokenDropout,
)

pytestmark = pytest.mark.usefixtures("x64")

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
    assert_close(jax.jit(apply)(params, xs, carry), jax.jit(by_hand)(params, xs, carry))


def test_parts_may_have_names():
    names = ("one", "norm", "noise", "two", "head")
    named = Sequential(**dict(zip(names, MODEL.layers, strict=True)))
    params, xs = draw(MODEL)
    by_name = dict(zip(names, params, strict=True))
    assert jax.tree.structure(named.init(KEY, F)) == jax.tree.structure(by_name)
    carry, ys = jax.jit(partial(MODEL.apply, key=KEY))(params, xs)
    start = named.init_carry(by_name, (B,))
    final, same = jax.jit(partial(named.apply, key=KEY))(by_name, xs, start)
    assert_close((final, same), ({"one": carry[0], "two": carry[1]}, ys))
    assert named != MODEL and dataclasses.replace(named) == named
    assert "head=Dense(" in repr(named)


def test_two_windows_equal_one():
    params, xs = draw(MODEL)

    def windows(params, xs):
        carry, first = MODEL.apply(params, xs[:, :2])
        carry, second = MODEL.apply(params, xs[:, 2:], carry)
        return carry, jnp.concatenate([first, second], axis=1)

    assert_close(jax.jit(windows)(params, xs), jax.jit(MODEL.apply)(params, xs))


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


def test_the_scale_of_an_embedding_is_the_deviation_of_its_vectors():
    table = Embedding(500, 40, scale=0.1).init(KEY).table
    assert_close(table, 0.1 * Embedding(500, 40).init(KEY).table)
    assert abs(table.std() - 0.1) < 0.002


def test_token_dropout_replaces_a_share_of_the_tokens():
    tokens, layer = jnp.arange(1, 4001).reshape(2, 2000), TokenDropout(0.3, token=7)
    np.testing.assert_array_equal(layer.apply((), tokens)[1], tokens)
    _, ys = layer.apply((), tokens, key=KEY, lengths=np.array([2000, 1000]))
    replaced, valid = ys != tokens, np.arange(2000) < np.array([[2000], [1000]])
    assert (ys[replaced & valid] == 7).all() and not ys[~valid].any()
    assert abs(replaced[valid].mean() - 0.3) < 0.03
    model = Sequential((layer, Embedding(4001, F), RNN(GRU(H))))
    assert model.num_feature_axes == 0 and model.output_size == H


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


def test_a_dropout_rate_of_one_gives_zeros():
    def dropped(xs):
        params = DropoutParams(jnp.float32(1))
        return Dropout("param").apply(params, xs, key=KEY)[1].sum()

    value, gradient = jax.value_and_grad(dropped)(jnp.ones((1, 2, 2)))
    assert value == 0 and not gradient.any()


# Ensembles, dtypes, identity.


def test_an_ensemble_of_models_is_a_loop_over_members():
    model = Sequential((RNN(GRU(H)), LayerNorm(), Dropout(0.5), Dense(2)))
    keys = jax.random.split(KEY, 2)
    ensemble = jax.vmap(partial(model.init, input_size=F, dtype=jnp.float64))(keys)
    ensemble, (_, xs) = random_like(1, ensemble), draw(model)

    @jax.jit
    def run(params, key):
        return pull(partial(model.apply, lengths=LENGTHS, key=key), params, xs)

    members = stacked([run(at(ensemble, member), key) for member, key in enumerate(keys)])
    assert_close(jax.jit(jax.vmap(run))(ensemble, keys), members)


def test_a_bfloat16_model_is_near_the_exact_one():
    model = Sequential((Embedding(6, F), RNN(GRU(H)), LayerNorm(), Dense(2), Pool("mean")))
    initial = jax.eval_shape(lambda: model.init(KEY, dtype=jnp.bfloat16))
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


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_inputs_are_batch_major_and_nothing_else(layer):
    params = jax.eval_shape(lambda: layer.init(KEY, F))
    for lead in ((T,), (2, B, T)):
        with pytest.raises(ValueError, match=r"expected inputs \[B, T.*a batch axis"):
            jax.eval_shape(partial(layer.apply, xs=inputs_of(layer, lead)), params)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_parameters_may_be_numpy_arrays(layer):
    params, xs = jax.jit(lambda: layer.init(KEY, F))(), inputs_of(layer)
    of_numpy = jax.eval_shape(lambda: layer.apply(jax.device_get(params), xs))
    of_jax = jax.eval_shape(layer.apply, params, xs)
    chex.assert_trees_all_equal_shapes_and_dtypes(of_numpy, of_jax)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_nothing_is_promoted_implicitly(layer, dtype):
    params = jax.eval_shape(lambda: layer.init(KEY, F, dtype=dtype))
    xs = inputs_of(layer)
    xs = jnp.asarray(xs, jnp.int32 if layer.num_feature_axes == 0 else dtype)
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):

        def loss(params):
            signals = {"lengths": LENGTHS, "mask": GAPPY, "resets": RESETS}
            return layer.apply(params, xs, key=KEY, **signals)[1].sum()

        jax.eval_shape(jax.grad(loss), params)


@pytest.mark.parametrize("layer", [Dense(2), LayerNorm(), RNN(GRU(H)), Bidirectional(GRU(H))])
def test_complex_inputs_and_integer_weights_are_refused(layer):
    params, xs = draw(layer)
    with pytest.raises(ValueError, match=r"expected real inputs.*complex128"):
        layer.apply(params, xs * (1 + 1j))
    with pytest.raises(ValueError, match=r"expected (float parameters|a parameter)"):
        layer.apply(jax.tree.map(lambda a: jnp.sign(a).astype(int), params), xs)


def test_properties_tell_what_a_layer_does():
    expected = [False] * 2 + [True] * 4 + [False] * 2 + [True, False, False, True, True]
    assert [layer.causal for layer in LAYERS] == expected
    assert Embedding(6, H).num_feature_axes == MODEL.num_feature_axes - 1 == 0
    assert not RNN(GRU(H), return_sequences=False).causal and MODEL.has_memory
    assert isinstance(Inverse(), Layer) and not Sequential((Dense(2),)).has_memory


def test_tied_weights_are_the_embedding_at_both_ends():
    model = Tied(Embedding(5, 3, scale=0.5), RNN(GRU(3)))
    params = random_like(1, model.init(jax.random.key(0)))
    tokens = jnp.array([[1, 4, 0], [2, 2, 3]])
    separate = Sequential((model.embedding, model.body, Dense(5)))
    head = DenseParams(params.embedding.table.T, params.b)
    same = (params.embedding, params.body, head)

    def total(apply, params):
        return jnp.sum(jnp.sin(apply(params, tokens)[1]))

    tied = jax.value_and_grad(total, argnums=1)(model.apply, params)
    loose = jax.value_and_grad(total, argnums=1)(separate.apply, same)
    np.testing.assert_allclose(tied[0], loose[0], rtol=1e-5)
    embedding, body, out = loose[1]
    np.testing.assert_allclose(
        tied[1].embedding.table, embedding.table + out.w.T, rtol=1e-4, atol=1e-5
    )
    assert_close(tied[1].body, body)
    np.testing.assert_allclose(tied[1].b, out.b, rtol=1e-4)
