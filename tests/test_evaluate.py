"""`evaluate` and `predict`: exact means over batches, several metrics, data of every form."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax.data import Batch, shuffled
from rnnjax.layers import RNN, Bidirectional, Dense, Embedding, Pool, Sequential
from rnnjax.losses import accuracy, cross_entropy, ctc_loss, sequence_accuracy, squared_error
from rnnjax.training import (
    ScheduledSampling,
    SequenceObjective,
    TBPTTObjective,
    evaluate,
    inverse_sigmoid,
    mix_in_samples,
    predict,
)

KEY = jax.random.key(0)
TAGGER = Sequential((Embedding(5, 3), RNN(rnnjax.GRU(4)), Dense(5)))
RANDOM = np.random.default_rng(0)
TOKENS, TAGS = RANDOM.integers(0, 5, (2, 7, 6))
LENGTHS = np.array([6, 1, 3, 0, 5, 2, 6])


def random_params(model, input_size=None):
    params = model.init(KEY, input_size)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    return tree.unflatten(
        [jax.random.normal(k, a.shape, a.dtype) for k, a in zip(keys, leaves, strict=True)]
    )


PARAMS = random_params(TAGGER)


def parts(batch, cuts):
    """A batch cut into batches of rows."""
    edges = [0, *cuts, len(batch.inputs)]
    return [
        jax.tree.map(lambda a, a0=start, a1=stop: a[a0:a1], batch)
        for start, stop in zip(edges[:-1], edges[1:], strict=True)
    ]


@pytest.mark.parametrize("cuts", [(1,), (2, 3), (1, 2, 3, 4, 5, 6)])
@pytest.mark.parametrize(
    "loss",
    [cross_entropy, sequence_accuracy, functools.partial(cross_entropy, label_smoothing=0.1)],
)
def test_a_held_out_loss_does_not_depend_on_how_sequences_are_put_into_batches(cuts, loss):
    batch, objective = Batch(TOKENS, TAGS, LENGTHS), SequenceObjective(TAGGER, loss)
    whole = float(objective(PARAMS, (), batch)[0])
    assert evaluate(objective, PARAMS, batch) == pytest.approx(whole, rel=1e-5)
    assert evaluate(objective, PARAMS, parts(batch, cuts)) == pytest.approx(whole, rel=1e-5)


def test_label_sequences_weigh_alike_whatever_their_lengths():
    model = Dense(3)
    params = random_params(model, 2)
    frames = RANDOM.normal(size=(4, 9, 2)).astype("float32")
    labels, lengths = np.array([[1, 2], [1, -1], [2, 2], [1, 2]]), np.array([9, 4, 2, 5])
    batch, objective = Batch(frames, labels, lengths), SequenceObjective(model, ctc_loss)
    alone = [
        float(objective(params, (), Batch(frames[i : i + 1, :n], labels[i : i + 1]))[0])
        for i, n in enumerate(lengths)
    ]
    expected = np.mean([alone[0], alone[1], alone[3]])  # two equal labels do not fit in two steps
    assert evaluate(objective, params, parts(batch, (1, 2))) == pytest.approx(expected, rel=1e-5)


def test_a_mask_reaches_the_model_and_the_loss():
    """Gaps in the middle: the sequence without them gives the same loss and gradient."""
    model = Sequential((RNN(rnnjax.LSTM(3)), Dense(2)))
    params = random_params(model, 2)
    xs, ys = RANDOM.normal(size=(2, 1, 7, 2)).astype("float32")
    mask = np.array([[True, False, True, True, False, False, True]])
    spoiled = np.where(mask[..., None], xs, np.nan), np.where(mask[..., None], ys, np.nan)
    for objective in (SequenceObjective, TBPTTObjective):
        objective = objective(model, squared_error)
        carry = objective.init_carry(params, Batch(xs, ys))
        gradient = jax.value_and_grad(objective, has_aux=True)
        found = gradient(params, carry, Batch(*spoiled, mask=mask))
        expected = gradient(params, carry, Batch(xs[mask][None], ys[mask][None]))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6), found, expected)


def test_lengths_reach_every_objective():
    model = RNN(rnnjax.GRU(1))
    params = random_params(model, 1)
    batch = Batch(np.ones((2, 4, 1), "f"), np.zeros((2, 4, 1), "f"), lengths=np.array([1, 4]))
    windows = TBPTTObjective(model, squared_error)
    loss, carry = windows(params, windows.init_carry(params, batch), batch)
    expected, ys = model.apply(params, batch.inputs, lengths=batch.lengths)
    np.testing.assert_allclose(carry, expected, rtol=1e-6)
    valid = np.arange(4) < np.array([[1], [4]])
    np.testing.assert_allclose(loss, np.square(np.asarray(ys)[valid]).mean(), rtol=1e-6)
    whole = SequenceObjective(model, squared_error)(params, (), batch)[0]
    np.testing.assert_allclose(loss, whole, rtol=1e-6)


def test_a_loss_mask_is_the_losss_own():
    batch = Batch(TOKENS, TAGS, LENGTHS, loss_mask=TAGS > 1)
    _, logits = TAGGER.apply(PARAMS, TOKENS, lengths=LENGTHS)
    expected = cross_entropy(logits, TAGS, TAGS > 1)
    found = SequenceObjective(TAGGER, cross_entropy)(PARAMS, (), batch)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_several_metrics_come_from_one_pass():
    batch = Batch(TOKENS, TAGS, LENGTHS)
    found = evaluate(
        SequenceObjective(TAGGER, cross_entropy),
        PARAMS,
        parts(batch, (3,)),
        metrics={"accuracy": accuracy, "whole": sequence_accuracy},
    )
    valid = np.arange(6) < LENGTHS[:, None]
    right = np.argmax(TAGGER.apply(PARAMS, TOKENS, lengths=LENGTHS)[1], -1) == TAGS
    rows = (right | ~valid).all(1)[LENGTHS > 0]
    assert list(found) == ["loss", "accuracy", "whole"]
    assert found["accuracy"] == pytest.approx(right[valid].mean())
    assert found["whole"] == pytest.approx(rows.mean())


def test_equal_objectives_share_one_compilation():
    traces = []

    def counted(predictions, targets, mask, delta):
        traces.append(delta)
        return squared_error(predictions, targets, mask) * delta

    model = RNN(rnnjax.GRU(1))
    params, batch = (
        model.init(KEY, 2),
        Batch(np.ones((3, 5, 2), "f"), np.ones((3, 5, 1), "f"), np.array([5, 4, 1])),
    )
    for _ in range(3):
        loss = functools.partial(counted, delta=2.0)
        evaluate(SequenceObjective(model, loss), params, [batch], metrics={"again": loss})
    assert len(traces) == 2  # as the loss and as a metric


def test_data_of_every_form():
    objective = SequenceObjective(TAGGER, cross_entropy)
    whole = evaluate(objective, PARAMS, Batch(TOKENS, TAGS))
    rows = shuffled((TOKENS, TAGS), 1, seed=3)
    for data in ((TOKENS, TAGS), [(TOKENS, TAGS)], iter([Batch(TOKENS, TAGS)]), rows):
        assert evaluate(objective, PARAMS, data) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize(
    "data, message",
    [
        (lambda position: (TOKENS, TAGS), "expected data with an end, got the function"),
        ([], "expected at least one batch with predictions that count, got none"),
        ([TOKENS], "expected .*Batch.*got"),
        (3, "expected batches: a Batch, a pair of arrays.*got int"),
        ("text", "expected batches: .*got str"),
        ([Batch(TOKENS, TAGS, loss_mask=np.zeros((7, 6), bool))], "predictions that count"),
    ],
)
def test_data_of_no_form_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        evaluate(SequenceObjective(TAGGER, cross_entropy), PARAMS, data)


def test_an_ensemble_is_evaluated_by_a_vmapped_objective():
    members = jax.tree.map(lambda a: jnp.stack([a, 0.5 * a]), PARAMS)
    objective = SequenceObjective(TAGGER, cross_entropy)
    found = evaluate(jax.vmap(objective, (0, None, None, None)), members, [(TOKENS, TAGS)])
    expected = [
        evaluate(objective, jax.tree.map(lambda a, i=i: a[i], members), (TOKENS, TAGS))
        for i in (0, 1)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="expected an objective with a model for the metrics"):
        evaluate(jax.vmap(objective), PARAMS, [(TOKENS, TAGS)], metrics={"a": accuracy})


def test_predictions_are_the_outputs_of_the_model():
    batch = Batch(TOKENS, TAGS, LENGTHS)
    _, expected = TAGGER.apply(PARAMS, TOKENS, lengths=LENGTHS)
    found = np.concatenate(list(predict(TAGGER, PARAMS, parts(batch, (2, 5)))))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    (alone,) = predict(TAGGER, PARAMS, TOKENS)
    np.testing.assert_allclose(alone, TAGGER.apply(PARAMS, TOKENS)[1], rtol=1e-5, atol=1e-6)


# Objectives that cannot be what was asked.


@pytest.mark.parametrize(
    "model",
    [
        Sequential((RNN(rnnjax.GRU(2)), Pool("last"))),
        Bidirectional(rnnjax.GRU(2)),
        RNN(rnnjax.GRU(2), reverse=True),
    ],
)
def test_truncated_backpropagation_refuses_models_that_need_later_steps(model):
    with pytest.raises(ValueError, match="expected a model that needs no later step, got"):
        TBPTTObjective(model, squared_error)


@pytest.mark.parametrize("schedule", [lambda i: 2.0, lambda i: float("nan"), lambda i: 1 - i])
def test_a_schedule_of_no_probabilities_is_refused(schedule):
    with pytest.raises(ValueError, match=r"expected schedule\(\d+\) to be"):
        ScheduledSampling(TAGGER, cross_entropy, schedule)


def test_sampling_refuses_what_does_not_fit():
    tokens, logits = jnp.zeros((2, 4), int), jnp.zeros((2, 3, 5))
    with pytest.raises(ValueError, match=r"logits \[B, T, vocabulary\].*got float32\[2, 3, 5\]"):
        mix_in_samples(KEY, tokens, logits, 0.5)
    with pytest.raises(ValueError, match="expected keep to be a probability.*got 1.5"):
        mix_in_samples(KEY, tokens, jnp.zeros((2, 4, 5)), 1.5)
    with pytest.raises(ValueError, match="expected k to be above 0, got 0"):
        inverse_sigmoid(0)
    optax.linear_schedule(1.0, 0.0, 5)
    assert ScheduledSampling(TAGGER, cross_entropy, optax.linear_schedule(1.0, 0.0, 5))
