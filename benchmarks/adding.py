"""Do LSTM and GRU solve the adding problem at 200 steps?

Two numbers, one in each half of a long sequence, are marked; the sum is wanted. Who ignores the
marks can do no better than a mean squared error of 1/6. Every batch is fresh, so that training
loss is test loss; the number reported is that of 1024 more examples after the last step.
"""

from pathlib import Path
from typing import Any

import _rows
import jax
import optax
from matplotlib.figure import Figure

import rnnjax
from rnnjax.layers import RNN, Dense, Pool, Sequential
from rnnjax.tasks import Adding
from rnnjax.training import (
    SequenceObjective,
    clipped,
    evaluate,
    fit,
    squared_error,
    train_state,
    train_step,
)

CELLS = ("LSTM", "GRU")
SOLVED = 0.002
ROWS = 32
RATE = 1e-2


def learn(cell: str, task: Adding, hidden: int, steps: int, seed: int) -> dict[str, Any]:
    """Trains on a fresh batch at every step."""
    recurrent = RNN(getattr(rnnjax, cell)(hidden))
    network = Sequential((recurrent, Pool("last"), Dense(1)))
    optimizer = clipped(optax.adam(optax.cosine_decay_schedule(RATE, steps)))
    objective = SequenceObjective(network, squared_error)
    key_params, key_data, key_test = jax.random.split(jax.random.key(seed), 3)
    state = train_state(network.init(key_params, 2), optimizer, key_data)
    test = task.sample(key_test, 1024)

    @jax.jit
    def fresh(position):
        return task.sample(jax.random.fold_in(key_data, position), ROWS)

    run = fit(
        train_step(objective, optimizer),
        state,
        fresh,
        steps=steps,
        every=max(1, steps // 60),
        evaluate=lambda state: evaluate(objective, state.params, [test]),
    )
    losses = [record["held_out"] for record in run.history]
    solved = [record["step"] for record in run.history if record["held_out"] < SOLVED]
    return {
        "cell": cell,
        "seed": seed,
        "parameters": _rows.size(state.params),
        "loss": losses[-1],
        "solved": min(solved, default=None),
        "seconds": run.history[-1]["seconds"],
        "history": run.history,
    }


def row(run: dict[str, Any], task: Adding) -> dict[str, str]:
    """A run as it stands in the table."""
    return {
        "network": run["cell"],
        "seed": f"{run['seed']}",
        "parameters": f"{run['parameters']:,}",
        "steps T": f"{task.steps}",
        "mean squared error": f"{run['loss']:.1e}",
        "trivial": f"{task.trivial_loss:.3f}",
        f"below {SOLVED:g} after": "—" if run["solved"] is None else f"{run['solved']} updates",
        "seconds": f"{run['seconds']:.0f}",
    }


def draw(runs: list[dict[str, Any]], task: Adding, out: Path) -> None:
    """The error on held-out examples during training."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    panel = figure.subplots()
    for run in runs:
        steps, losses = (
            [record[name] for record in run["history"]] for name in ("step", "held_out")
        )
        label = run["cell"] if run["seed"] == 0 else None
        panel.semilogy(steps, losses, color=f"C{CELLS.index(run['cell'])}", lw=1, label=label)
    panel.axhline(task.trivial_loss, color="black", ls="--", lw=1, label="always answering 1")
    panel.set_xlabel(f"updates, each on {ROWS} fresh examples")
    panel.set_ylabel("mean squared error")
    panel.set_title(f"The adding problem, {task.steps} steps, every seed")
    panel.grid(alpha=0.3)
    panel.legend()
    figure.savefig(out, dpi=120)


def main() -> None:
    """Trains; prints the table; writes the record and the plot."""
    options = _rows.options(__doc__, seeds=3)
    task, hidden, steps = (Adding(6), 4, 8) if options.smoke else (Adding(200), 64, 3000)
    runs = [
        learn(cell, task, hidden, steps, seed)
        for cell in CELLS
        for seed in range(1 if options.smoke else options.seeds)
    ]
    out = _rows.place(__file__, options)
    how = {"hidden": hidden, "updates": steps, "rows": ROWS, "rate": RATE, "clip": 1.0}
    rows = [row(run, task) for run in runs]
    entries = {"repeats": options.seeds, "how": how, "trivial": task.trivial_loss, "runs": runs}
    _rows.keep(out, options.question, rows, **entries)
    if out:
        draw(runs, task, out.with_suffix(".png"))


if __name__ == "__main__":
    main()
