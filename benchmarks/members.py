"""How much longer does a training step of sixteen models take than that of one?

On a CPU. The sixteen are one state under `vmap`, with weights of their own and the same batch: on
one device, and divided among as many devices as there are cores, in a process of its own, since
JAX fixes their number when it starts.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import _rows
import jax
import numpy as np
import optax
from _case import CELLS
from _clock import in_turn, seconds
from _program import cores

from rnnjax import training
from rnnjax.layers import RNN, Dense, Pool, Sequential

MEMBERS = 16
SIZES = ((16, 64, 16, 32), (16, 64, 16, 16), (4, 100, 2, 32), (1, 128, 8, 64))
Size = tuple[int, int, int, int]


def programs(cell: str, size: Size) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The training step of one model, and that of all on all devices; they give the losses."""
    rows, steps, inputs, hidden = size
    model = Sequential((RNN(CELLS[cell](hidden)), Pool("last"), Dense(1)))
    optimizer = training.clipped(optax.adam(1e-3))
    step = training.train_step(training.SequenceObjective(model, training.squared_error), optimizer)
    keys = jax.random.split(jax.random.key(0), MEMBERS)

    def new(key):
        return training.train_state(model.init(key, inputs), optimizer, key)

    xs = jax.random.normal(keys[0], (rows, steps, inputs))
    batch = training.Batch(xs, xs[:, -1, :1])
    mesh = jax.make_mesh((jax.device_count(),), ("members",))
    states = training.shard(jax.vmap(new)(keys), mesh, "members")
    one = partial(step, new(keys[0]), batch)
    every = partial(training.ensemble_step(step), states, training.replicate(batch, mesh))
    return lambda: one()[1].loss, lambda: every()[1].loss


def answer(call: Callable[[], Any], wanted: str) -> Any:
    """The loss that a call gives, or the seconds it takes."""
    if wanted == "loss":
        return np.asarray(call())
    return seconds(lambda: jax.block_until_ready(call()))


def serve(pipe: Any, cell: str, size: Size) -> None:
    """In a process of its own: a step of the ensemble on as many devices as cores, when asked."""
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", cores())
    _, every = programs(cell, size)
    while wanted := pipe.recv():
        pipe.send(answer(every, wanted))


def rows(cell: str, size: Size, repeats: int) -> Iterator[dict[str, str]]:
    """A row of the table for each way to train all, after one for a model alone."""
    pipe, theirs = multiprocessing.Pipe()
    worker = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, cell, size))
    worker.start()

    def divided(wanted):
        pipe.send(wanted)
        return pipe.recv()

    one, every = programs(cell, size)
    ways = {
        "1 model": partial(answer, one),
        f"{MEMBERS} models": partial(answer, every),
        f"{MEMBERS} models on {cores()} devices": divided,
    }
    losses = {name: way("loss") for name, way in ways.items()}  # this compiles, too
    for loss in losses.values():
        np.testing.assert_allclose(np.ravel(loss)[0], losses["1 model"], rtol=1e-4)
    times = in_turn({name: partial(way, "seconds") for name, way in ways.items()}, repeats)
    pipe.send("")
    worker.join()
    for name, taken in times.items():
        lower, median, upper = 1e3 * np.quantile(taken, (0.25, 0.5, 0.75))
        batch, steps, inputs, hidden = size
        yield {
            "case": f"{cell} B={batch} T={steps} I={inputs} H={hidden}",
            "step of": name,
            "median ms": f"{median:.3g}",
            "quartiles": f"{lower:.3g} … {upper:.3g}",
            "times one model": f"{np.median(taken) / np.median(times['1 model']):.1f}",
        }


def main() -> None:
    """Prints the table and writes the record."""
    jax.config.update("jax_platforms", "cpu")
    options = _rows.options(__doc__)
    cases = [(cell, size) for cell in ("LSTM", "GRU", "Elman") for size in SIZES]
    cases = [("LSTM", (2, 5, 3, 4))] if options.smoke else cases
    repeats = 2 if options.smoke else options.repeats or 31
    found = [row for case in cases for row in rows(*case, repeats)]
    _rows.keep(_rows.place(__file__, options), options.question, found, repeats=repeats)


if __name__ == "__main__":
    main()
