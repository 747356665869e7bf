"""A learning rate by the used share of a budget of time or of steps."""

import time
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import optax

from .._checks import check_above, check_function, check_instance, check_positive
from ._step import TrainStep


def paced(
    step: TrainStep,
    schedule: Callable[[float], Any],
    *,
    steps: int | None = None,
    stop: float | None = None,
) -> TrainStep:
    """A training step whose learning rate depends on the used share of a budget.

    For a run with `fit(…, stop=…)`, whose number of steps is not known beforehand, or with
    `fit(…, steps=…)`. A run with a budget of time is not repeatable bit for bit.

    Args:
        step: the training step, whose optimiser keeps its rate in its state, as
            `optax.inject_hyperparams(optax.adam)(0.0)` does.
        schedule: the learning rate by the used share, from 0 to 1.
        steps: the budget, a number of steps.
        stop: the budget in seconds, instead.

    Raises:
        ValueError: unless there is one budget, above 0.

    Examples:
        >>> import jax, rnnjax
        >>> from rnnjax.losses import squared_error
        >>> from rnnjax.training import SequenceObjective, train_state, train_step
        >>> model, data = rnnjax.layers.RNN(rnnjax.GRU(1)), (np.ones((2, 5, 3)), np.ones((2, 5, 1)))
        >>> optimizer, key = optax.inject_hyperparams(optax.sgd)(0.0), jax.random.key(0)
        >>> step = train_step(SequenceObjective(model, squared_error), optimizer)
        >>> step = paced(step, lambda share: 0.1 * (1 - share), stop=60)
        >>> state, _ = step(train_state(model.init(key, 3), optimizer, key), data)
        >>> optax.tree.get(state.opt_state, "learning_rate")
        Array(0.1, dtype=float32)
    """
    check_instance("step", step, TrainStep, "train_step(objective, optimizer)")
    check_function("schedule", schedule, "optax.cosine_decay_schedule(0.1, 1)")
    if (steps is None) == (stop is None):
        raise ValueError(f"expected either steps or stop, got {steps!r} and {stop!r}")
    budget = check_above("stop", stop) if steps is None else check_positive("steps", steps)
    first: list[float] = []
    calls = count()

    def run(state: Any, batch: Any) -> Any:
        if not first:
            first.append(time.monotonic() if steps is None else int(state.step))
        now = time.monotonic() - first[0] if steps is None else first[0] + next(calls)
        rate = np.float32(schedule(min(now / budget, 1.0)))
        opt_state = optax.tree.set(state.opt_state, learning_rate=rate)
        return step(state._replace(opt_state=opt_state), batch)

    return TrainStep(run, step.objective)
