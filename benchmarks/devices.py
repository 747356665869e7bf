"""How much faster does a training step get on 2, 4 and 8 devices, by rows and by members?

The same step on the same numbers, divided by rows of the batch (data parallel) or by members
(ensemble parallel); every division is first checked against one device. On a CPU the devices are
virtual: they share its cores, and gain only by what one device leaves idle.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from _case import Case
from _harness import RESULTS
from _measure import TOLERANCE, agree
from _surroundings import surroundings
from rich.console import Console
from rich.table import Table

from rnnjax.layers import Recurrent
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
    model = Recurrent(case.ours)
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
    times = [[] for _ in found]
    for _ in range(repeats):
        for (_, program, args), seconds in zip(found, times, strict=True):
            start = time.perf_counter()
            jax.block_until_ready(program(*args))
            seconds.append(1e3 * (time.perf_counter() - start))
    virtual = " virtual" * (jax.default_backend() == "cpu")
    for (count, program, _), seconds in zip(found, times, strict=True):
        lower, median, upper = np.quantile(seconds, (0.25, 0.5, 0.75))
        yield {
            "case": str(case),
            "divided by": "members" if case.members else "rows",
            "devices": f"{count}{virtual}",
            "step ms": f"{median:.3g}",
            "quartiles": f"{lower:.3g} … {upper:.3g}",
            "speed over one": f"{np.median(times[0]) / median:.2f}",
            "temp MB of a device": f"{program.memory_analysis().temp_size_in_bytes / 1e6:.1f}",
        }


def main() -> None:
    """Prints the table and writes the record."""
    question = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, and no record")
    parser.add_argument("--full", action="store_true", help="the same as without")
    parser.add_argument("--repeats", type=int, default=15, help="timed calls of each division")
    parser.add_argument("--torch", metavar="PYTHON", help="not needed here")
    parser.add_argument("--out", type=Path, help="where to write the record")
    options = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", COUNTS[-1])
    repeats = 2 if options.smoke else options.repeats
    found = [row for case in cases(options.smoke) for row in rows(case, repeats)]
    table = Table(*found[0], title=question)
    for row in found:
        table.add_row(*row.values())
    console = Console(width=140, highlight=False)
    console.print(table)
    if jax.default_backend() == "cpu":
        console.print(
            f"virtual devices share the {os.cpu_count()} cores of this machine, and gain only by "
            "what one device leaves idle"
        )
    out = options.out or RESULTS / f"devices.{jax.default_backend()}.json"
    if options.out or not options.smoke:
        about = {"question": question, **surroundings(None), "missing": []}
        out.parent.mkdir(parents=True, exist_ok=True)
        record = {**about, "repeats": options.repeats, "rows": found}
        out.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
