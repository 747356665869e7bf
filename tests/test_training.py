"""Objectives, the step, truncated backpropagation through time, and sampling."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax.data import Batch, windows
from rnnjax.decoding import generate
from rnnjax.layers import RNN, Dense, Dropout, Embedding, Pool, Sequential
from rnnjax.losses import cross_entropy, squared_error
from rnnjax.training import (
    ScheduledSampling,
    SequenceObjective,
    TBPTTObjective,
    clipped,
    evaluate,
    inverse_sigmoid,
    mix_in_samples,
    train_state,
    train_step,
)

VOCABULARY = 5
MODEL = Sequential((Embedding(VOCABULARY, 3), RNN(rnnjax.LSTM(4)), Dense(VOCABULARY)))
KEY = jax.random.key(0)


@jax.jit
def apply(params, inputs, carry=None):
    """The final carry and outputs of the model."""
    return MODEL.apply(params, inputs, carry)


def close(a, b, tolerance=1e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, tolerance, tolerance), a, b)


def random_params(model=MODEL, seed=0):
    params = model.init(jax.random.key(seed), 3)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
    draws = [jax.random.normal(k, a.shape, a.dtype) for k, a in zip(keys, leaves, strict=True)]
    return tree.unflatten(draws)


def tokens(*shape, seed=3):
    return jax.random.randint(jax.random.key(seed), shape, 0, VOCABULARY)


# The step.


def test_a_step_is_one_update_with_the_gradient_of_the_objective():
    model = Sequential((RNN(rnnjax.GRU(4)), Pool("last"), Dense(2)))
    params, xs = random_params(model), jax.random.normal(KEY, (3, 5, 3))
    batch = Batch(
        xs, jnp.ones((3, 2)), lengths=jnp.array([5, 2, 1]), loss_mask=jnp.array([1, 0, 1]) > 0
    )

    def loss(params):
        _, ys = model.apply(params, batch.inputs, lengths=batch.lengths)
        return ((ys - 1) ** 2)[np.array([0, 2])].mean()

    value, gradient = jax.jit(jax.value_and_grad(loss))(params)
    norm = np.sqrt(sum(np.sum(np.square(g)) for g in jax.tree.leaves(gradient)))
    optimizer = clipped(optax.sgd(0.5), 1e-3)
    step = train_step(
        SequenceObjective(model, squared_error), optimizer, watch=lambda g: {"b": g[2].b.sum()}
    )
    state, metrics = step(train_state(params, optimizer, KEY), batch)
    close((metrics.loss, metrics.gradient_norm), (value, norm))  # the norm before the clip
    close(metrics.watched["b"], gradient[2].b.sum())
    expected = jax.tree.map(lambda p, g: p - 0.5 * 1e-3 / norm * g, params, gradient)
    close(state.params, expected, 1e-6)
    assert int(state.step) == 1 and state.carry == ()


def test_equal_objectives_share_one_compilation():
    def objective():
        return TBPTTObjective(Sequential((Embedding(7, 3), RNN(rnnjax.GRU(2)))), cross_entropy)

    assert objective() == objective() and hash(objective()) == hash(objective())


def test_the_optimizer_is_told_the_loss():
    optimizer = optax.chain(
        optax.sgd(1e-3), optax.contrib.reduce_on_plateau(patience=1, factor=0.5, atol=1e9)
    )
    step = train_step(SequenceObjective(MODEL, cross_entropy), optimizer)
    state = train_state(random_params(), optimizer, KEY)
    for _ in range(3):
        state, _ = step(state, Batch(tokens(2, 4), tokens(2, 4)))
    assert float(optax.tree.get(state.opt_state, "scale")) < 1


def test_every_step_draws_fresh_noise():
    model = Sequential((Embedding(VOCABULARY, 8), Dropout(0.5), Dense(VOCABULARY)))
    optimizer = optax.sgd(0.0)
    step = train_step(SequenceObjective(model, cross_entropy), optimizer)
    state = train_state(random_params(model), optimizer, KEY)
    losses = []
    for _ in range(3):
        state, metrics = step(state, Batch(tokens(2, 6), tokens(2, 6, seed=4)))
        losses.append(float(metrics.loss))
    assert len(set(losses)) == 3


# Truncated backpropagation through time.


def test_tbptt_hands_the_carry_on_and_stops_the_gradient_there():
    params, text = random_params(), tokens(2, 13)
    carry = MODEL.init_carry(params, (2,))
    objective = jax.jit(jax.value_and_grad(TBPTTObjective(MODEL, cross_entropy), has_aux=True))
    for batch in windows(np.asarray(text), 6):

        def loss(params, before, batch=batch):
            return cross_entropy(apply(params, batch.inputs, before)[1], batch.targets)

        expected = jax.jit(jax.value_and_grad(loss))(params, carry)
        (value, after), gradient = objective(params, carry, batch)
        close((value, gradient), expected)
        close(after, apply(params, batch.inputs, carry)[0])
        carry = after
    through_both = jax.jit(jax.grad(lambda p: loss(p, apply(p, text[:, :6])[0])))(params)
    assert not np.allclose(through_both[1].w_h, gradient[1].w_h)  # what is stopped is not nothing


@pytest.mark.parametrize("context", [4, pytest.param(11, marks=pytest.mark.slow)])
def test_a_context_lets_the_gradient_flow_further_back(context):
    params, text = random_params(), np.asarray(tokens(2, 13))
    carry, steps = MODEL.init_carry(params, (2,)), 3
    objective = jax.jit(jax.value_and_grad(TBPTTObjective(MODEL, cross_entropy), has_aux=True))
    for number, batch in enumerate(windows(text, steps, context=context)):
        start = number * steps
        first = max(start - context, 0)

        def loss(params, first=first, stop=start + steps):
            before, _ = apply(params, text[:, :first]) if first else (None, None)
            before = jax.lax.stop_gradient(before)
            _, logits = apply(params, text[:, first:stop], before)
            return cross_entropy(logits[:, -steps:], text[:, stop - steps + 1 : stop + 1])

        (value, carry), gradient = objective(params, carry, batch)
        close((value, gradient), jax.jit(jax.value_and_grad(loss))(params))
    assert number == 3


def test_no_gradient_flows_through_the_burn_in():
    params, text = random_params(), np.asarray(tokens(2, 13))
    carry = apply(params, text[:, :2])[0]
    batch = Batch(text[:, 2:9], text[:, 7:10])  # 4 steps of context, 2 of which burn in
    objective = TBPTTObjective(MODEL, cross_entropy, burn_in=2)

    def loss(params):
        before, _ = apply(jax.lax.stop_gradient(params), text[:, 2:4], carry)
        _, logits = apply(params, text[:, 4:9], before)
        return cross_entropy(logits[:, -3:], batch.targets)

    run = jax.jit(jax.value_and_grad(objective, has_aux=True))
    (value, after), gradient = run(params, carry, batch)
    close((value, gradient), jax.jit(jax.value_and_grad(loss))(params))
    close(after, apply(params, text[:, 2:5], carry)[0])  # three targets, three steps on
    with pytest.raises(ValueError, match="expected a context of at least 2 steps.*got 1: 4 inputs"):
        objective(params, carry, Batch(text[:, :4], text[:, 1:4]))


@pytest.mark.parametrize("context", [0, 3])
def test_evaluation_in_windows_equals_one_pass(context):
    params, text = random_params(), np.asarray(tokens(2, 13))
    _, logits = apply(params, text[:, :12])
    whole = cross_entropy(logits, text[:, 1:])
    objective, carry = TBPTTObjective(MODEL, cross_entropy), MODEL.init_carry(params, (2,))
    close(evaluate(objective, params, windows(text, 4, context=context), carry), whole)
    with pytest.raises(ValueError, match="expected streams of more than 13 steps, got 13"):
        evaluate(objective, params, windows(text, 13), carry)


def test_evaluation_weighs_batches_by_what_counts():
    params, text = random_params(), np.asarray(tokens(5, 6))
    mask = np.random.default_rng(0).random((5, 6)) < 0.5
    objective = SequenceObjective(MODEL, cross_entropy)
    whole = cross_entropy(apply(params, text)[1], text, mask)
    batches = [
        Batch(text[rows], text[rows], loss_mask=mask[rows]) for rows in (slice(0, 1), slice(1, 5))
    ]
    close(evaluate(objective, params, batches), whole)
    with pytest.raises(ValueError, match="expected at least one batch with predictions"):
        evaluate(objective, params, [Batch(text, text, loss_mask=np.zeros((5, 6), bool))])


# Scheduled sampling.


def test_scheduled_sampling_is_the_loss_of_the_mixture():
    params, text = random_params(), tokens(3, 7)
    batch = Batch(text[:, :-1], text[:, 1:])
    objective = ScheduledSampling(MODEL, cross_entropy, optax.linear_schedule(1.0, 0.0, 2))
    gradient = jax.jit(jax.value_and_grad(objective, has_aux=True))
    step = jnp.zeros((), int)
    plain = jax.jit(SequenceObjective(MODEL, cross_entropy))(params, (), batch)[0]
    (loss, step), _ = gradient(params, step, batch, KEY)  # every token is kept at first
    close(loss, plain)
    (loss, step), found = gradient(params, step, batch, KEY)
    _, key_first, key_mix = jax.random.split(KEY, 3)
    logits = MODEL.apply(params, batch.inputs, key=key_first)[1]
    mixture = mix_in_samples(key_mix, batch.inputs, logits, 0.5)
    assert np.sum(mixture != batch.inputs) > 0

    def of_mixture(params):
        return cross_entropy(apply(params, mixture)[1], batch.targets)

    close((loss, found), jax.jit(jax.value_and_grad(of_mixture))(params))
    assert int(step) == 2
    close(jax.jit(objective)(params, step, batch)[0], plain)  # without a key


def test_samples_come_from_the_prediction_before():
    logits = jax.random.normal(KEY, (2, VOCABULARY))
    many, tiled = jnp.full((20_000, 2), 1), jnp.broadcast_to(logits, (20_000, 2, VOCABULARY))
    mixed = np.asarray(mix_in_samples(KEY, many, tiled, keep=0.25))
    expected = 0.25 * np.eye(VOCABULARY)[1] + 0.75 * jax.nn.softmax(logits[0])
    np.testing.assert_array_equal(mixed[:, 0], 1)
    np.testing.assert_allclose(np.bincount(mixed[:, 1]) / 20_000, expected, atol=0.01)


def test_inverse_sigmoid_is_the_papers():
    steps, k = np.array([0, 3, 50, 300]), 20.0
    close(inverse_sigmoid(k)(steps), k / (k + np.exp(steps / k)))


# Sampling.


def test_generation_at_low_temperature_takes_the_likeliest_token():
    params, prompt = random_params(), tokens(3, 4)
    written = generate(MODEL, params, prompt, jax.random.key(0), length=6, temperature=1e-4)
    text = jnp.pad(prompt, ((0, 0), (0, 6)))
    for now in range(4, 10):
        text = text.at[:, now].set(apply(params, text)[1][:, now - 1].argmax(-1))
    np.testing.assert_array_equal(written, text[:, 4:])


def test_generation_samples_from_the_softmax():
    params, prompt = random_params(), tokens(4)
    many = jnp.broadcast_to(prompt, (20_000, 4))
    first = generate(MODEL, params, many, jax.random.key(1), length=1, temperature=2.0)
    expected = jax.nn.softmax(apply(params, prompt[None])[1][0, -1] / 2)
    np.testing.assert_allclose(np.bincount(first[:, 0], minlength=5) / 20_000, expected, atol=0.01)
    with pytest.raises(ValueError, match="at least one token"):
        generate(MODEL, params, prompt[:0], jax.random.key(0), length=1)
