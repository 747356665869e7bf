"""Bach's chorales: the next frame of four voices, beside published numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from .. import cells
from .._static import Static
from ..data import shuffled
from ..layers import RNN, Dense, Dropout, Sequential
from ..training import (
    Fit,
    SequenceObjective,
    clipped,
    decay_mask,
    evaluate,
    fit,
    train_state,
    train_step,
)
from ._chorales import Chorales, frame_baselines, frame_loss, load_chorales, next_frames
from ._results import Run, report, summarise

# Nats per frame. S. Bai, J. Kolter, V. Koltun, An empirical evaluation of generic convolutional and
# recurrent networks for sequence modeling, 2018; J. Chung et al., Empirical evaluation of gated
# recurrent neural networks on sequence modeling, 2014; R. Zakovskis et al., Gates are not
# what you need in RNNs, 2021.
PUBLISHED = {
    "Bai et al. 2018": {"LSTM": 8.45, "GRU": 8.43, "Elman": 8.91},
    "Chung et al. 2014": {"LSTM": 8.67, "GRU": 8.54, "Elman": 9.10},
    "Zakovskis et al. 2021": {"LSTM": 8.33, "GRU": 8.20},
}
COLOURS = {"LSTM": "C0", "GRU": "C1", "Elman": "C2"}


class Recipe(NamedTuple):
    """The settings of one network, chosen by validation numbers alone."""

    dropout: tuple[float, float]  # rates before and after the recurrent layer
    rate: float  # the highest learning rate; it rises over 50 steps and falls as a cosine
    decay: float  # of weights, as in AdamW


RECIPES = {
    "LSTM": Recipe((0.2, 0.5), 2e-2, 0.03),
    "GRU": Recipe((0.1, 0.4), 2e-2, 0.1),
    "Elman": Recipe((0.1, 0.3), 8e-3, 0.1),
}


class Config(Static):
    """The settings of training on the chorales.

    Args:
        hidden: units of the recurrent layer.
        epochs: passes over the training pieces.
        batch: pieces of a training step.
        seeds: number of runs of each network.
    """

    _: KW_ONLY
    hidden: int = 200
    epochs: int = 60
    batch: int = 8
    seeds: int = 3


def learn(cell: str, config: Config, chorales: Chorales, seed: int) -> tuple[Fit, float]:
    """Trains; gives the run and the test number at the lowest validation number."""
    recipe = RECIPES[cell]
    before, after = (Dropout(rate) for rate in recipe.dropout)
    recurrent = RNN(getattr(cells, cell)(config.hidden))
    network = Sequential((before, recurrent, after, Dense(88)))
    pieces, valid, test = (next_frames(rolls) for rolls in chorales)
    data = shuffled(pieces, config.batch, seed=seed)
    steps = config.epochs * data.per_epoch
    schedule = optax.warmup_cosine_decay_schedule(0, recipe.rate, min(50, steps // 2), steps)
    optimizer = clipped(optax.adamw(schedule, weight_decay=recipe.decay, mask=decay_mask))
    objective = SequenceObjective(network, frame_loss)
    key_params, key = jax.random.split(jax.random.key(seed))
    run = fit(
        train_step(objective, optimizer),
        train_state(network.init(key_params, 88), optimizer, key),
        data,
        steps=steps,
        eval_every=2 * data.per_epoch,
        evaluate=valid,
    )
    return run, evaluate(objective, run.best.params, test)


def train(config: Config, *, out: Path = Path("runs/chorales")) -> None:
    """Train three networks with every seed, and draw them among published numbers.

    Args:
        config: settings of model and training.
        out: folder for the results and the figure.
    """
    chorales = load_chorales()
    runs = []
    for cell in RECIPES:
        for seed in range(config.seeds):
            print(f"{cell}, seed {seed}")
            run, test = learn(cell, config, chorales, seed)
            valid = min(record["eval_loss"] for record in run.history)
            runs.append(summarise(cell, seed, run, valid=valid, test=test))
    report(runs, out)
    baselines = frame_baselines(chorales.train, chorales.test)
    trivial = ", ".join(f"{name} {number:.2f}" for name, number in baselines.items())
    print(f"trivial on test: {trivial}")
    epoch = len(chorales.train) // config.batch
    draw(runs, epoch, trivial, out / "learning_curves.png")


COMMANDS = {"train": train}


def draw(runs: Sequence[Run], epoch: int, trivial: str, path: Path) -> None:
    """Draws validation curves of all runs, and test numbers among the published ones."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained", dpi=150)
    curves, tests = figure.subplots(1, 2, width_ratios=[3, 2])
    for run in runs:
        steps, losses = zip(*run["history"], strict=True)
        label = run["cell"] if run["seed"] == 0 else None
        color = COLOURS[run["cell"]]
        curves.plot(np.divide(steps, epoch), losses, color=color, lw=1, alpha=0.8, label=label)
    lowest = min(run["valid"] for run in runs)
    curves.set(
        ylim=(lowest - 0.1, lowest + 2),
        xlabel="passes over the training pieces",
        ylabel="validation: nats per frame",
    )
    _draw_tests(tests, runs, PUBLISHED)
    for panel in (curves, tests):
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    figure.suptitle(f"Bach's chorales, next frame. Trivial on test: {trivial}", fontsize=11)
    figure.savefig(path)


def _draw_tests(tests: Any, runs: Sequence[Run], published: Mapping[str, Mapping]) -> None:
    names = list(RECIPES)
    for marker, (paper, numbers) in zip("sv^", published.items(), strict=True):
        places = [(number, names.index(cell)) for cell, number in numbers.items()]
        tests.plot(*zip(*places, strict=True), marker, color="0.4", ms=6, ls="", label=paper)
    for run in runs:
        label = "ours, a seed each" if run is runs[0] else None
        place, color = names.index(run["cell"]), COLOURS[run["cell"]]
        tests.plot(run["test"], place, "o", color=color, alpha=0.8, label=label)
    tests.set_yticks(range(len(names)), names)
    tests.set(ylim=(len(names) - 0.5, -0.5), xlabel="test: nats per frame")
