"""`fit` within a budget of steps or of time, and the learning rate by its used share."""

from types import SimpleNamespace
from typing import Any

import chex
import jax
import numpy as np
import optax
import pytest
from test_fit import ENSEMBLE_STEP, MODEL, OBJECTIVE, STEP, batches, new, same

from rnnjax.training import fit, train_state, train_step

COSINE = optax.cosine_decay_schedule(0.1, 1)


@pytest.fixture
def seconds(monkeypatch):
    """A clock: every look at it takes a second."""
    clock = iter(np.arange(0, 1000, 1.0))
    for module in ("_fit", "_plan"):
        looks = SimpleNamespace(monotonic=lambda: next(clock))
        monkeypatch.setattr(f"rnnjax.training.{module}.time", looks)


def test_a_time_budget_ends_a_round_early_and_counts_what_a_run_has_used(tmp_path, seconds):
    run = fit(STEP, new(jax.random.key(0)), batches, stop=9.0, checkpoint_dir=tmp_path)
    assert 3 < run.history[-1]["step"] <= 9 and run.history[-1]["seconds"] >= 9
    again = fit(STEP, new(jax.random.key(0)), batches, stop=9.0, checkpoint_dir=tmp_path)
    assert again.history == run.history
    more = fit(STEP, new(jax.random.key(0)), batches, stop=15.0, checkpoint_dir=tmp_path)
    assert len(more.history) == 2 and more.history[-1]["seconds"] < 21


def test_a_schedule_by_the_share_of_the_steps_is_that_of_an_optimizer(tmp_path):
    own = optax.inject_hyperparams(optax.adam)(lambda count: COSINE(count / 6))
    step, key = train_step(OBJECTIVE, own), jax.random.key(0)
    expected = train_state(MODEL.init(key, 2), own, key)
    for position in range(6):
        expected, _ = step(expected, batches(position))
    run = fit(STEP, new(key), batches, steps=6, schedule=COSINE)
    chex.assert_trees_all_close(run.state.params, expected.params, rtol=1e-6, atol=1e-7)

    def ends(state, history):
        if len(history) == 2:
            raise KeyboardInterrupt

    options: Any = {"steps": 6, "eval_every": 2, "schedule": COSINE, "checkpoint_dir": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        fit(STEP, new(key), batches, callbacks=(ends,), **options)
    same(fit(STEP, new(key), batches, **options).state.params, run.state.params)


def test_a_schedule_by_time_goes_on_where_a_run_was_stopped(tmp_path, seconds):
    shares = []

    def schedule(share):
        shares.append(share)
        return 0.1

    options: Any = {"stop": 40.0, "eval_every": 3, "schedule": schedule, "checkpoint_dir": tmp_path}
    fit(STEP, new(jax.random.key(0)), batches, **options | {"steps": 6})
    first = len(shares)
    run = fit(STEP, new(jax.random.key(0)), batches, **options)
    assert first == 6 and shares[:first] == [max(n / 6, s) for n, s in enumerate(shares[:first])]
    by_time = shares[first:]
    assert 0.3 < by_time[0] < 0.7 and by_time == sorted(by_time) and 0.9 < by_time[-1] <= 1
    assert run.history[-1]["seconds"] >= 40


def test_a_schedule_gives_one_rate_or_one_for_each_member():
    keys = jax.random.split(jax.random.key(0), 2)
    shared = fit(ENSEMBLE_STEP, jax.vmap(new)(keys), batches, steps=3, schedule=COSINE)
    apart = fit(
        *(ENSEMBLE_STEP, jax.vmap(new)(keys), batches),
        steps=3,
        schedule=lambda share: COSINE(share) * np.array([1.0, 0.5]),
    )
    first, second = (jax.tree.map(lambda a: a[0], run.state.params) for run in (shared, apart))
    same(first, second)
    rates = [optax.tree.get(run.state.opt_state, "learning_rate") for run in (shared, apart)]
    np.testing.assert_allclose(rates, [[0.025, 0.025], [0.025, 0.0125]], rtol=1e-6)


@pytest.mark.parametrize(
    "optimizer", [optax.adam(1e-2), optax.inject_hyperparams(optax.adam)(lambda count: 1e-2)]
)
def test_a_schedule_needs_an_optimizer_that_keeps_its_rate(optimizer):
    step, key = train_step(OBJECTIVE, optimizer), jax.random.key(0)
    state = train_state(MODEL.init(key, 2), optimizer, key)
    with pytest.raises(ValueError, match="expected an optimiser that keeps its learning rate"):
        fit(step, state, batches, steps=3, schedule=COSINE)


def test_a_schedule_sets_every_rate_of_an_optimizer():
    adam, key = optax.inject_hyperparams(optax.adam)(0.0), jax.random.key(0)
    groups = optax.partition({"a": adam, "b": adam}, ("a", "b", "a"))
    state = train_state(MODEL.init(key, 2), groups, key)
    run = fit(train_step(OBJECTIVE, groups), state, batches, steps=3, schedule=COSINE)
    alone = train_state(MODEL.init(key, 2), adam, key)
    alone = fit(train_step(OBJECTIVE, adam), alone, batches, steps=3, schedule=COSINE)
    chex.assert_trees_all_close(run.state.params, alone.state.params, rtol=1e-6)


@pytest.mark.parametrize("rate", [None, "fast", [0.1, 0.2]])
def test_a_schedule_gives_numbers(rate):
    with pytest.raises(ValueError, match="expected schedule to give a rate.*got "):
        fit(STEP, new(jax.random.key(0)), batches, steps=3, schedule=lambda share: rate)
