"""What a resumed run says, what it refuses, and folders that others write to."""

import subprocess
import sys
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_fit import MODEL, OBJECTIVE, OPTIMIZER, STEP, batches, new

from rnnjax.data import Batch, bucketed
from rnnjax.losses import Masked
from rnnjax.training import (
    SequenceObjective,
    fit,
    load_checkpoint,
    save_checkpoint,
    train_state,
    train_step,
)

STATE = {"w": jnp.arange(600.0)}


def start(folder, data=batches, step=STEP, steps=4, state=None):
    state = new(jax.random.key(0)) if state is None else state
    return fit(step, state, data, steps=steps, eval_every=2, checkpoint_dir=folder)


def test_a_run_says_that_it_resumes_or_has_ended(tmp_path, capsys):
    start(tmp_path)
    assert "resuming" not in capsys.readouterr().out
    start(tmp_path, steps=6)
    assert f"resuming at step 4 from {tmp_path}" in capsys.readouterr().out
    start(tmp_path, steps=6)
    assert f"already finished at step 6: nothing to do in {tmp_path}" in capsys.readouterr().out


def rebuilt():
    """The same run, as another process would build it."""
    optimizer = optax.inject_hyperparams(optax.adam)(1e-2)
    return train_step(SequenceObjective(MODEL, OBJECTIVE.loss), optimizer)


def started(optimizer):
    key = jax.random.key(0)
    return train_state(MODEL.init(key, 2), optimizer, key)


CHAINED = optax.chain(optax.clip(1.0), OPTIMIZER)


def other_seed(position):
    return batches(position + 100)


def scaled(position):
    batch = batches(position)
    return batch._replace(targets=batch.targets * 2)


@pytest.mark.parametrize("steps", [4, 8])  # ended, and not
@pytest.mark.parametrize(
    "change, message",
    [
        ({"data": other_seed}, "expected the data of the run in .*another batch"),
        ({"data": scaled}, "expected the data of the run in .*another batch"),
        (
            {"step": train_step(SequenceObjective(MODEL, Masked(optax.l2_loss)), OPTIMIZER)},
            "expected the objective of the run in .*squared_error.*, got .*l2_loss",
        ),
        (
            {"step": train_step(OBJECTIVE, CHAINED), "state": started(CHAINED)},
            "expected a checkpoint with .*is it of another model or optimizer",
        ),
        (
            {"state": new(jax.random.key(1))},
            "expected the run in .* with the state that it started from, got another: is the key",
        ),
    ],
)
def test_another_run_is_refused(tmp_path, steps, change, message):
    start(tmp_path)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        start(tmp_path, steps=steps, **change)


def test_another_constant_in_the_optimiser_is_refused(tmp_path):
    """A rate that is no state of the optimiser is part of its program alone."""
    for rate in (0.1, 0.2):
        optimizer = optax.sgd(rate)
        state, step = started(optimizer), train_step(OBJECTIVE, optimizer)
        if rate == 0.1:
            start(tmp_path, step=step, state=state)
        else:
            with pytest.raises(ValueError, match="is the optimiser, its learning rate or clip"):
                start(tmp_path, step=step, state=state, steps=8)


def test_another_rate_in_the_state_of_the_optimiser_is_refused(tmp_path):
    start(tmp_path)
    state = started(OPTIMIZER)
    state = state._replace(opt_state=optax.tree.set(state.opt_state, learning_rate=jnp.ones(())))
    with pytest.raises(ValueError, match="or a hyper-parameter in the optimiser's state"):
        start(tmp_path, state=state, steps=8)


def test_the_same_run_built_again_is_resumed(tmp_path):
    start(tmp_path)
    resumed, whole = start(tmp_path, step=rebuilt(), steps=8), start(None, steps=8)
    jax.tree.map(np.testing.assert_array_equal, resumed.state.params, whole.state.params)


def test_a_run_over_batches_of_many_shapes_is_resumed(tmp_path):
    random = np.random.default_rng(0)
    inputs = [random.normal(size=(n, 2)).astype("float32") for n in (2, 3, 5, 6, 7, 8)]
    targets = [x.sum(keepdims=True)[0] for x in inputs]
    data = bucketed(inputs, targets, 1, edges=(3, 6, 8), target="sequence")
    start(tmp_path, data, steps=4)
    resumed, whole = start(tmp_path, data, steps=8), start(None, data, steps=8)
    jax.tree.map(np.testing.assert_array_equal, resumed.state.params, whole.state.params)


def test_an_iterator_is_passed_over_and_compared(tmp_path):
    start(tmp_path, iter([batches(i) for i in range(9)]))
    resumed = start(tmp_path, iter([batches(i) for i in range(9)]), steps=6)
    assert resumed.history[-1]["step"] == 6
    with pytest.raises(ValueError, match="another batch at the position of its last step"):
        start(tmp_path, iter([batches(i + 1) for i in range(9)]), steps=8)
    ended = start(tmp_path, iter([batches(i) for i in range(5)]), steps=8)
    assert ended.history[-1]["step"] == 6


def test_a_folder_is_for_one_process(tmp_path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys\n"
            "file = open(sys.argv[1], 'w')\n"
            "fcntl.flock(file, fcntl.LOCK_EX)\n"
            "print('held', flush=True)\n"
            "sys.stdin.read()",
            str(tmp_path / ".lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(ValueError, match="expected a checkpoint_dir of this run alone.*in use"):
        start(tmp_path)
    holder.communicate()
    start(tmp_path)


# A reading that finds its files gone leaves others of Orbax behind, which end after their event
# loop is closed, and say so on a thread of their own.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_reading_a_folder_while_a_run_writes_to_it(tmp_path):
    save_checkpoint(tmp_path, 1, STATE, keep=1)
    ended = threading.Event()

    def write():
        for step in range(2, 14):
            save_checkpoint(tmp_path, step, STATE, {"step": step}, keep=1)
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not ended.is_set():
            found = load_checkpoint(tmp_path, STATE)
            assert found is not None
            np.testing.assert_array_equal(found[0]["w"], STATE["w"])
    finally:
        writer.join()
        time.sleep(0.2)  # for what was left behind


@pytest.mark.parametrize("step", [1.5, -1, "ten", None, True])
def test_a_checkpoint_needs_a_number_of_steps(tmp_path, step):
    with pytest.raises(ValueError, match="expected step to be an integer of at least 0, got"):
        save_checkpoint(tmp_path, step, STATE)


@pytest.mark.parametrize("folder", ["", None, 3])
def test_checkpoints_need_a_folder(folder):
    with pytest.raises(ValueError, match="expected the path of a folder for checkpoints, got"):
        load_checkpoint(folder, STATE)
    with pytest.raises(ValueError, match="expected the path of a folder for checkpoints, got"):
        save_checkpoint(folder, 1, STATE)


def test_a_folder_of_something_else_is_not_called_damaged(tmp_path):
    (tmp_path / "2024").mkdir()
    (tmp_path / "2024" / "notes.txt").write_text("not a checkpoint")
    with pytest.raises(ValueError, match="expected a checkpoint of rnnjax.training, got another's"):
        load_checkpoint(tmp_path, STATE)
    with pytest.raises(ValueError, match="got another's"):
        fit(STEP, new(jax.random.key(0)), Batch(*batches(0)), steps=2, checkpoint_dir=tmp_path)
