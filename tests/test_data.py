"""Data sets as functions of the position: shuffled, padded and bucketed batches."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax.data import Batch, Batches, as_batch, bucketed, padded, shuffled
from rnnjax.layers import RNN, Dense, Pool, Sequential
from rnnjax.losses import ctc_loss, squared_error
from rnnjax.training import SequenceObjective, evaluate, fit, train_state, train_step

LENGTHS = (4, 1, 9, 6, 3, 8, 2, 5, 9, 7, 6, 3, 1)


def sequences(lengths=LENGTHS, features=2, seed=0):
    random = np.random.default_rng(seed)
    return [random.normal(size=(n, features)).astype("float32") + 3 for n in lengths]


def random_params(model, size, seed=0):
    params = model.init(jax.random.key(seed), size)
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda a: jnp.asarray(random.normal(size=a.shape), a.dtype), params)


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.fixture
def draws(monkeypatch):
    """The seeds of all orders that were drawn."""
    seen, draw = [], np.random.default_rng

    def counted(seed):
        seen.append(seed)
        return draw(seed)

    monkeypatch.setattr(np.random, "default_rng", counted)
    return seen


# Functions of the position


def test_a_data_set_knows_its_epoch():
    batches = Batches(lambda epoch, index: Batch(epoch, index), 3)
    assert [batches(n)[:2] for n in (0, 2, 3, 7)] == [(0, 0), (0, 2), (1, 0), (2, 1)]
    for _ in range(2):  # it is no iterator that would be used up
        assert [b.targets for b in batches] == [b.targets for b in batches.once()] == [0, 1, 2]
    wrong: tuple[Any, ...] = (-1, 0.5, "0")
    for position in wrong:
        with pytest.raises(ValueError, match="expected position to be an integer of at least 0"):
            batches(position)
    with pytest.raises(ValueError, match="expected per_epoch to be a positive integer, got 0"):
        Batches(lambda epoch, index: Batch(epoch, index), 0)


def test_a_pair_is_a_batch():
    xs, ys = np.ones((2, 3)), np.zeros(2)
    for data in ((xs, ys), [xs, ys], Batch(xs, ys)):
        assert as_batch(data) == Batch(xs, ys)
    for data, got in ((xs, "ndarray"), ([xs, ys, ys], "list of 3"), ("xy", "str"), ({}, "dict")):
        with pytest.raises(ValueError, match=f"expected a Batch or a pair .*, got {got};"):
            as_batch(data)


def test_shuffled_batches_are_every_example_once_an_epoch():
    data = Batch(np.arange(11) * 1.0, np.arange(11), lengths=np.arange(11) + 5)
    feed = shuffled(data, 3, seed=5)
    assert feed.per_epoch == 3
    epochs = [np.concatenate([feed(3 * e + i).targets for i in range(3)]) for e in range(3)]
    for epoch in epochs:
        assert len(set(epoch.tolist())) == 9
    assert not np.array_equal(epochs[0], epochs[1])
    batch = feed(1)  # a function of the position
    np.testing.assert_array_equal(batch.inputs, epochs[0][3:6])
    np.testing.assert_array_equal(batch.lengths, epochs[0][3:6] + 5)
    assert batch.mask is None
    assert not np.array_equal(epochs[0], shuffled(data, 9, seed=6)(0).targets)
    same(shuffled((data.inputs, data.targets), 3, seed=5)(4), feed(4)._replace(lengths=None))


def test_examples_may_be_trees_of_any_arrays():
    data = {"a": jnp.arange(4), "b": np.arange(8).reshape(4, 2)}, jnp.ones((4, 2), jnp.bfloat16)
    batch = shuffled(data, 4)(0)
    np.testing.assert_array_equal(batch.inputs["b"][:, 0], 2 * batch.inputs["a"])
    assert batch.targets.dtype == jnp.bfloat16


@pytest.mark.parametrize("data", ["shuffled", "bucketed"])
def test_an_order_is_drawn_once_an_epoch(data, draws):
    xs = sequences()
    feed = shuffled((np.arange(13),) * 2, 2) if data == "shuffled" else bucketed(xs, xs, 2)
    draws.clear()
    assert feed.per_epoch > 1 and draws == []  # the length of an epoch needs no plan
    for position in range(3 * feed.per_epoch):
        feed(position)
        if position >= feed.per_epoch:
            feed(0)  # an evaluation of the first epoch
    assert draws == [(0, 0), (0, 1), (0, 2)]


def test_fit_and_evaluate_take_a_data_set():
    xs, model = sequences(), Dense(1)
    data = bucketed(xs, [x[:, :1] for x in xs], 4, buckets=2)
    params, optimizer = random_params(model, 2), optax.sgd(0.1)
    objective, frames = SequenceObjective(model, squared_error), np.concatenate(xs)
    expected = np.square(frames @ params.w + params.b - frames[:, :1]).mean()
    assert evaluate(objective, params, data) == pytest.approx(expected, rel=1e-5)
    step, state = (
        train_step(objective, optimizer),
        train_state(params, optimizer, jax.random.key(0)),
    )
    run = fit(step, state, data, epochs=2, evaluate=data, quiet=True)
    assert [record["step"] for record in run.history] == [data.per_epoch, 2 * data.per_epoch]


# Padding


def test_a_target_for_every_step():
    xs = sequences((3, 1))
    batch: Any = padded(xs, [x[:, 0] for x in xs], steps=4, batch_size=3)
    assert batch.inputs.shape == (3, 4, 2) and batch.targets.shape == (3, 4)
    assert batch.lengths.tolist() == [3, 1, 0] and batch[3:] == (None,) * 4
    for row, x in enumerate(xs):
        np.testing.assert_array_equal(batch.inputs[row, : len(x)], x)
    np.testing.assert_array_equal(batch.inputs[..., 0], batch.targets)
    assert (batch.inputs.sum((1, 2)) != 0).tolist() == [True, True, False]


@pytest.mark.parametrize("lengths", [(3, 4), (5, 5)])
def test_the_meaning_of_a_target_is_not_guessed_from_lengths(lengths):
    classes = np.eye(5)[[1, 4]]
    batch: Any = padded(sequences(lengths), classes, target="sequence", steps=6)
    np.testing.assert_array_equal(batch.targets, classes)
    assert batch.loss_mask is None
    batch = padded(sequences(lengths), classes, target="sequence", batch_size=3)
    assert batch.targets.shape == (3, 5) and batch.loss_mask.tolist() == [True, True, False]


def test_labels_are_filled_up_with_what_is_no_label():
    batch: Any = padded(sequences((3, 4, 2)), [[1, 2, 3], [4], []], target="labels", batch_size=4)
    assert batch.targets.tolist() == [[1, 2, 3], [4, -1, -1], [-1, -1, -1], [-1, -1, -1]]
    assert batch.lengths.tolist() == [3, 4, 2, 0] and batch.loss_mask is None


@pytest.mark.parametrize(
    "parts, dtype",
    [
        (([1, 2], [0.5]), "float64"),
        (([0.5], [1, 2]), "float64"),
        (([], [1, 2]), "int64"),
        ((np.ones(2, "float32"), np.ones(1, "int8")), "float32"),
        ((np.ones(2, bool), [3]), "int64"),
    ],
)
def test_the_dtype_is_common_to_all_sequences(parts, dtype):
    for batch in (padded(parts, parts), bucketed(parts, parts, 1, edges=(1, 2))(0)):
        assert batch.inputs.dtype == batch.targets.dtype == dtype
    whole: Any = padded(parts, parts)
    for row, (part, n) in enumerate(zip(parts, whole.lengths, strict=True)):
        np.testing.assert_array_equal(whole.inputs[row, :n], part)
        np.testing.assert_array_equal(whole.targets[row, :n], part)


# Buckets


@pytest.mark.parametrize("target", ["step", "sequence"])
@pytest.mark.parametrize("options", [{"edges": (3, 6, 9)}, {"buckets": 3}])
def test_buckets_hold_every_sequence_once_an_epoch_in_few_shapes(target, options):
    xs = sequences()
    ys = [x.sum(1) if target == "step" else x.sum() for x in xs]
    feed: Any = bucketed(xs, ys, 4, target=target, seed=1, **options)
    epochs = [[feed(e * feed.per_epoch + i) for i in range(feed.per_epoch)] for e in range(2)]
    for batches in epochs:
        assert {b.inputs.shape for b in batches} == {(4, edge, 2) for edge in _edges(batches)}
        assert len(_edges(batches)) == 3
        rows = [row for b in batches for row in _rows(b, target)]
        assert sorted(len(x) for x, _ in rows) == sorted(LENGTHS)
        for x, y in rows:
            np.testing.assert_allclose(y, x.sum(1) if target == "step" else x.sum(), rtol=1e-6)
    assert [b.lengths.tolist() for b in epochs[0]] != [b.lengths.tolist() for b in epochs[1]]


def _edges(batches):
    return {b.inputs.shape[1] for b in batches}


def _rows(batch, target):
    """The sequences and targets of a batch, without what fills it up."""
    if target == "sequence":
        assert (batch.loss_mask == (batch.lengths > 0)).all()
    kept = [i for i, n in enumerate(batch.lengths) if n]
    targets = [
        batch.targets[i][: batch.lengths[i]] if target == "step" else batch.targets[i] for i in kept
    ]
    return [(batch.inputs[i, : batch.lengths[i]], y) for i, y in zip(kept, targets, strict=True)]


def test_edges_are_at_quantiles_of_the_lengths():
    xs = sequences((1, 1, 2, 2, 7, 8, 20, 30))
    assert _edges(bucketed(xs, xs, 1, buckets=4)) == {1, 2, 8, 30}
    assert _edges(bucketed(xs, xs, 1, buckets=1)) == {30}
    same = sequences((4, 4, 4))
    assert _edges(bucketed(same, same, 2)) == {4}


def test_a_budget_of_frames_gives_short_sequences_more_rows():
    xs = sequences((2, 2, 2, 2, 5, 5, 12))
    feed: Any = bucketed(xs, xs, edges=(2, 5, 12), frames=10)
    assert {b.inputs.shape[:2] for b in feed} == {(5, 2), (2, 5), (1, 12)}
    assert sorted(n for b in feed for n in b.lengths if n) == [2, 2, 2, 2, 5, 5, 12]


def test_label_sequences_train_by_ctc_as_without_padding():
    xs, labels = sequences((6, 4, 8)), [np.array([2, 3]), np.array([1]), np.array([1, 3, 3])]
    data: Any = bucketed(xs, labels, 2, target="labels", edges=(6, 8))
    assert [b.targets.shape for b in data] in ([(2, 2), (2, 3)], [(2, 3), (2, 2)])
    model = Dense(4)
    params, objective = random_params(model, 2), SequenceObjective(model, ctc_loss)

    def mean(params):
        losses = [
            ctc_loss(x[None] @ params.w + params.b, y[None])
            for x, y in zip(xs, labels, strict=True)
        ]
        return jnp.mean(jnp.stack(losses))

    def padded_mean(params):  # two sequences in one batch, one beside a row that fills up
        losses = [objective(params, (), batch)[0] for batch in data]
        return sum(n * loss for n, loss in zip(counts, losses, strict=True)) / 3

    counts = [int((b.lengths > 0).sum()) for b in data]
    expected, found = (jax.jit(jax.value_and_grad(f))(params) for f in (mean, padded_mean))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-5), found, expected)
    assert evaluate(objective, params, data) == pytest.approx(float(expected[0]), rel=1e-5)


def test_rows_that_fill_up_count_in_no_loss_of_sequences():
    model = Sequential((RNN(rnnjax.GRU(3)), Pool("last"), Dense(1)))
    params, xs = random_params(model, 2), sequences((3, 5, 2))
    ys = [x.sum(keepdims=True)[0] for x in xs]
    data = bucketed(xs, ys, 2, buckets=1, target="sequence")
    alone = [
        float(model.apply(params, x[None])[1][0, 0] - y[0]) ** 2
        for x, y in zip(xs, ys, strict=True)
    ]
    objective = SequenceObjective(model, squared_error)
    assert evaluate(objective, params, data) == pytest.approx(np.mean(alone), rel=1e-5)
