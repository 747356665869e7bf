"""The guide's data, networks and training."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _choosing import data, networks, training
from _choosing.networks import BLOCK, CELLS, WIDTH, block, network, units
from _choosing.problem import chunks
from _choosing.training import ROUNDS, SEEDS, Run, best_rate, budgeted, ensemble, scores

import rnnjax
from rnnjax.data import Batch
from rnnjax.tasks._forecast._series import Clock, Table
from rnnjax.tasks._tagging._chunks import Sentence, Sentences

RATES = len(training.RATES)


# Networks


@pytest.mark.parametrize("cell", CELLS)
def test_a_block_has_the_same_number_of_parameters_with_every_cell(cell):
    layer = block(cell, units(cell))
    shapes = jax.eval_shape(lambda key: layer.init(key, WIDTH), jax.random.key(0))
    found = sum(a.size for a in jax.tree.leaves(shapes))
    assert abs(found / BLOCK - 1) < 0.04


def test_every_cell_that_takes_vectors_is_compared():
    rooms = ("simple", "gated", "linear")
    found = {
        name
        for name, value in vars(rnnjax.cells).items()
        if isinstance(value, type) and issubclass(value, rnnjax.Cell) and value.__doc__
        if value.__module__.split(".")[2] in rooms and not value.__doc__.startswith("Base ")
        if not name.startswith("Conv")
    }
    assert {*CELLS} == found | {"EchoState"}
    assert {*networks.GATED} < {*CELLS}


# Data


def drawn(problem, rows=7):
    batch = jax.jit(problem.draw, static_argnums=2)(problem.train, jax.random.key(3), rows)
    assert len(batch.inputs) == rows
    assert problem.valid.loss_mask is not None and problem.test.loss_mask is not None
    return jax.tree.map(np.asarray, batch)


def test_characters_are_followed_by_the_next(monkeypatch):
    monkeypatch.setattr(data, "read", lambda _: "abcde" * 1000)
    monkeypatch.setattr(data, "WINDOW", 12)
    problem = data.characters()
    batch = drawn(problem)
    assert batch.inputs.shape == (7, 12) and problem.vocabulary == problem.outputs == 5
    for part in (batch, problem.valid, problem.test):
        np.testing.assert_array_equal(part.targets, (part.inputs + 1) % 5)
    assert problem.baselines()["5-gram counts"] < 0.1
    np.testing.assert_allclose(problem.scale * np.log(2), 1)


def test_chorales_have_the_next_frame_and_a_mask(monkeypatch):
    monkeypatch.setattr(data, "FRAMES", 5)
    # Key k sounds at frame k alone, so that a frame is known by its key.
    rolls = [np.eye(length, 88, dtype=np.float32) for length in (3, 9, 12)]
    monkeypatch.setattr(data, "pieces", lambda: (rolls, rolls[:2], rolls[1:], 1.0))
    problem = data.chorales()
    batch = drawn(problem, 40)
    for part in (batch, problem.valid, problem.test):
        inputs, targets, mask = map(np.asarray, (part.inputs, part.targets, part.loss_mask))
        assert mask.any(1).all() and not mask.all()
        np.testing.assert_array_equal(targets.argmax(-1)[mask], inputs.argmax(-1)[mask] + 1)
        assert (targets[mask].sum(-1) == 1).all()
    assert np.asarray(problem.test.loss_mask).sum() == 8 + 11
    # Every excerpt of every piece occurs, and none beyond its end.
    assert {*batch.targets.argmax(-1)[batch.loss_mask]} == {*range(1, 12)}


def test_series_are_differences_from_the_last_known_hour(monkeypatch):
    monkeypatch.setattr(data, "CONTEXT", 6)
    monkeypatch.setattr(data, "HORIZON", 3)
    slopes = np.array([1.0, -2.0])
    values = np.arange(300.0)[:, None] * slopes
    table = Table(values.astype(np.float32), ("a", "b"), Clock(), (200, 250, 300))
    monkeypatch.setattr(data, "etth1", lambda: table)
    problem = data.forecasting()
    unit = slopes / values[:200].std(0)
    for part in (drawn(problem), problem.valid, problem.test):
        past, future = np.arange(-5, 1), np.arange(1, 4)
        np.testing.assert_allclose(part.inputs, past[:, None] * unit + 0 * part.inputs, atol=1e-4)
        wanted = (future[:, None] * unit).reshape(1, -1)
        np.testing.assert_allclose(part.targets, wanted + 0 * part.targets, atol=1e-4)
    assert len(problem.test.targets) == 50 - 3 + 1
    found = problem.baselines()
    assert found["a linear map"] < 1e-6 < found["the last value"]


def test_tags_are_of_their_words(monkeypatch):
    monkeypatch.setattr(data, "WORDS", 3)
    kinds = {"12": "B-NUM", "a": "B-LOW", "The": "B-UP", "new": "B-NEW"}

    def sentence(*words):
        return Sentence(words, tuple(kinds[word] for word in words))

    train = [sentence("12", "a", "The", "a"), sentence("12", "The", "a")] * 2
    held_out = [sentence("a", "new"), sentence("The")]
    monkeypatch.setattr(data, "conll2000", lambda: Sentences(train, held_out, held_out))
    problem = data.tagging()
    batch = drawn(problem)
    assert batch.inputs.shape == (7, 3) and problem.vocabulary == 4 and problem.outputs == 4
    pairs = {*zip(batch.inputs.flat, batch.targets.flat, strict=True)}
    assert len(pairs) == 3  # a word has one tag
    np.testing.assert_array_equal(problem.test.loss_mask, [[True, True], [True, False]])
    assert problem.test.targets[0, 1] == 3  # a tag that is not known cannot be right
    assert problem.baselines()["the most frequent tag of each word"] == pytest.approx(200 / 3)


def test_digits_are_read_a_pixel_at_a_time():
    problem = data.digits()
    batch = drawn(problem)
    assert batch.inputs.shape == (7, 64, 1) and 0.5 < batch.inputs.max() <= 1
    sizes = [len(part.targets) for part in (problem.train, problem.valid, problem.test)]
    assert sizes == [1200, 237, 360]
    assert 70 < problem.baselines()["the nearest mean picture"] < 95


def test_what_fills_the_last_chunk_does_not_count():
    targets = np.arange(5.0)[:, None]
    parts = chunks(Batch(targets, targets, loss_mask=np.ones(5, bool)), 3)
    assert [part.inputs.shape for part in parts] == [(3, 1), (3, 1)]
    masks = [np.asarray(part.loss_mask) for part in parts]
    assert [mask.tolist() for mask in masks] == [[True] * 3, [True, True, False]]
    kept = np.concatenate([part.targets[m] for part, m in zip(parts, masks, strict=True)])
    np.testing.assert_array_equal(kept, targets)


# Training


def test_the_rate_has_the_fewest_failures_and_then_the_best_mean():
    assert best_rate(np.array([[1.0, 3.0], [1.0, 2.0], [9.0, 9.0]])) == 1
    assert best_rate(np.array([[1.0, np.inf], [5.0, 6.0], [4.0, 9.0]])) == 1
    assert best_rate(np.full((3, 2), np.inf)) == 0


class Fake(NamedTuple):
    params: Any
    updates: Any


def test_the_best_state_of_each_member_is_kept_and_a_divergence_is_a_failure():
    errors = np.array(  # of each round, by member
        [[5.0, 3.0, 5.0], [4.0, 4.0, np.nan], *[[3.0, 5.0, 2.0]] * (ROUNDS - 3), [2, 9, np.nan]]
    )
    # A start, a second one that is timed, and then the rounds.
    shown = iter([errors[0], errors[0], *errors])
    calls = []

    def step(states, train):
        calls.append(states)
        return Fake(states.params + 1, states.updates), None

    run = budgeted(step, Fake(jnp.zeros((3, 2)), jnp.ones(3)), None, lambda _: next(shown), 1e-9)
    assert isinstance(run, Run) and run.updates == ROUNDS
    np.testing.assert_array_equal(run.params[:, 0], [ROUNDS, 1, 3])
    np.testing.assert_array_equal(run.valid, [2, 3, np.inf])
    assert len(calls) == 1 + training.TIMED + ROUNDS
    assert float(calls[-1].updates[0]) == ROUNDS


def test_an_ensemble_is_compiled_once_and_its_members_differ_by_seed_and_rate():
    problem = data.adding(4)
    model = network("Elman", problem)
    step, states = ensemble(model, problem)
    first = [np.asarray(a).reshape(RATES, SEEDS, -1) for a in jax.tree.leaves(states.params)]
    for leaf in first:
        np.testing.assert_array_equal(leaf, np.broadcast_to(leaf[:1], leaf.shape))
    assert all((leaf[0, 0] != leaf[0, 1]).any() for leaf in first if leaf.any())
    parts = chunks(problem.valid, 128)
    score = scores(model, problem, 1)
    run = budgeted(step, states, (), lambda params: score(params, parts), 1e-9)
    assert step.run._cache_size() == 1
    assert run.valid.shape == (RATES * SEEDS,) and np.isfinite(run.valid).all()
    last = np.asarray(jax.tree.leaves(run.params)[0]).reshape(RATES, SEEDS, -1)
    assert (last[0] != last[1]).any() and (last[0, 0] != last[0, 1]).any()
    _, outputs = model.apply(jax.tree.map(lambda a: a[3], run.params), problem.valid.inputs)
    wanted = np.mean((np.asarray(outputs) - np.asarray(problem.valid.targets)) ** 2)
    np.testing.assert_allclose(score(run.params, parts)[3], wanted, rtol=1e-5)


def test_the_rows_are_of_the_seeds_at_the_best_rate(monkeypatch):
    members = np.arange(RATES * SEEDS, dtype=float).reshape(RATES, SEEDS)[::-1].ravel()
    members[-1] = np.inf  # of the rate that would be best
    run = Run([jnp.zeros((RATES * SEEDS, 7))], members, 30, 5.0, 2.0)
    monkeypatch.setattr(training, "network", lambda *_: None)
    monkeypatch.setattr(training, "scores", lambda *_: lambda params, parts: -members - 0.5)
    monkeypatch.setattr(training, "ensemble", lambda *_: (None, None))
    monkeypatch.setattr(training, "budgeted", lambda *_: run)
    rows = training.train("GRU", "digits", 1.0)
    assert [row["seed"] for row in rows] == list(range(SEEDS))
    assert {row["rate"] for row in rows} == {training.RATES[1]}
    np.testing.assert_allclose([row["value"] for row in rows], members[SEEDS : 2 * SEEDS] + 0.5)
    assert rows[0] | {"updates": 30, "ms": 5.0, "parameters": 7} == rows[0]
    members[SEEDS : 2 * SEEDS] = members[:SEEDS] = np.inf
    assert training.train("GRU", "digits", 1.0)[-1].get("failed") == "diverged"
