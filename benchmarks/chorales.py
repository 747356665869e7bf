"""How well do recurrent networks predict Bach's chorales, next to published numbers?

The protocol of the polyphonic music benchmarks: 229, 76 and 77 chorales as piano rolls of 88 keys;
the network is given a frame and predicts, key by key, which sound in the next one; the first frame
is not predicted. The number is the negative log-likelihood of a frame, in nats: the sum over its
keys, averaged over all frames of all pieces. The test number is that of the parameters with the
lowest validation number. Hyper-parameters were chosen by validation numbers alone.
"""

from pathlib import Path
from typing import Any, NamedTuple

import _chorales_plot
import _rows
import jax
import numpy as np
import optax

import rnnjax
from rnnjax.layers import RNN, Dense, Dropout, Sequential
from rnnjax.tasks import Chorales, frame_baselines, frame_loss, load_chorales, next_frames
from rnnjax.training import (
    SequenceObjective,
    clipped,
    decay_mask,
    evaluate,
    fit,
    shuffled,
    train_state,
    train_step,
)

PUBLISHED = {
    "Bai et al. 2018": {"LSTM": 8.45, "GRU": 8.43, "Elman": 8.91},
    "Chung et al. 2014": {"LSTM": 8.67, "GRU": 8.54, "Elman": 9.10},
    "Zakovskis et al. 2021": {"LSTM": 8.33, "GRU": 8.20},
}
WANTED = {"LSTM": 8.5, "GRU": 8.5, "Elman": 8.95}
ROWS = 8
BETWEEN_EVALUATIONS = 2


class Recipe(NamedTuple):
    """How to train a network.

    Attributes:
        hidden: units of its one recurrent layer.
        dropout: rates before and after that layer.
        rate: the highest learning rate; it rises over 50 steps and falls as a cosine.
        decay: of weights, as in AdamW.
        epochs: passes over the training pieces.
    """

    hidden: int
    dropout: tuple[float, float]
    rate: float
    decay: float
    epochs: int


RECIPES = {
    "LSTM": Recipe(200, (0.2, 0.5), 2e-2, 0.03, 60),
    "GRU": Recipe(200, (0.1, 0.4), 2e-2, 0.1, 60),
    "Elman": Recipe(200, (0.1, 0.3), 8e-3, 0.1, 60),
}


def model(cell: str, recipe: Recipe) -> Sequential:
    """Frames to the log-odds that each key sounds in the next one."""
    before, after = (Dropout(rate) for rate in recipe.dropout)
    recurrent = RNN(getattr(rnnjax, cell)(recipe.hidden))
    return Sequential((before, recurrent, after, Dense(88)))


def learn(cell: str, recipe: Recipe, chorales: Chorales, seed: int) -> dict[str, Any]:
    """Trains, and evaluates at the lowest validation number."""
    network = model(cell, recipe)
    train, valid, test = (next_frames(rolls) for rolls in chorales)
    epoch = len(chorales.train) // ROWS
    steps = epoch * recipe.epochs
    schedule = optax.warmup_cosine_decay_schedule(0, recipe.rate, min(50, steps // 2), steps)
    optimizer = clipped(optax.adamw(schedule, weight_decay=recipe.decay, mask=decay_mask))
    objective = SequenceObjective(network, frame_loss)
    key_params, key = jax.random.split(jax.random.key(seed))
    state = train_state(network.init(key_params, 88), optimizer, key)
    run = fit(
        train_step(objective, optimizer),
        state,
        shuffled(train, ROWS, seed=seed),
        steps=steps,
        every=BETWEEN_EVALUATIONS * epoch,
        evaluate=lambda state: evaluate(objective, state.params, [valid]),
    )
    return {
        "cell": cell,
        "seed": seed,
        "parameters": _rows.size(state.params),
        "valid": min(record["held_out"] for record in run.history),
        "test": evaluate(objective, run.best.params, [test]),
        "best_step": int(run.best.step),
        "seconds": run.history[-1]["seconds"],
        "epoch": epoch,
        "history": run.history,
    }


def rows(runs: list[dict[str, Any]], baselines: dict[str, dict[str, float]]) -> list[dict]:
    """Ours with the published numbers beside them, and what is trivial."""
    found = []
    for cell in dict.fromkeys(run["cell"] for run in runs):
        own = [run for run in runs if run["cell"] == cell]
        found.append(
            {
                "network": "Elman, tanh" if cell == "Elman" else cell,
                "parameters": f"{own[0]['parameters']:,}",
                "validation": _rows.spread((run["valid"] for run in own), ".3f"),
                "test": _rows.spread((run["test"] for run in own), ".3f"),
                "wanted": f"≤ {WANTED[cell]:g}",
                **{
                    paper: f"{of[cell]:.2f}" if cell in of else "—"
                    for paper, of in PUBLISHED.items()
                },
                "seconds": f"{np.mean([run['seconds'] for run in own]):.0f}",
            }
        )
    blank = dict.fromkeys(found[0], "—")
    numbers = {name: f"{baselines['test'][name]:.2f}" for name in baselines["test"]}
    return found + [blank | {"network": name, "test": n} for name, n in numbers.items()]


def pretended(seed: int = 0) -> Chorales:
    """Random rolls in the form of the real ones."""
    random = np.random.default_rng(seed)
    rolls = [(random.random((n, 88)) < 0.05).astype(np.float32) for n in range(5, 35)]
    return Chorales(train=rolls[:16], valid=rolls[16:22], test=rolls[22:])


def main() -> None:
    """Trains every network with every seed; prints the table; writes the record and the plot."""
    options = _rows.options(__doc__, seeds=3)
    try:
        chorales = pretended() if options.smoke else load_chorales()
    except OSError as error:
        print(f"{error}\nno chorales: nothing is trained, and the record waits for them")
        return
    recipes = RECIPES
    if options.smoke:
        recipes = {cell: how._replace(hidden=4, epochs=4) for cell, how in RECIPES.items()}
    baselines = {
        name: frame_baselines(chorales.train, getattr(chorales, name)) for name in ("valid", "test")
    }
    runs = [
        learn(cell, recipe, chorales, seed)
        for cell, recipe in recipes.items()
        for seed in range(1 if options.smoke else options.seeds)
    ]
    out = _rows.place(__file__, options)
    entries = {
        "repeats": options.seeds,
        "recipes": {cell: recipe._asdict() for cell, recipe in recipes.items()},
        "published": PUBLISHED,
        "baselines": baselines,
        "runs": runs,
    }
    _rows.keep(out, options.question, rows(runs, baselines), **entries)
    if out:
        _chorales_plot.draw(runs, PUBLISHED, baselines["test"], Path(out).with_suffix(".png"))


if __name__ == "__main__":
    main()
