"""How much faster does a training step get on 2, 4 and 8 devices, by rows and by members?

The same step on the same numbers, divided by rows of the batch (data parallel) or by members
(ensemble parallel); every division is first checked against one device, by Adam's mean of the
gradient. On a CPU the devices are virtual and share its cores. One device has the native loop
there, and several have XLA's, since the compiler divides the arrays.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import optax
from _case import Case
from _compare import Call, Program, compare
from _harness import Run, Scale, main
from _record import Measurement

from rnnjax import training
from rnnjax.data import Batch
from rnnjax.layers import RNN
from rnnjax.losses import squared_error

COUNTS = (1, 2, 4, 8)
OPTIMIZER = training.clipped(optax.adam(1e-3))


def cases(scale: Scale) -> Iterator[Case]:
    """A network on a large batch, and an ensemble of small ones."""
    if scale == "smoke":
        yield Case("LSTM", 8, 5, 3, 4)
        yield Case("LSTM", 2, 5, 3, 4, members=8, shared=True)
    elif jax.default_backend() == "cpu":
        yield Case("LSTM", 64, 128, 128, 128)
        yield Case("LSTM", 16, 64, 16, 32, members=32, shared=True)
    else:
        yield Case("LSTM", 1024, 256, 512, 512)
        yield Case("LSTM", 64, 256, 128, 128, members=128, shared=True)


def training_step(case: Case, count: int, first: bool = False) -> Call:
    """A step divided among a number of devices; its result is the gradient, or a first member's."""
    model = RNN(case.ours)
    step = training.train_step(training.SequenceObjective(model, squared_error), OPTIMIZER)
    key, *keys = jax.random.split(jax.random.key(0), 3)
    shape = (case.batch, case.steps)
    batch = Batch(
        inputs=jax.random.normal(keys[0], (*shape, case.inputs)),
        targets=jax.random.normal(keys[1], (*shape, case.hidden)),
    )

    def new(key):
        return training.train_state(model.init(key, case.inputs), OPTIMIZER, key)

    mesh = jax.make_mesh((count,), ("data",), devices=jax.devices()[:count])
    if case.members:
        # The first member has the key of a single network.
        rest = jax.random.split(keys[0], case.members - 1)
        states = jax.vmap(new)(jax.numpy.concatenate([key[None], rest]))
        args = training.shard(states, mesh), training.replicate(batch, mesh)
        step = training.ensemble_step(step)
    else:
        args = training.replicate(new(key), mesh), training.shard(batch, mesh)
    compiled: Any = jax.jit(step).lower(*args).compile()

    def gradient():
        mean = optax.tree.get(compiled(*args)[0].opt_state, "mu")
        return jax.tree.map(lambda a: a[0], mean) if first else mean

    temp_bytes = compiled.memory_analysis().temp_size_in_bytes
    return Call(partial(compiled, *args), gradient, temp_bytes=temp_bytes)


def measure(case: Case, run: Run) -> list[Measurement]:
    """The step on every number of devices."""
    counts = COUNTS[: len(jax.devices()).bit_length()]
    names = {count: f"{count} device{'s' * (count > 1)}" for count in counts}
    found = [Program(names[n], lambda _, n=n: training_step(case, n)) for n in counts]
    return compare(case, found, ("training",), repeats=run.repeats)


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", COUNTS[-1])
    main(__file__, __doc__, cases, measure)
