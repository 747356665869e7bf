"""Training on many devices, and in two processes, against training on one device."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from device_worker import assert_equal, whole_batch, whole_state, whole_step
from draws import total
from jax.sharding import AbstractMesh, AxisType, PartitionSpec
from layer_draws import KEY, LAYERS, LENGTHS, RESETS, draw

import rnnjax
from rnnjax import training
from rnnjax.data import Batch
from rnnjax.layers import RNN, Embedding
from rnnjax.losses import squared_error
from rnnjax.training import fit, shard, shard_weights

WORKER = Path(__file__).with_name("device_worker.py")


@contextmanager
def worker(log, *arguments, flags=""):
    environment = os.environ | {
        "PYTHONPATH": str(WORKER.parent.parent),
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiling takes the time here
        "XLA_FLAGS": flags,
    }
    command = [sys.executable, WORKER, *map(str, arguments)]
    with (
        log.open("w") as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_eight_devices_equal_one(tmp_path):
    log, flags = tmp_path / "log", "--xla_force_host_platform_device_count=8"
    with worker(log, "virtual", tmp_path / "run", flags=flags) as process:
        assert process.wait(300) == 0, log.read_text()


@pytest.mark.slow
def test_two_processes_equal_one_and_one_stops_when_the_other_dies(tmp_path):
    with jax.enable_x64(True):
        expected = on_one(8).params
        on_one(4, tmp_path / "from-one")
    with two_processes(tmp_path) as (processes, logs):
        endless = tmp_path / "endless" / "metrics.jsonl"
        until(lambda: endless.exists() or any(p.poll() is not None for p in processes))
        assert [process.poll() for process in processes] == [None, None], logs()
        processes[1].send_signal(signal.SIGKILL)
        assert processes[0].wait(60) != 0
        assert "Gloo" in logs() or "coordination" in logs()

    for name in ("from-start", "from-one"):
        for rank in range(2):
            with np.load(tmp_path / f"{name}-{rank}.npz") as found:
                assert_equal([*found.values()], jax.tree.leaves(jax.device_get(expected)))
    with jax.enable_x64(True):
        steps = len(endless.read_text().splitlines()) * 2 + 4
        resumed, whole = on_one(steps, tmp_path / "endless"), on_one(steps)
    assert_equal(jax.device_get(resumed.params), jax.device_get(whole.params))


def on_one(steps, folder=None):
    """The state after so many steps in this process."""
    run = fit(
        whole_step, whole_state(), whole_batch, steps=steps, eval_every=2, checkpoint_dir=folder
    )
    return run.state


@contextmanager
def two_processes(folder):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    files = [folder / "log-0", folder / "log-1"]
    with (
        worker(files[0], "process", address, 0, folder) as first,
        worker(files[1], "process", address, 1, folder) as second,
    ):
        yield (first, second), lambda: "\n".join(file.read_text() for file in files)


def until(condition, seconds=120):
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds
        time.sleep(0.05)


def test_what_does_not_divide_is_an_error():
    over = jax.make_mesh((1,), ("data",))
    with pytest.raises(ValueError, match=r"an axis of the mesh, one of \('data',\), got 'rows'"):
        shard(np.ones(4), over, "rows")
    with pytest.raises(ValueError, match=r"an axis of the mesh, one of \('data',\), got 'model'"):
        shard_weights(np.ones(4), over)
    with pytest.raises(ValueError, match=r"this process's 1 devices .*, got \[\] for loss"):
        shard({"rows": np.ones(4), "loss": 1.0}, over)


@jax.enable_x64(True)
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_rows_of_a_layer_may_be_divided_by_shard_map(layer):
    """JAX checks the types: the gradients in parameters, which all rows share, are added up."""
    mesh = AbstractMesh((len(LENGTHS),), ("rows",), axis_types=(AxisType.Auto,))
    params, xs = draw(layer)
    xs = np.ones(RESETS.shape, int) if isinstance(layer, Embedding) else xs

    def gradient(params, xs, lengths, resets, key):
        signals = dict(lengths=lengths, resets=resets, key=key)
        return jax.grad(lambda params: total(layer.apply(params, xs, **signals)))(params)

    whole, rows = PartitionSpec(), PartitionSpec("rows")
    specs = (whole, rows, rows, rows, whole)
    run = jax.shard_map(gradient, mesh=mesh, in_specs=specs, out_specs=whole)
    found = jax.eval_shape(run, params, xs, LENGTHS, RESETS, KEY)
    assert jax.tree.map(np.shape, found) == jax.tree.map(np.shape, params)


def test_a_step_under_an_explicit_mesh_is_refused_in_a_sentence():
    model, optimizer = RNN(rnnjax.GRU(2)), optax.sgd(0.1)
    step = training.train_step(training.SequenceObjective(model, squared_error), optimizer)
    key = jax.random.key(0)
    state = training.train_state(model.init(key, 1), optimizer, key)
    batch = Batch(jnp.ones((2, 3, 1)), jnp.ones((2, 3, 2)))
    mesh = AbstractMesh((2,), ("data",), axis_types=(AxisType.Explicit,))
    with (
        jax.sharding.use_abstract_mesh(mesh),
        pytest.raises(ValueError, match="expected arrays on a mesh of automatic axes, got"),
    ):
        jax.eval_shape(step, state, batch)
