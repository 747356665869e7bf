"""Checkpoints: complete or not there, refused where they do not fit, and resumed bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import resumable
from test_fit import same

from rnnjax.training import load_checkpoint, save_checkpoint

STATE = {
    "params": (jnp.arange(600.0).reshape(30, 20), jnp.ones((), jnp.bfloat16)),
    "carry": (),
    "nothing": jnp.zeros((0, 3)),
    "key": jax.random.split(jax.random.key(3), 4),
    "step": jnp.asarray(7, jnp.int32),
}


def loaded(folder, like):
    found = load_checkpoint(folder, like)
    assert found is not None
    return found


# Checkpoints.


def test_a_checkpoint_gives_back_what_was_written(tmp_path):
    assert load_checkpoint(tmp_path / "run", STATE) is None
    for step in (5, 10, 15):
        state = STATE | {"step": jnp.asarray(step)}
        save_checkpoint(tmp_path / "run", step, state, {"losses": [0.1, step]}, keep=2)
    like = jax.tree.map(jnp.zeros_like, STATE | {"key": jax.random.split(jax.random.key(0), 4)})
    state, record = loaded(tmp_path / "run", like)
    same(state, STATE | {"step": jnp.asarray(15)})
    assert record == {"losses": [0.1, 15]}
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["10", "15"]


@pytest.mark.parametrize(
    "like, message",
    [
        (STATE | {"step": jnp.zeros(2, int)}, "step int32.2., got int32.. in"),
        (STATE | {"more": jnp.zeros(2)}, "more float32.2., got none in"),
        ({"step": STATE["step"]}, "key absent, got key.* in"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path, like, message):
    save_checkpoint(tmp_path, 5, STATE)
    with pytest.raises(ValueError, match=f"expected a checkpoint with ({message}).*another model"):
        load_checkpoint(tmp_path, like)


def test_a_checkpoint_that_another_program_wrote_is_refused(tmp_path):
    import orbax.checkpoint as ocp

    options = ocp.CheckpointManagerOptions(enable_async_checkpointing=False)
    with ocp.CheckpointManager(tmp_path, options=options) as manager:
        manager.save(5, args=ocp.args.Composite(about=ocp.args.JsonSave({"format": "mine"})))
    with pytest.raises(ValueError, match="expected a checkpoint of rnnjax.training, got another's"):
        load_checkpoint(tmp_path, STATE)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    save_checkpoint(tmp_path, 5, STATE, {"losses": [0.125]})
    written = max((tmp_path / "5" / "state").rglob("d/*"), key=lambda path: path.stat().st_size)
    about = tmp_path / "5" / "about" / "metadata"
    for path, spoil in (
        (written, lambda raw: raw[:500] + bytes([raw[500] ^ 1]) + raw[501:]),
        (about, lambda raw: raw.replace(b"0.125", b"0.625")),
        (about, lambda raw: raw[: len(raw) // 2]),
    ):
        whole = path.read_bytes()
        assert spoil(whole) != whole
        path.write_bytes(spoil(whole))
        with pytest.raises(
            ValueError, match="expected a whole checkpoint, got a damaged one in .*5"
        ):
            load_checkpoint(tmp_path, STATE)
        path.write_bytes(whole)
    same(loaded(tmp_path, STATE)[0], STATE)


# Resuming.


def command(folder: Path) -> list[str]:
    return [sys.executable, str(Path(resumable.__file__)), str(folder)]


def without_seconds(history):
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


def kill(moments, folder):
    """Starts the run again and again, and kills it each time; returns how often it could."""
    for times, moment in enumerate(moments):
        process = subprocess.Popen(command(folder), stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()  # it is about to take its first step
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if process.returncode != -signal.SIGKILL:
            return times  # it was over before
    return len(moments)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    clock = []
    folder = tmp_path_factory.mktemp("whole") / "run"
    run = resumable.run(folder, ready=lambda: clock.append(time.monotonic()))
    return run, time.monotonic() - clock[0]


def check_resumed(folder, run):
    resumed = subprocess.run(command(folder), capture_output=True, text=True, env=os.environ)
    assert resumed.returncode == 0, resumed.stderr
    like = {"state": run.state, "best": run.best}
    found, record = loaded(folder, like)
    history = record["history"]
    same(found, like)
    assert without_seconds(history) == without_seconds(run.history)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == history


@pytest.mark.slow
def test_a_run_killed_at_ten_random_moments_resumes_bit_for_bit(tmp_path, uninterrupted):
    run, seconds = uninterrupted
    moments = np.random.default_rng().uniform(0, seconds / 8, 10)
    assert kill(moments, tmp_path / "run") >= 5
    check_resumed(tmp_path / "run", run)
