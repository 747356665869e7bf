"""`fit`: rounds, evaluation, early stopping, callbacks, what it says when a loss is no number."""

import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from rich.console import Console

import rnnjax
from rnnjax.layers import RNN, Dense, Pool, Sequential
from rnnjax.tasks import Adding
from rnnjax.training import (
    Batch,
    SequenceObjective,
    as_table,
    bucketed,
    ensemble_log_probs,
    ensemble_step,
    fit,
    improved,
    padded,
    recipe,
    rounds_without_improvement,
    shuffled,
    squared_error,
    train_state,
    train_step,
)

MODEL = Sequential((RNN(rnnjax.GRU(4)), Pool("last"), Dense(1)))
OPTIMIZER = optax.inject_hyperparams(optax.adam)(1e-2)
OBJECTIVE = SequenceObjective(MODEL, squared_error)
STEP = train_step(OBJECTIVE, OPTIMIZER)
ENSEMBLE_STEP = ensemble_step(STEP)


def batches(step):
    return Adding(6).sample(jax.random.fold_in(jax.random.key(1), step), 8)


HELD_OUT = batches(10**6)


def new(key):
    return train_state(MODEL.init(key, 2), OPTIMIZER, key)


def held_out(state):
    return OBJECTIVE(state.params, (), HELD_OUT)[0]


def same(a, b):
    """Equal to the last bit; keys too."""

    def equal(x, y):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        np.testing.assert_array_equal(x, y)

    jax.tree.map(equal, a, b)


def by_hand(state, steps, feed=batches):
    metrics = []
    for position in range(steps):
        state, now = STEP(state, feed(position))
        metrics.append(now)
    return state, metrics


# Rounds.


def test_fit_is_the_loop_that_one_would_write():
    run = fit(STEP, new(jax.random.key(0)), batches, steps=7, every=3, evaluate=held_out)
    state, metrics = by_hand(new(jax.random.key(0)), 7)
    same(run.state, state)
    assert [record["step"] for record in run.history] == [3, 6, 7]
    for name in ("loss", "gradient_norm"):
        expected = [np.mean([getattr(m, name) for m in metrics[i:j]]) for i, j in ((0, 3), (3, 6))]
        np.testing.assert_allclose([r[name] for r in run.history[:2]], expected, rtol=1e-6)
    np.testing.assert_allclose(run.history[-1]["held_out"], held_out(state), rtol=1e-6)
    seconds = [record["seconds"] for record in run.history]
    assert sorted(seconds) == seconds and seconds[0] > 0


def test_the_best_state_is_the_one_with_the_lowest_held_out_loss():
    losses = iter([3.0, float("nan"), 1.0, 2.0])
    run = fit(
        STEP, new(jax.random.key(0)), batches, steps=8, every=2, evaluate=lambda _: next(losses)
    )
    same(run.best, by_hand(new(jax.random.key(0)), 6)[0])
    same(run.state, by_hand(new(jax.random.key(0)), 8)[0])


def test_it_stops_when_the_held_out_loss_no_longer_falls():
    losses = iter([3.0, 2.0, 2.5, 2.0, 1.0])
    run = fit(
        STEP,
        new(jax.random.key(0)),
        batches,
        steps=100,
        every=1,
        evaluate=lambda _: next(losses),
        patience=2,
    )
    assert [record["held_out"] for record in run.history] == [3.0, 2.0, 2.5, 2.0]


def test_a_collection_is_gone_through_again_and_an_iterator_only_once():
    three = [batches(position) for position in range(3)]
    state, _ = by_hand(new(jax.random.key(0)), 7, lambda position: three[position % 3])
    run = fit(STEP, new(jax.random.key(0)), three, steps=7, every=5)
    same(run.state, state)
    once = fit(STEP, new(jax.random.key(0)), iter(three), steps=7, every=2)
    assert [record["step"] for record in once.history] == [2, 3]
    assert fit(STEP, new(jax.random.key(0)), [], steps=7).history == []


def test_callbacks_see_the_history_and_may_change_the_state():
    def slower(state, history):
        rate = 1e-2 / (1 + history[-1]["step"])
        return state._replace(opt_state=optax.tree.set(state.opt_state, learning_rate=rate))

    seen = []
    run = fit(
        STEP,
        new(jax.random.key(0)),
        batches,
        steps=4,
        every=2,
        after=(slower, lambda state, history: seen.append(len(history))),
    )
    state, _ = by_hand(new(jax.random.key(0)), 2)
    state = slower(state, [{"step": 2}])
    for position in (2, 3):
        state, _ = STEP(state, batches(position))
    same(run.state.params, state.params)
    assert seen == [1, 2]


def test_arguments_that_do_not_fit_are_refused():
    state = new(jax.random.key(0))
    with pytest.raises(ValueError, match="expected steps to be at least 0.*got 3 and 0"):
        fit(STEP, state, batches, steps=3, every=0)
    with pytest.raises(ValueError, match="expected patience to be at least 1, with a function"):
        fit(STEP, state, batches, steps=3, patience=2)


def test_it_writes_json_lines_and_prints_nothing_off_a_terminal(tmp_path, capfd):
    run = fit(
        STEP, new(jax.random.key(0)), batches, steps=4, every=2, folder=tmp_path / "run", keep=1
    )
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == run.history
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["4", "metrics.jsonl"]
    assert capfd.readouterr() == ("", "")


def test_on_a_terminal_it_shows_each_round(monkeypatch, capsys):
    def terminal(**options):
        return Console(**options, force_terminal=True, width=120)

    monkeypatch.setattr("rnnjax.training._display.Console", terminal)
    fit(STEP, new(jax.random.key(0)), batches, steps=4, every=2)
    shown = capsys.readouterr().out
    assert "step 2   loss" in shown and "step 4   loss" in shown and "4/4" in shown


def test_the_history_as_a_table():
    console = Console(width=60)
    history = [{"step": 5, "held_out": [1.0, 2.0]}, {"step": 10}]
    with console.capture() as capture:
        console.print(as_table(history))
    cells = [line.replace("│", " ").split() for line in capture.get().splitlines()]
    assert ["5", "1", "…", "2"] in cells and ["10", "—"] in cells


def test_improvement_by_brute_force():
    random = np.random.default_rng(0)
    for _ in range(50):
        losses = random.integers(0, 6, 6).astype(float)
        losses[random.random(6) < 0.2] = np.nan
        history = [{"held_out": loss} for loss in losses]
        lowest = [i for i, x in enumerate(losses) if all(x < y or y != y for y in losses[:i])]
        lowest = [i for i in lowest if losses[i] == losses[i]]
        assert bool(improved(history)) == (5 in lowest)
        assert rounds_without_improvement(history) == (5 - lowest[-1] if lowest else 6)


# A loss that is no number.


def diverging(position, bad_at, change):
    batch = batches(position)
    return change(batch) if position == bad_at else batch


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda b: b._replace(inputs=b.inputs.at[2, 3, 0].set(jnp.nan)),
            r"data: of the batch, inputs is not finite \(1 of 96 entries, the first \[2, 3, 0\]",
        ),
        (
            lambda b: b._replace(targets=b.targets * 1e38),
            r"Parameters, carry and data are finite: it began within this step",
        ),
    ],
)
def test_it_says_where_a_loss_stopped_being_a_number(change, message):
    with pytest.raises(FloatingPointError, match=f"(?s)the loss of step 5 is (nan|inf).*{message}"):
        fit(STEP, new(jax.random.key(0)), lambda p: diverging(p, 4, change), steps=9, every=3)


def test_it_says_which_parameter_stopped_being_a_number():
    def spoil(state, history):
        head = state.params[2]._replace(b=jnp.full(1, jnp.inf))
        return state._replace(params=(*state.params[:2], head))

    with pytest.raises(FloatingPointError, match=r"(?s)of step 3 .*of the parameters, 2\.b is not"):
        fit(STEP, new(jax.random.key(0)), batches, steps=9, every=2, after=(spoil,))


def test_it_says_when_only_the_gradient_overflows():
    def loss(predictions, targets):
        return jnp.sqrt(jnp.sum((predictions - predictions) ** 2))  # its slope at 0 is infinite

    step = train_step(SequenceObjective(MODEL, loss), OPTIMIZER)
    with pytest.raises(FloatingPointError, match=r"(?s)of step 1 is 0.0 .*overflowed on its way"):
        fit(step, new(jax.random.key(0)), batches, steps=2)


def test_it_goes_on_where_the_optimizer_skips_such_steps():
    def nan(batch):
        return batch._replace(inputs=batch.inputs * jnp.nan)

    optimizer = recipe(optax.sgd(0.1), skip=2)
    step = train_step(OBJECTIVE, optimizer)
    state = train_state(MODEL.init(jax.random.key(0), 2), optimizer, jax.random.key(0))
    run = fit(step, state, lambda p: diverging(p, 1, nan), steps=3, every=3)
    one, _ = step(state, batches(0))
    expected, _ = step(one, batches(2))
    chex.assert_trees_all_close(run.state.params, expected.params, rtol=1e-6)
    assert np.isfinite(run.history[0]["loss"])
    with pytest.raises(FloatingPointError, match="the loss of step 4 is nan"):
        fit(step, state, lambda p: batches(p) if p == 0 else nan(batches(p)), steps=9, every=3)


# Ensembles.


def test_an_ensemble_is_its_members_trained_apart():
    keys, rates = jax.random.split(jax.random.key(0), 3), jnp.array([0.1, 0.01, 0.0])
    states = optax.tree.set(jax.vmap(new)(keys), learning_rate=rates)
    every_held_out = jax.jit(jax.vmap(held_out))
    run = fit(ENSEMBLE_STEP, states, batches, steps=6, every=3, evaluate=every_held_out)
    assert np.shape(run.history[-1]["loss"]) == (3,)
    for member, (key, rate) in enumerate(zip(keys, rates, strict=True)):
        alone = optax.tree.set(new(key), learning_rate=rate)
        alone = fit(STEP, alone, batches, steps=6, every=3, evaluate=held_out)
        of_member = jax.tree.map(lambda a, member=member: a[member], (run.state, run.best))
        for found, expected in zip(of_member, (alone.state, alone.best), strict=True):
            chex.assert_trees_all_close(found.params, expected.params, rtol=1e-5, atol=1e-6)
        for name in ("loss", "gradient_norm", "held_out"):
            np.testing.assert_allclose(run.history[-1][name][member], alone.history[-1][name], 1e-4)


def test_members_may_have_data_of_their_own():
    states = jax.vmap(new)(jax.random.split(jax.random.key(0), 2))
    own = jax.tree.map(lambda *a: jnp.stack(a), batches(0), batches(1))
    states, metrics = ensemble_step(STEP, own_data=True)(states, own)
    for member in range(2):
        _, alone = STEP(new(jax.random.split(jax.random.key(0), 2)[member]), batches(member))
        np.testing.assert_allclose(metrics.loss[member], alone.loss, rtol=1e-5)


def test_an_ensemble_goes_on_while_a_member_is_finite():
    states = jax.vmap(new)(jax.random.split(jax.random.key(0), 2))
    spoiled = states._replace(params=jax.tree.map(lambda a: a.at[1].set(jnp.nan), states.params))
    run = fit(ENSEMBLE_STEP, spoiled, batches, steps=4, every=2, evaluate=jax.vmap(held_out))
    assert np.isfinite(run.history[-1]["loss"]).tolist() == [True, False]
    both = states._replace(params=jax.tree.map(lambda a: a * jnp.nan, states.params))
    with pytest.raises(FloatingPointError, match=r"the loss of step 1 is \[nan, nan\]"):
        fit(ENSEMBLE_STEP, both, batches, steps=4)


def test_the_ensemble_predicts_the_mean_probability():
    logits = np.random.default_rng(0).normal(size=(3, 4, 5)) * 3
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    found = ensemble_log_probs(jnp.asarray(logits))
    np.testing.assert_allclose(np.exp(found), softmax.mean(0), rtol=1e-5)


# Batches.


def test_shuffled_batches_are_every_example_once_an_epoch():
    data = Batch(np.arange(11) * 1.0, np.arange(11))
    feed = shuffled(data, 3, seed=5)
    epochs = [np.concatenate([feed(3 * e + i).targets for i in range(3)]) for e in range(3)]
    for epoch in epochs:
        assert len(set(epoch.tolist())) == 9
    assert not np.array_equal(epochs[0], epochs[1])
    np.testing.assert_array_equal(feed(1).inputs, epochs[0][3:6])  # a function of the position
    with pytest.raises(ValueError, match="expected at least 12 examples for a batch, got 11"):
        shuffled(data, 12)


def test_buckets_hold_every_sequence_once_an_epoch_in_few_shapes():
    random = np.random.default_rng(0)
    inputs = [random.normal(size=(n, 2)) + 3 for n in random.integers(1, 10, 13)]
    for targets in ([x.sum(1) for x in inputs], [x.sum() for x in inputs]):
        feed = bucketed(inputs, targets, edges=(3, 6, 9), rows=4, seed=1)
        count = sum(-(-sum(lo < len(x) <= lo + 3 for x in inputs) // 4) for lo in (0, 3, 6))
        for epoch in range(2):
            found = [feed(epoch * count + i) for i in range(count)]
            assert {b.inputs.shape for b in found} <= {(4, 3, 2), (4, 6, 2), (4, 9, 2)}
            rows = [(x[:n], y, m) for b in found for x, n, y, m in _rows(b)]
            assert sorted(len(x) for x, *_ in rows) == sorted(map(len, inputs))
            for x, y, m in rows:
                assert m.all() if m.ndim == 0 else m.sum() == len(x)
                np.testing.assert_allclose(
                    y if m.ndim == 0 else y[m], x.sum(1) if m.ndim else x.sum()
                )
    with pytest.raises(ValueError, match="expected an edge of at least 9 steps, got 8"):
        bucketed(inputs, inputs, edges=(8,), rows=2)


def _rows(batch):
    rows = zip(batch.inputs, batch.lengths, batch.targets, batch.mask, strict=True)
    empty = [not np.any(mask) for *_, mask in zip(batch.mask, strict=True)]
    assert [n == 0 for n in batch.lengths] == empty
    return [row for row in rows if row[1]]


def test_padding_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="expected sequences of at most 2 steps, got one of 3"):
        padded([np.ones(3)], [1.0], steps=2)
