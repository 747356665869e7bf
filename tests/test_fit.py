"""`fit`: rounds, evaluation, early stopping, callbacks, what it says when a loss is no number."""

import json
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from rich.console import Console

import rnnjax
from rnnjax import losses
from rnnjax.data import shuffled
from rnnjax.layers import RNN, Dense, Pool, Sequential
from rnnjax.losses import squared_error
from rnnjax.tasks import Adding
from rnnjax.training import (
    SequenceObjective,
    as_table,
    ensemble_log_probs,
    ensemble_step,
    fit,
    improved,
    plot_history,
    predict,
    rounds_without_improvement,
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
    run = fit(STEP, new(jax.random.key(0)), batches, steps=7, eval_every=3, evaluate=held_out)
    state, metrics = by_hand(new(jax.random.key(0)), 7)
    same(run.state, state)
    assert [record["step"] for record in run.history] == [3, 6, 7]
    for name in ("loss", "gradient_norm"):
        expected = [np.mean([getattr(m, name) for m in metrics[i:j]]) for i, j in ((0, 3), (3, 6))]
        np.testing.assert_allclose([r[name] for r in run.history[:2]], expected, rtol=1e-6)
    np.testing.assert_allclose(run.history[-1]["eval_loss"], held_out(state), rtol=1e-6)
    seconds = [record["seconds"] for record in run.history]
    assert sorted(seconds) == seconds and seconds[0] > 0


def test_the_best_state_is_the_one_with_the_lowest_held_out_loss():
    losses = iter([3.0, float("nan"), 1.0, 2.0])
    run = fit(
        STEP,
        new(jax.random.key(0)),
        batches,
        steps=8,
        eval_every=2,
        evaluate=lambda _: next(losses),
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
        eval_every=1,
        evaluate=lambda _: next(losses),
        patience=2,
    )
    assert [record["eval_loss"] for record in run.history] == [3.0, 2.0, 2.5, 2.0]


def test_a_collection_is_gone_through_again_and_an_iterator_only_once():
    three = [batches(position) for position in range(3)]
    state, _ = by_hand(new(jax.random.key(0)), 7, lambda position: three[position % 3])
    run = fit(STEP, new(jax.random.key(0)), three, steps=7, eval_every=5)
    same(run.state, state)
    once = fit(STEP, new(jax.random.key(0)), iter(three), steps=7, eval_every=2)
    assert [record["step"] for record in once.history] == [2, 3]


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
        eval_every=2,
        callbacks=(slower, lambda state, history: seen.append(len(history))),
    )
    state, _ = by_hand(new(jax.random.key(0)), 2)
    state = slower(state, [{"step": 2}])
    for position in (2, 3):
        state, _ = STEP(state, batches(position))
    same(run.state.params, state.params)
    assert seen == [1, 2]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"eval_every": 0}, "expected eval_every to be a positive integer, got 0"),
        ({"steps": float("nan")}, "expected steps to be an integer of at least 0, got nan"),
        ({"steps": 2.5}, "expected steps to be an integer of at least 0, got 2.5"),
        ({"steps": None}, "expected steps, epochs, stop or patience to end training, got none"),
        ({"epochs": 2}, "expected steps or epochs, got both: 3 and 2"),
        ({"steps": None, "epochs": 2}, "expected data that knows its epoch.*got <function"),
        ({"patience": 2}, "expected evaluate for a patience of 2, got None"),
        ({"patience": 1.5, "evaluate": lambda _: 1.0}, "expected patience to be a positive"),
        ({"keep": 0}, "expected keep to be a positive integer, got 0"),
        ({"checkpoint_dir": ""}, "expected the path of a folder for checkpoints, got ''"),
        ({"stop": -1.0}, "expected stop to be above 0, got -1.0"),
        ({"schedule": 0.1}, "expected schedule to be a function.*got 0.1"),
        ({"schedule": abs, "steps": None, "stop": lambda _: True}, "expected steps, epochs or"),
        ({"quiet": "no"}, "expected quiet to be True or False, got 'no'"),
        ({"evaluate": lambda _: None}, "expected evaluate to give a number.*got None"),
        ({"evaluate": lambda _: (1.0, np.ones(3))}, "expected evaluate to give a number"),
        ({"evaluate": lambda _: {"accuracy": 1.0}}, "expected evaluate to give a 'loss', got"),
        ({"evaluate": lambda _: 1.0, "metrics": {}}, "expected held-out data for metrics, got"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit(STEP, new(jax.random.key(0)), batches, **({"steps": 3} | options))


@pytest.mark.parametrize("data", [[], iter([])])
def test_no_batch_is_no_training(data):
    with pytest.raises(ValueError, match="expected at least one batch, got none"):
        fit(STEP, new(jax.random.key(0)), data, steps=3)


@pytest.mark.parametrize("data", [3, "text", {"inputs": 1}, np.ones((3, 4))])
def test_data_of_no_form_is_refused(data):
    with pytest.raises(ValueError, match="expected batches: a Batch, a pair of arrays"):
        fit(STEP, new(jax.random.key(0)), data, steps=3)


def test_a_pair_of_arrays_is_data():
    batch = batches(0)
    expected = fit(STEP, new(jax.random.key(0)), [batch], steps=3).state
    for data in (batch, (batch.inputs, batch.targets), [(batch.inputs, batch.targets)]):
        same(fit(STEP, new(jax.random.key(0)), data, steps=3).state, expected)


class Tensor:
    """An array of another library."""

    def __init__(self, array):
        self.array, self.ndim = np.asarray(array), np.ndim(array)

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_tensors_of_another_library_are_data():
    batch = batches(0)
    expected = fit(STEP, new(jax.random.key(0)), batch, steps=3, evaluate=batch)
    pair = Tensor(batch.inputs), Tensor(batch.targets)
    for data in (pair, [[*pair]], lambda step: pair):
        run = fit(STEP, new(jax.random.key(0)), data, steps=3, evaluate=[pair])
        same(run.state, expected.state)
        assert run.history[-1]["eval_loss"] == expected.history[-1]["eval_loss"]
    found = [next(predict(MODEL, run.state.params, x)) for x in (batch.inputs, pair[0], [pair])]
    chex.assert_trees_all_equal(*found)


def test_epochs_are_those_of_the_data():
    data = shuffled(batches(0), 3, seed=1)  # eight examples, two batches an epoch
    run = fit(STEP, new(jax.random.key(0)), data, epochs=3)
    assert [record["step"] for record in run.history] == [2, 4, 6]
    same(run.state, by_hand(new(jax.random.key(0)), 6, data)[0])
    assert len(fit(STEP, new(jax.random.key(0)), [batches(0)] * 4, epochs=2).history) == 2


def test_held_out_data_is_evaluated_with_several_metrics():
    error = losses.Masked(lambda predictions, targets: abs(predictions - targets))
    run = fit(
        STEP,
        new(jax.random.key(0)),
        batches,
        steps=4,
        eval_every=2,
        evaluate=HELD_OUT,
        metrics={"error": error},
    )
    final = run.history[-1]
    np.testing.assert_allclose(final["eval_loss"], held_out(run.state), rtol=1e-6)
    predictions = MODEL.apply(run.state.params, HELD_OUT.inputs)[1]
    expected = np.abs(predictions - HELD_OUT.targets).mean()
    np.testing.assert_allclose(final["eval_error"], expected, rtol=1e-6)
    with pytest.raises(ValueError, match="expected a function of the state that evaluates"):
        fit(lambda s, b: STEP(s, b), new(jax.random.key(0)), batches, steps=1, evaluate=HELD_OUT)


def test_it_stops_when_a_function_of_the_history_says_so():
    run = fit(
        STEP, new(jax.random.key(0)), batches, eval_every=2, stop=lambda history: len(history) == 3
    )
    assert run.history[-1]["step"] == 6


def test_it_writes_json_lines(tmp_path):
    folder = tmp_path / "run"
    run = fit(
        STEP,
        new(jax.random.key(0)),
        batches,
        steps=4,
        eval_every=2,
        checkpoint_dir=folder,
        keep=1,
    )
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == run.history
    names = sorted(p.name for p in folder.iterdir())
    assert names == [".lock", "4", "metrics.jsonl"]


# What it shows.


def test_off_a_terminal_it_prints_a_line_a_round_or_nothing(capsys):
    fit(STEP, new(jax.random.key(0)), batches, steps=4, eval_every=2)
    first, *rounds = capsys.readouterr().out.splitlines()
    assert first == "compiling the training step"
    assert [line.split("   ")[0] for line in rounds] == ["step 2", "step 4"]
    assert all("loss " in line and "seconds " in line for line in rounds)
    fit(STEP, new(jax.random.key(0)), batches, steps=4, eval_every=2, quiet=True)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_it_shows_each_round(monkeypatch, capsys):
    def terminal(**options):
        return Console(**options, force_terminal=True, width=120)

    monkeypatch.setattr("rnnjax.training._display.Console", terminal)
    fit(STEP, new(jax.random.key(0)), batches, steps=4, eval_every=2)
    shown = capsys.readouterr().out
    assert "step 2   loss" in shown and "step 4   loss" in shown and "4/4" in shown


def test_in_a_notebook_it_prints_plain_lines(monkeypatch, capsys):
    def kernel(**options):
        kernels: Any = {"force_jupyter": True, "force_terminal": True}
        return Console(**kernels | options)

    monkeypatch.setattr("rnnjax.training._display.Console", kernel)
    fit(STEP, new(jax.random.key(0)), batches, steps=4, eval_every=2)
    first, *rounds = capsys.readouterr().out.splitlines()
    assert first == "compiling the training step" and "\x1b" not in "".join(rounds)
    assert [line.split("   ")[0] for line in rounds] == ["step 2", "step 4"]


def test_a_result_is_shown_without_its_arrays():
    run = fit(STEP, new(jax.random.key(0)), batches, steps=4, evaluate=held_out)
    count = sum(np.size(a) for a in jax.tree.leaves(run.state.params))
    last = run.history[-1]
    expected = f"steps=4, loss={last['loss']}, eval_loss={last['eval_loss']}, parameters={count}"
    assert repr(run) == f"Fit({expected})"
    assert repr(run.state) == f"TrainState(step=4, parameters={count})"


def test_the_history_as_a_table():
    history = [{"step": 5, "eval_loss": [1.0, 2.0]}, {"step": 10}]
    table = str(as_table(history))
    cells = [line.replace("│", " ").split() for line in table.splitlines()]
    assert ["5", "1", "…", "2"] in cells and ["10", "—"] in cells
    assert repr(as_table(history)) == table


def test_the_history_as_a_figure():
    history = [{"step": s, "loss": 1 / s, "eval_loss": [2 / s, 3 / s]} for s in (1, 2, 4)]
    ax = plot_history(history)
    drawn = [line.get_ydata().tolist() for line in ax.get_lines()]
    np.testing.assert_allclose(drawn, [[1, 0.5, 0.25], [2, 1, 0.5], [3, 1.5, 0.75]])
    assert ax.get_xlabel() == "training step" and ax.get_ylabel() == "loss"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["training, lowest 0.25", "held out, lowest 0.5"]
    with pytest.raises(ValueError, match="at least one round, got an empty one"):
        plot_history([])


def test_improvement_by_brute_force():
    random = np.random.default_rng(0)
    for _ in range(50):
        losses = random.integers(0, 6, 6).astype(float)
        losses[random.random(6) < 0.2] = np.nan
        history = [{"eval_loss": loss} for loss in losses]
        lowest = [i for i, x in enumerate(losses) if all(x < y or y != y for y in losses[:i])]
        lowest = [i for i in lowest if losses[i] == losses[i]]
        assert bool(improved(history)) == (5 in lowest)
        assert rounds_without_improvement(history) == (5 - lowest[-1] if lowest else 6)


# Ensembles.


def test_an_ensemble_is_its_members_trained_apart():
    keys, rates = jax.random.split(jax.random.key(0), 3), jnp.array([0.1, 0.01, 0.0])
    states = optax.tree.set(jax.vmap(new)(keys), learning_rate=rates)
    every_held_out = jax.jit(jax.vmap(held_out))
    run = fit(ENSEMBLE_STEP, states, batches, steps=6, eval_every=3, evaluate=every_held_out)
    assert np.shape(run.history[-1]["loss"]) == (3,)
    for member, (key, rate) in enumerate(zip(keys, rates, strict=True)):
        alone = optax.tree.set(new(key), learning_rate=rate)
        alone = fit(STEP, alone, batches, steps=6, eval_every=3, evaluate=held_out)
        of_member = jax.tree.map(lambda a, member=member: a[member], (run.state, run.best))
        for found, expected in zip(of_member, (alone.state, alone.best), strict=True):
            chex.assert_trees_all_close(found.params, expected.params, rtol=1e-5, atol=1e-6)
        for name in ("loss", "gradient_norm", "eval_loss"):
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
    run = fit(ENSEMBLE_STEP, spoiled, batches, steps=4, eval_every=2, evaluate=jax.vmap(held_out))
    assert np.isfinite(run.history[-1]["loss"]).tolist() == [True, False]
    both = states._replace(params=jax.tree.map(lambda a: a * jnp.nan, states.params))
    with pytest.raises(FloatingPointError, match=r"the loss of step 1 is \[nan, nan\]"):
        fit(ENSEMBLE_STEP, both, batches, steps=4)


def test_the_ensemble_predicts_the_mean_probability():
    logits = np.random.default_rng(0).normal(size=(3, 4, 5)) * 3
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    found = ensemble_log_probs(jnp.asarray(logits))
    np.testing.assert_allclose(np.exp(found), softmax.mean(0), rtol=1e-5)
