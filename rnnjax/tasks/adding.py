"""The adding problem: gated networks solve it over hundreds of steps."""

from collections.abc import Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any

import jax
import optax

from .. import cells
from .._checks import check_above, check_positive
from .._static import Static
from ..layers import RNN, Dense, Pool, Sequential
from ..losses import squared_error
from ..training import Fit, SequenceObjective, clipped, fit, train_state, train_step
from ._adding import Adding
from ._results import Run, report, summarise

SOLVED = 0.002


class Config(Static):
    """The settings of training on the adding problem.

    Args:
        length: steps of a sequence.
        hidden: units of the recurrent layer.
        updates: training steps, each on fresh examples.
        batch: examples of a training step.
        learning_rate: the highest rate, which falls to 0 as a cosine.
        clip: largest global norm of a gradient.
        seeds: number of runs of each network.
    """

    _: KW_ONLY
    length: int = 200
    hidden: int = 64
    updates: int = 3000
    batch: int = 32
    learning_rate: float = 1e-2
    clip: float = 1.0
    seeds: int = 3

    def __post_init__(self):
        super().__post_init__()
        check_positive("length", self.length, least=2)
        for name in ("learning_rate", "clip"):
            check_above(name, getattr(self, name))


def learn(cell: str, config: Config, seed: int) -> Fit:
    """Trains on a fresh batch at every step; the held-out loss is of 1024 more examples."""
    task = Adding(config.length)
    recurrent = RNN(getattr(cells, cell)(config.hidden))
    network = Sequential((recurrent, Pool("last"), Dense(1)))
    schedule = optax.cosine_decay_schedule(config.learning_rate, config.updates)
    optimizer = clipped(optax.adam(schedule), config.clip)
    key_params, key_data, key_test = jax.random.split(jax.random.key(seed), 3)

    @jax.jit
    def fresh(position):
        return task.sample(jax.random.fold_in(key_data, position), config.batch)

    return fit(
        train_step(SequenceObjective(network, squared_error), optimizer),
        train_state(network.init(key_params, 2), optimizer, key_data),
        fresh,
        steps=config.updates,
        eval_every=max(1, config.updates // 60),
        evaluate=task.sample(key_test, 1024),
    )


def train(config: Config, *, out: Path = Path("runs/adding")) -> None:
    """Train LSTM and GRU with every seed, and draw their errors.

    Args:
        config: settings of model and training.
        out: folder for the results and the figure.
    """
    runs = []
    for cell in ("LSTM", "GRU"):
        for seed in range(config.seeds):
            print(f"{cell}, seed {seed}")
            run = learn(cell, config, seed)
            losses = [(record["step"], record["eval_loss"]) for record in run.history]
            solved = min((step for step, loss in losses if loss < SOLVED), default=None)
            runs.append(summarise(cell, seed, run, error=losses[-1][1], solved=solved))
    report(runs, out)
    draw(runs, config, out / "learning_curves.png")
    print(f"always answering 1 has an error of {Adding(config.length).trivial_loss:.3f}")


COMMANDS = {"train": train}


def draw(runs: Sequence[Run], config: Config, path: Path) -> None:
    """Draws the error on held-out examples during training."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained", dpi=150)
    panel: Any = figure.subplots()
    for run in runs:
        label = run["cell"] if run["seed"] == 0 else None
        color = {"LSTM": "C0", "GRU": "C1"}[run["cell"]]
        panel.semilogy(*zip(*run["history"], strict=True), color=color, lw=1, label=label)
    trivial = Adding(config.length).trivial_loss
    panel.axhline(trivial, color="black", ls="--", lw=1, label="always answering 1")
    panel.set(
        xlabel=f"updates, each on {config.batch} fresh examples",
        ylabel="mean squared error",
        title=f"The adding problem, {config.length} steps, every seed",
    )
    panel.grid(alpha=0.3)
    panel.legend()
    figure.savefig(path)
