"""Losses, the clip, truncated backpropagation through time, and sampling."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax.decoding import generate
from rnnjax.layers import Dense, Dropout, Embedding, Recurrent, Sequential
from rnnjax.training import (
    bits,
    clipped,
    cross_entropy,
    evaluate,
    streams,
    tbptt_step,
    train_state,
    windows,
)

VOCABULARY = 5
MODEL = Sequential((Embedding(VOCABULARY, 3), Recurrent(rnnjax.LSTM(4)), Dense(VOCABULARY)))


def close(a, b, tolerance=1e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, tolerance, tolerance), a, b)


def random_params(model=MODEL, seed=0):
    params = model.init(jax.random.key(seed), 0)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
    draws = [jax.random.normal(k, a.shape, a.dtype) for k, a in zip(keys, leaves, strict=True)]
    return tree.unflatten(draws)


def tokens(*shape, seed=3):
    return jax.random.randint(jax.random.key(seed), shape, 0, VOCABULARY)


def test_cross_entropy_equals_numpy_and_ignores_what_is_masked():
    random = np.random.default_rng(0)
    logits, targets = random.normal(size=(3, 4, 5)), random.integers(0, 5, (3, 4))
    mask = random.random((3, 4)) < 0.6
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    losses = -np.take_along_axis(log_p, targets[..., None], -1)[..., 0]
    single = np.float32(logits)
    close(cross_entropy(single, targets), losses.mean())
    close(cross_entropy(single, targets, mask), losses[mask].mean())
    garbage = np.where(mask[..., None], single, np.nan)
    gradient = jax.grad(cross_entropy)(jnp.asarray(garbage), targets, mask)
    softmax = np.exp(log_p) - np.eye(5)[targets]
    close(np.where(mask[..., None], gradient, 0), softmax * mask[..., None] / mask.sum())
    assert cross_entropy(single, targets, np.zeros((3, 4), bool)) == 0
    assert bits(float(np.log(8))) == pytest.approx(3)


def test_clip_comes_before_the_optimiser():
    gradient = {"a": jnp.array([3.0, 0.0]), "b": jnp.array([4.0])}
    optimizer = clipped(optax.sgd(0.1, momentum=0.9), max_norm=0.5)
    state = optimizer.init(gradient)
    for expected in (0.05, 0.05 * 1.9):  # momentum is of the clipped gradient
        updates, state = optimizer.update(gradient, state)
        np.testing.assert_allclose(optax.tree.norm(updates), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="expected max_norm to be above 0, got 0"):
        clipped(optax.sgd(0.1), 0)


def test_tbptt_hands_the_carry_on_and_stops_the_gradient_there():
    optimizer = clipped(optax.sgd(0.5), max_norm=1e-3)
    start = train_state(MODEL, optimizer, jax.random.key(0), 0, batch_size=2)
    start = start._replace(params=random_params())
    text = tokens(2, 13)
    step = tbptt_step(MODEL, cross_entropy, optimizer)
    state = start
    for inputs, targets in windows(np.asarray(text), 6):
        carry, _ = MODEL.apply(state.params, inputs, state.carry)

        def window_loss(params, before, inputs=inputs, targets=targets):
            return cross_entropy(MODEL.apply(params, inputs, before)[1], targets)

        loss, gradient = jax.value_and_grad(window_loss)(state.params, state.carry)
        norm = optax.tree.norm(gradient)
        scale = 0.5 * 1e-3 / norm
        expected = optax.tree.add_scale(state.params, -scale, gradient)
        state, metrics = step(state, inputs, targets)
        close(tuple(metrics), (loss, norm))  # the norm is the one before the clip
        close(state.params, expected, 1e-6)
        close(state.carry, carry)
    through_both = jax.grad(lambda p: window_loss(p, MODEL.apply(p, text[:, :6], start.carry)[0]))(
        start.params
    )
    stopped = jax.grad(window_loss)(start.params, MODEL.apply(start.params, text[:, :6])[0])
    assert not np.allclose(through_both[1].w_h, stopped[1].w_h)  # what is stopped is not nothing


def test_tbptt_draws_fresh_noise_at_every_step():
    model = Sequential((Embedding(VOCABULARY, 8), Dropout(0.5), Dense(VOCABULARY)))
    optimizer = optax.sgd(0.0)
    state = train_state(model, optimizer, jax.random.key(0), 0, batch_size=2)
    step = tbptt_step(model, cross_entropy, optimizer)
    losses = []
    for _ in range(3):
        state, metrics = step(state, tokens(2, 6), tokens(2, 6, seed=4))
        losses.append(float(metrics.loss))
    assert len(set(losses)) == 3


def test_windows_cover_streams_in_order_and_targets_are_one_step_later():
    sequence = np.arange(47)
    rows = streams(sequence, 3)
    np.testing.assert_array_equal(rows.ravel(), np.arange(45))
    pairs = list(windows(rows, 4))
    assert len(pairs) == 3
    np.testing.assert_array_equal(np.concatenate([i for i, _ in pairs], 1), rows[:, :12])
    np.testing.assert_array_equal(np.concatenate([t for _, t in pairs], 1), rows[:, 1:13])
    assert len(list(windows(np.zeros((1, 9)), 4))) == 2  # the last target may be the last step
    with pytest.raises(ValueError, match="expected at least 5 steps for 5 streams, got 4"):
        streams(np.arange(4), 5)


def test_evaluation_in_windows_equals_one_pass():
    params, text = random_params(), np.asarray(tokens(2, 13))
    _, logits = MODEL.apply(params, text[:, :12])
    whole = cross_entropy(logits, text[:, 1:])
    close(evaluate(MODEL, cross_entropy, params, text, steps=4), whole)
    with pytest.raises(ValueError, match="expected streams of more than 13 steps, got 13"):
        evaluate(MODEL, cross_entropy, params, text, steps=13)


def test_generation_at_low_temperature_takes_the_likeliest_token():
    params, prompt = random_params(), tokens(3, 4)
    written = generate(MODEL, params, prompt, jax.random.key(0), length=6, temperature=1e-4)
    text = prompt
    for _ in range(6):
        logits = MODEL.apply(params, text)[1][:, -1]
        text = jnp.concatenate([text, logits.argmax(-1)[:, None]], axis=1)
    np.testing.assert_array_equal(written, text[:, 4:])


def test_generation_samples_from_the_softmax():
    params, prompt = random_params(), tokens(4)
    many = jnp.broadcast_to(prompt, (20_000, 4))
    first = generate(MODEL, params, many, jax.random.key(1), length=1, temperature=2.0)
    expected = jax.nn.softmax(MODEL.apply(params, prompt)[1][-1] / 2)
    np.testing.assert_allclose(np.bincount(first[:, 0], minlength=5) / 20_000, expected, atol=0.01)
    with pytest.raises(ValueError, match="at least one token"):
        generate(MODEL, params, prompt[:0], jax.random.key(0), length=1)
