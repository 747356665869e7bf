"""How much faster does a training step get on 2, 4 and 8 devices, by rows and by members?

The same step on the same numbers, divided by rows of the batch (data parallel) or by members
(ensemble parallel); every division is first checked against one device. On a CPU the devices are
virtual: they share its cores, and gain only by what one device leaves idle.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import _rows
import jax
import optax
from _case import Case
from _measure import TOLERANCE, agree

from rnnjax.layers import RNN
from rnnjax.training import (
    Batch,
    SequenceObjective,
    clipped,
    ensemble_step,
    replicate,
    shard,
    squared_error,
    train_state,
    train_step,
)

COUNTS = (1, 2, 4, 8)
OPTIMIZER = clipped(optax.adam(1e-3))


def cases(smoke: bool) -> Iterator[Case]:
    """A network on a large batch, and an ensemble of small ones."""
    if smoke:
        yield Case("LSTM", 8, 5, 3, 4)
        yield Case("LSTM", 2, 5, 3, 4, members=8, shared=True)
    elif jax.default_backend() == "cpu":
        yield Case("LSTM", 64, 128, 128, 128)
        yield Case("LSTM", 16, 64, 16, 32, members=32, shared=True)
    else:
        yield Case("LSTM", 1024, 256, 512, 512)
        yield Case("LSTM", 64, 256, 128, 128, members=128, shared=True)


def programs(case: Case) -> Iterator[tuple[int, Callable[..., Any], tuple[Any, Any]]]:
    """For each number of devices the compiled step, and its state and batch in their places."""
    model = RNN(case.ours)
    step = train_step(SequenceObjective(model, squared_error), OPTIMIZER)
    keys = jax.random.split(jax.random.key(0), 3)
    shape = (case.batch, case.steps)
    batch = Batch(
        inputs=jax.random.normal(keys[0], (*shape, case.inputs)),
        targets=jax.random.normal(keys[1], (*shape, case.hidden)),
    )

    def new(key):
        return train_state(model.init(key, case.inputs), OPTIMIZER, key)

    many = jax.vmap(new)(jax.random.split(keys[2], case.members)) if case.members else None
    for count in COUNTS[: len(jax.devices()).bit_length()]:
        mesh = jax.make_mesh((count,), ("data",), devices=jax.devices()[:count])
        if many is None:
            args = replicate(new(keys[2]), mesh), shard(batch, mesh)
        else:
            args = shard(many, mesh), replicate(batch, mesh)
        yield count, (step if many is None else ensemble_step(step)).lower(*args).compile(), args


def rows(case: Case, repeats: int) -> Iterator[dict[str, str]]:
    """A row of the table for every number of devices."""
    found = list(programs(case))
    # Adam's mean of the gradient after one step is a tenth of it.
    states = {f"{count} devices": program(*args)[0] for count, program, args in found}
    gradients = {name: optax.tree.get(state.opt_state, "mu") for name, state in states.items()}
    agree(gradients["1 devices"], gradients, tolerance=TOLERANCE["training"])
    calls = {count: partial(program, *args) for count, program, args in found}
    times = _rows.quartiles(calls, repeats)
    virtual = " virtual" * (jax.default_backend() == "cpu")
    for count, program, _ in found:
        lower, median, upper = times[count]
        yield {
            "case": str(case),
            "divided by": "members" if case.members else "rows",
            "devices": f"{count}{virtual}",
            "step ms": f"{median:.3g}",
            "quartiles": f"{lower:.3g} … {upper:.3g}",
            "speed over one": f"{times[1][1] / median:.2f}",
            "temp MB of a device": f"{program.memory_analysis().temp_size_in_bytes / 1e6:.1f}",
        }


def main() -> None:
    """Prints the table and writes the record."""
    options = _rows.options(__doc__)
    jax.config.update("jax_num_cpu_devices", COUNTS[-1])
    repeats = 2 if options.smoke else options.repeats or 15
    found = [row for case in cases(options.smoke) for row in rows(case, repeats)]
    _rows.keep(_rows.place(__file__, options), options.question, found, repeats=repeats)


if __name__ == "__main__":
    main()
