"""The autoregressive head over the keys of a frame, and its samples."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import random_like

import rnnjax
from rnnjax.decoding import generate_frames
from rnnjax.layers import NADE, RNN, Dense, Sequential
from rnnjax.losses import frame_loss

K, D, F = 4, 3, 2
HEAD = NADE(K, D)
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def params():
    return random_like(1, jax.eval_shape(lambda: HEAD.init(KEY, F)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def nade_nats(params, x, frame):
    """The paper's recursion over the keys of one frame, in float64."""
    p = [np.asarray(a, np.float64) for a in params]
    w_x, w_k, b, w_o, w_u, b_o = p
    nats, hidden = 0.0, x @ w_x + b
    for k in range(len(frame)):
        on = sigmoid(b_o[k] + x @ w_o[:, k] + w_u[k] @ sigmoid(hidden))
        nats -= np.log(on if frame[k] else 1 - on)
        hidden = hidden + frame[k] * w_k[k]
    return nats


def every_frame():
    return np.array(list(product((0, 1), repeat=K)), np.float32)


def test_the_loss_equals_the_recursion_over_keys_and_so_do_its_gradients(params):
    random = np.random.default_rng(0)
    xs, frames = random.normal(size=(2, 3, F)), random.integers(0, 2, (2, 3, K))
    mask = np.array([[True, True, False], [True, False, False]])

    def loss(params):
        _, logits = HEAD.apply(params, xs, context=frames.astype(float))
        return frame_loss(logits, frames, mask)

    def wanted(params):
        pairs = zip(xs[mask], frames[mask], strict=True)
        return np.mean([nade_nats(params, x, frame) for x, frame in pairs])

    with jax.enable_x64(True):
        params = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), params)
        value, gradients = jax.jit(jax.value_and_grad(loss))(params)
    np.testing.assert_allclose(value, wanted(params), 1e-6)
    for name, gradient in gradients._asdict().items():
        weights = np.asarray(getattr(params, name))
        for place in np.ndindex(weights.shape):
            step = np.zeros_like(weights)
            step[place] = 1e-5
            ends = [wanted(params._replace(**{name: weights + s * step})) for s in (1, -1)]
            slope = (ends[0] - ends[1]) / 2e-5
            np.testing.assert_allclose(gradient[place], slope, 1e-4, 1e-7)


def test_the_probabilities_of_all_frames_sum_to_one(params):
    frames = every_frame()
    x = np.float32(np.random.default_rng(1).normal(size=F))
    xs = np.broadcast_to(x, (1, len(frames), F))
    _, logits = HEAD.apply(params, xs, context=jnp.asarray(frames[None]))
    p = sigmoid(np.asarray(logits[0], np.float64))
    likelihoods = np.where(frames == 1, p, 1 - p).prod(-1)
    assert likelihoods.sum() == pytest.approx(1, abs=1e-6)
    wanted = [np.exp(-nade_nats(params, x, frame)) for frame in frames]
    np.testing.assert_allclose(likelihoods, wanted, 1e-5)
    assert likelihoods.std() > 0.01


def test_a_logit_depends_on_no_later_key_nor_on_its_own(params):
    xs, frames = jnp.ones((1, 1, F)), jnp.asarray(random_like(3, np.empty((1, 1, K), "float32")))
    logits = jax.jit(lambda frames: HEAD.apply(params, xs, context=frames)[1][0, 0])
    slopes = np.asarray(jax.jacobian(logits)(frames))[:, 0, 0]
    np.testing.assert_array_equal(np.triu(slopes), 0)
    assert (slopes[np.tril_indices(K, -1)] != 0).all()


def test_masked_frames_affect_neither_values_nor_gradients(params):
    xs, frames = np.ones((2, 3, F), "float32"), np.ones((2, 3, K), "float32")
    frames[0, 2] = frames[1] = xs[1] = np.nan

    @jax.jit
    def both(params):
        def loss(params):
            return HEAD.apply(params, xs, lengths=np.array([2, 0]), context=frames)[1].sum()

        kept = HEAD.apply(params, xs[:1, :2], context=frames[:1, :2])[1].sum()
        return *jax.value_and_grad(loss)(params), kept

    value, gradient, kept = both(params)
    np.testing.assert_allclose(value, kept, 1e-6)
    assert all(np.isfinite(g).all() and np.any(g) for g in jax.tree.leaves(gradient))


@pytest.mark.parametrize("context", [np.ones((1, 2, K)), np.ones((1, 1, K + 1)), ("text",), 1.0])
def test_other_contexts_are_refused(params, context):
    with pytest.raises(ValueError, match="expected"):
        HEAD.apply(params, jnp.ones((1, 1, F)), context=context)


def models():
    """A model of dependent and one of independent keys, which repeat nothing by chance."""
    body = RNN(rnnjax.GRU(F))
    for number, head in enumerate((HEAD, Dense(K))):
        model = Sequential((body, head))
        yield model, random_like(5 + number, jax.eval_shape(lambda m=model: m.init(KEY, K)))


@pytest.mark.parametrize("model, params", [*models()], ids=["dependent", "independent"])
def test_frames_are_sampled_by_their_probabilities(model, params):
    """The frequencies of all pairs of two successive frames, against brute force."""
    many, prompt = 4000, np.array([[1, 0, 1, 0], [0, 0, 1, 1]], np.float32)
    prompts = np.broadcast_to(prompt, (many, *prompt.shape))
    found = np.asarray(generate_frames(model, params, prompts, KEY, length=2))
    assert found.shape == (many, 2, K) and set(np.unique(found)) == {0, 1}
    code = 2 ** np.arange(K)[::-1]
    pairs, counts = np.unique(found @ code @ [2**K, 1], return_counts=True)
    frames = every_frame()
    first, second = (np.repeat(frames, 16, 0), np.tile(frames, (16, 1)))
    whole = np.concatenate([np.broadcast_to(prompt, (256, 2, K)), first[:, None]], 1)
    after = np.stack([np.broadcast_to(prompt[1], (256, K)), first, second], 1)
    context = after if model.takes_context else None
    _, logits = jax.jit(model.apply)(params, whole, context=context)
    p = sigmoid(np.asarray(logits, np.float64)[:, 1:])
    likelihood = np.where(after[:, 1:] == 1, p, 1 - p).prod((1, 2))
    frequency = np.zeros(256)
    frequency[pairs.astype(int)] = counts / many
    assert likelihood.sum() == pytest.approx(1, abs=1e-5)
    error = np.sqrt(likelihood * (1 - likelihood) / many)
    assert (np.abs(frequency - likelihood) < 5 * error + 1e-3).all()
    assert np.abs(likelihood - 1 / 256).max() > 5 * error.max()  # no uniform one


@pytest.mark.parametrize("model, params", [*models()], ids=["dependent", "independent"])
def test_without_chance_the_likelier_state_is_taken_key_by_key(model, params):
    prompt, wanted = np.array([[1, 0, 0, 1]], np.float32), []
    apply = jax.jit(lambda frames, after: model.apply(params, frames, context=after))
    for _ in range(3):
        whole, frame = np.concatenate([prompt, *wanted]), np.zeros((1, K), np.float32)
        for k in range(K):
            after = np.concatenate([whole[1:], frame])
            context = after[None] if model.takes_context else None
            frame[0, k] = np.asarray(apply(whole[None], context)[1])[0, -1, k] > 0
        wanted.append(frame)
    found = generate_frames(model, params, prompt.astype(bool), length=3, temperature=0)
    np.testing.assert_array_equal(found, np.concatenate(wanted))
    cold = generate_frames(model, params, prompt, KEY, length=3, temperature=1e-6)
    np.testing.assert_array_equal(found, cold)
    carry, _ = apply(prompt[None], wanted[0][None] if model.takes_context else None)
    one = generate_frames(model, params, wanted[0], length=2, carry=strip(carry), temperature=0)
    np.testing.assert_array_equal(found[1:], one)


def strip(carry):
    """The carry of the only row of a batch."""
    return jax.tree.map(lambda a: np.asarray(a)[0], carry)


def test_a_model_that_is_not_finite_writes_nan():
    model = Sequential((RNN(rnnjax.GRU(F)), Dense(K)))
    shapes = jax.eval_shape(lambda: model.init(KEY, K))
    params = jax.tree.map(lambda a: np.full(a.shape, np.nan, a.dtype), shapes)
    assert np.isnan(generate_frames(model, params, np.ones((1, K)), KEY, length=2)).all()


def test_a_model_of_other_frames_cannot_write():
    model = Sequential((RNN(rnnjax.GRU(F)), Dense(K + 1)))
    params = random_like(7, jax.eval_shape(lambda: model.init(KEY, K)))
    with pytest.raises(ValueError, match=r"expected logits \[B, T, 4\] from"):
        generate_frames(model, params, np.ones((1, K)), KEY, length=2)
