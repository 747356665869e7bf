"""The parts that all applications share: settings, data, training, files, results."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import optax
from rich.console import Console
from rich.table import Table

from .. import interop
from .._checks import Rate, check_above, check_instance
from .._static import Static
from ..training import (
    Fit,
    clipped,
    decay_mask,
    fit,
    improved,
    polyak,
    train_state,
    train_step,
)
from ..training._objectives import Objective

MODEL = "model.safetensors"

T = TypeVar("T")


class Settings(Static):
    """The settings of training that all applications have.

    Args:
        data: the name of a data set, or the path of your own.
        minutes: time budget of training; the learning rate falls to zero over it.
        steps: number of steps, instead of a time budget.
        batch: sequences of a training step.
        learning_rate: the highest rate, reached after a twentieth of the budget.
        weight_decay: share of a weight that a step subtracts, times the learning rate.
        clip: largest global norm of a gradient.
        seed: of parameters, noise, order and samples.
    """

    _: KW_ONLY
    data: str
    minutes: float = 2.0
    steps: int | None = None
    batch: int = 32
    learning_rate: float = 3e-3
    weight_decay: Rate = 0.0
    clip: float = 1.0
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        check_instance("data", self.data, str)
        for name in ("minutes", "learning_rate", "clip"):
            check_above(name, getattr(self, name))

    @property
    def budget(self) -> dict[str, Any]:
        """The option of `fit` that ends training."""
        return {"stop": 60 * self.minutes} if self.steps is None else {"steps": self.steps}


def split(
    every: Sequence[T], what: str, least: int, seed: int = 0
) -> tuple[list[T], list[T], list[T]]:
    """Examples at random, to learn from; a tenth to choose by; a tenth to report.

    Raises:
        ValueError: if there are fewer than `least`.
    """
    if len(every) < least:
        raise ValueError(f"expected at least {least} {what}, got {len(every)}")
    order, tenth = np.random.default_rng(seed).permutation(len(every)), len(every) // 10
    parts = np.split(order, [tenth, 2 * tenth])
    valid, test, train = ([every[i] for i in places] for places in parts)
    return train, valid, test


def train_model(
    settings: Settings,
    objective: Objective,
    params: Any,
    feed: Any,
    *,
    carry: Any = (),
    b2: float = 0.999,
    average: float = 0.0,
    callbacks: Sequence[Callable[..., Any]] = (),
    **options: Any,
) -> Fit:
    """Trains with AdamW within the budget; Ctrl-C ends it early and keeps the best round.

    Args:
        settings: of the run.
        objective: the quantity to minimise.
        params: the parameters to start from.
        feed: the training data.
        carry: the carry of streams.
        b2: the decay of the squares of gradients, as in Adam.
        average: the decay of an average of the parameters, as of `polyak`; 0 for none.
        callbacks: functions of the state and the history, called after each round.
        options: of `fit`, such as `evaluate` and `eval_every`.
    """
    adam = optax.inject_hyperparams(optax.adamw, static_args=("mask",))
    adam = adam(0.0, b2=b2, weight_decay=settings.weight_decay, mask=decay_mask)
    optimizer = clipped(polyak(adam, average) if average else adam, settings.clip)
    state = train_state(params, optimizer, jax.random.key(settings.seed), carry)
    peak = optax.warmup_cosine_decay_schedule(0.0, settings.learning_rate, 50, 1000)
    step = train_step(objective, optimizer)
    options |= {"schedule": lambda share: peak(1000 * share), **settings.budget}
    rounds: list[Fit] = []

    def keep(state: Any, history: Any) -> None:
        best = state if not rounds or improved(history) else rounds[-1].best
        rounds[:] = [Fit(state, best, history)]

    try:
        return fit(step, state, feed, callbacks=(keep, *callbacks), **options)
    except KeyboardInterrupt:
        if not rounds:
            raise ValueError("stopped before the end of the first round: nothing to keep") from None
        print(f"interrupted; keeping the rounds up to step {rounds[-1].history[-1]['step']}")
        return rounds[-1]


def save_model(folder: Path, model: Any, params: Any, input_size: Any = None, **extra: Any) -> Path:
    """Writes a trained model, and what else its use needs, to a folder; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    interop.save(folder / MODEL, model, params, input_size, extra=extra)
    return folder / MODEL


def load_model(folder: Path, task: str, classes: tuple[type, ...] = ()) -> tuple[Any, Any, Any]:
    """The model, the parameters and the rest that `save_model` wrote.

    Raises:
        ValueError: if there is no such file.
    """
    path = folder / MODEL
    if not path.is_file():
        raise ValueError(f"expected a model that 'rnnjax {task} train' wrote, got no file {path}")
    model, params = interop.load(path, classes=classes)
    return model, params, interop.read_extra(path)


def compare(
    title: str, unit: str, rows: Mapping[str, float], show: Callable[[float], str] = "{:.3f}".format
) -> dict[str, dict[str, float]]:
    """Prints a table of results, the last of which is the network's; returns them by unit."""
    table = Table(title, unit)
    table.columns[1].justify = "right"
    *others, last = rows.items()
    for name, value in others:
        table.add_row(name, show(value))
    table.add_row(last[0], show(last[1]), style="bold")
    Console(highlight=False).print(table)
    return {unit: dict(rows)}


def draw_figure(path: Path, draw: Callable[..., None], *arguments: Any) -> None:
    """Calls `draw(path, *arguments)` unless Matplotlib is missing, and reports either."""
    if importlib.util.find_spec("matplotlib") is None:
        print("figure  none: it needs matplotlib (pip install 'rnnjax[plots]')")
    else:
        draw(path, *arguments)
        print(f"figure  {path}")
