"""The arguments of `fit`, checked: when it stops, how long a round is, how it evaluates."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from .._checks import brief, check_above, check_function, check_positive
from ._evaluate import check_metrics
from ._evaluate import evaluate as evaluate_data
from ._feed import once, per_epoch
from ._history import Record
from ._step import Step, TrainState


class Plan(NamedTuple):
    """When to stop, how long a round is, and the learning rate until then."""

    steps: int | None
    every: int
    patience: int | None
    limit: float  # seconds
    until: Callable[[list[Record]], Any] | None
    schedule: Callable[[float], Any] | None

    def round(self, done: int) -> int:
        """The number of steps of the next round."""
        return self.every if self.steps is None else min(self.every, self.steps - done)

    def deadline(self, seconds: float) -> float:
        """The time on the clock at which the budget is used up."""
        return time.monotonic() + self.limit - seconds

    def rated(self, state: TrainState, done: int, seconds: float) -> TrainState:
        """The state with the learning rate of the used share of the budget."""
        if self.schedule is None:
            return state
        rate = self.schedule(min(max(done / (self.steps or np.inf), seconds / self.limit), 1.0))
        olds = [old for _, old in optax.tree.get_all_with_path(state.opt_state, "learning_rate")]
        if not olds or not all(hasattr(old, "dtype") for old in olds):
            raise ValueError(
                "expected an optimiser that keeps its learning rate in its state, such as "
                "optax.inject_hyperparams(optax.adam)(0.0), got one without, or with a schedule of "
                "its own"
            )
        try:
            new = np.broadcast_to(np.asarray(rate, olds[0].dtype), np.shape(olds[0]))
            if not np.isfinite(new).all():
                raise ValueError(rate)
        except (TypeError, ValueError):
            raise ValueError(
                f"expected schedule to give a rate, or one for each member, got {brief(rate)}"
            ) from None
        return state._replace(opt_state=optax.tree.set(state.opt_state, learning_rate=new))


def make_plan(
    steps: Any,
    epochs: Any,
    every: Any,
    evaluate: Any,
    patience: Any,
    stop: Any,
    schedule: Any,
    batches: Any,
) -> Plan:
    if epochs is not None:
        if steps is not None:
            raise ValueError(f"expected steps or epochs, got both: {steps!r} and {epochs!r}")
        every = per_epoch(batches) if every is None else every
        steps = check_positive("epochs", epochs) * per_epoch(batches)
    if steps is not None:
        steps = check_positive("steps", steps, least=0)
    endless = not hasattr(batches, "__next__")
    if steps is None and stop is None and patience is None and endless:
        raise ValueError("expected steps, epochs, stop or patience to end training, got none")
    if patience is not None and evaluate is None:
        raise ValueError(f"expected evaluate for a patience of {patience!r}, got None")
    if patience is not None:
        patience = check_positive("patience", patience)
    until = stop if callable(stop) else None
    limit = np.inf if stop is None or until else check_above("stop", stop)
    if schedule is not None:
        check_function("schedule", schedule, "optax.cosine_decay_schedule(0.1, 1)")
        if steps is None and limit == np.inf:
            raise ValueError("expected steps, epochs or a stop in seconds for schedule, got none")
    every = check_positive("eval_every", 100 if every is None else every)
    return Plan(steps, every, patience, limit, until, schedule)


def evaluation(step: Step, evaluate: Any, metrics: Any) -> Callable[[TrainState], Record]:
    """The held-out loss and metrics of a state as entries of a record."""
    if metrics is not None:
        check_metrics(metrics)
        if evaluate is None or (callable(evaluate) and not hasattr(evaluate, "once")):
            raise ValueError(
                f"expected held-out data for metrics, got evaluate={brief(evaluate)}; a function "
                "can give a dictionary of several metrics itself"
            )
    if evaluate is None:
        return lambda state: {}
    function = evaluate
    if not callable(evaluate) or hasattr(evaluate, "once"):
        objective: Any = getattr(step, "objective", None)
        if objective is None:
            raise ValueError(
                "expected a function of the state that evaluates, since this step does not know "
                f"its objective, got {type(evaluate).__name__}"
            )

        once(evaluate)  # refuses what is no data before any training

        def function(state: TrainState) -> Any:
            return evaluate_data(objective, state.params, evaluate, metrics=metrics)

    def entries(state: TrainState) -> Record:
        found = function(state)
        found = found if isinstance(found, Mapping) else {"loss": found}
        if "loss" not in found:
            raise ValueError(f"expected evaluate to give a 'loss', got {list(found)}")
        return {f"eval_{name}": _numbers(name, value) for name, value in found.items()}

    return entries


def _numbers(name: str, value: Any) -> Any:
    """A held-out quantity as plain numbers: one, or one a member."""
    try:
        array = np.asarray(jax.device_get(value))
        numeric = np.issubdtype(array.dtype, np.number) or array.dtype == bool
    except ValueError:  # ragged, such as a pair of a loss and a carry
        array, numeric = np.zeros(()), False
    if not numeric or array.ndim > 1:
        raise ValueError(
            f"expected evaluate to give a number for the {name}, or one for each member of an "
            f"ensemble, got {value!r}; does it return the loss alone?"
        )
    return np.asarray(array, np.float64).tolist()
