"""The loop around the training step: a function to use, to read, or to replace."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import brief, check_flag, check_function, check_positive
from ._checkpoint import check_folder, load_checkpoint, save_checkpoint
from ._display import Display
from ._feed import Source, from_position
from ._finite import check_finite
from ._history import Record, improved, rounds_without_improvement, write_lines
from ._identity import Identity, check_identity, only_writer
from ._plan import Plan, evaluation, make_plan
from ._step import Metrics, Step, TrainState, num_parameters

Callback = Callable[[TrainState, list[Record]], TrainState | None]
Stop = float | Callable[[list[Record]], bool]


class Fit(NamedTuple):
    """The result of `fit`."""

    state: Any  # after the last step
    best: Any  # with the lowest held-out loss (of an ensemble, each member's), else the last
    history: list[Record]  # a record a round

    def __repr__(self) -> str:
        last = self.history[-1] if self.history else {"step": 0}
        losses = [f"{name}={last[name]}" for name in ("loss", "eval_loss") if name in last]
        count = num_parameters(getattr(self.state, "params", ()))
        parts = [f"steps={last['step']}", *losses, f"parameters={count:,}"]
        return f"Fit({', '.join(parts)})"


def fit(
    step: Step,
    state: TrainState,
    batches: Source,
    *,
    steps: int | None = None,
    epochs: int | None = None,
    eval_every: int | None = None,
    evaluate: Any = None,
    metrics: Mapping[str, Callable] | None = None,
    callbacks: Sequence[Callback] = (),
    patience: int | None = None,
    stop: Stop | None = None,
    schedule: Callable[[float], Any] | None = None,
    checkpoint_dir: str | Path | None = None,
    keep: int = 3,
    quiet: bool = False,
) -> Fit:
    """Trains in rounds of `eval_every` steps.

    At the end of a round the metrics are averaged, the held-out loss is taken, the callbacks
    run, and the checkpoint is written. A run that was stopped in any way, `kill -9` too, goes on
    from its last checkpoint when it is called again, and ends bit for bit where an uninterrupted
    one ends. It says so, and refuses another objective, optimiser or data. Progress is shown as
    a bar on a terminal, as a line a round elsewhere.

    Args:
        step: the training step, from `train_step`; for an ensemble, `ensemble_step` of it.
        state: the state to start from. A resumed run has the checkpoint's instead, and compares
            the key and other scalars of both.
        batches: a `Batch` or a pair of arrays `(inputs, targets)`, used at every step; a function
            of the number of steps done, such as `shuffled(…)`; or an iterable. A list is cycled;
            an iterator ends training when exhausted. A resumed run skips the batches already
            used.
        steps: number of steps in all.
        epochs: number of epochs instead, for data that knows its epoch.
        eval_every: number of steps of a round; by default an epoch if `epochs` is given, else 100.
        evaluate: held-out data, as for `training.evaluate`; or a function of the state that gives
            the held-out loss (of an ensemble, `[N]`), or a dictionary of it as "loss" and of
            further metrics.
        metrics: further functions of predictions and targets by name, for held-out data.
        callbacks: functions of the state and the history, called after each round; each may give
            another state to go on with. They should depend on nothing else.
        patience: number of rounds without a lower held-out loss after which to stop.
        stop: a time budget in seconds, evaluation included, or a function of the history that
            says after a round whether to stop.
        schedule: the learning rate by the used share of the budget, from 0 to 1: of the steps, of
            the seconds, or the larger of both. The optimiser must keep its rate in its state, as
            `optax.inject_hyperparams(optax.adam)(0.0)` does. Of an ensemble, one rate or `[N]`.
        checkpoint_dir: where checkpoints and `metrics.jsonl` go; by default nothing is written.
        keep: number of checkpoints to keep.
        quiet: whether to show nothing.

    Returns:
        The last and the best state, and the history: for each round the step, the mean loss and
        gradient norm, `eval_loss` and other `eval_…`, and the seconds since the start.

    Raises:
        FloatingPointError: if the loss is NaN or infinite, with a report of where that began.
            An ensemble goes on while any member is finite.
        ValueError: if arguments do not fit together or there is no batch; or if the checkpoint
            is damaged, of another run, or in use by another process.

    Examples:
        >>> import optax, rnnjax
        >>> from rnnjax.losses import squared_error
        >>> from rnnjax.training import SequenceObjective, train_state, train_step
        >>> model = rnnjax.layers.RNN(rnnjax.GRU(1))
        >>> optimizer, key = optax.adam(1e-2), jax.random.key(0)
        >>> step = train_step(SequenceObjective(model, squared_error), optimizer)
        >>> state = train_state(model.init(key, 2), optimizer, key)
        >>> data = jnp.ones((4, 5, 2)), jnp.ones((4, 5, 1))
        >>> run = fit(step, state, data, steps=30, eval_every=10, quiet=True)
        >>> [record["step"] for record in run.history]
        [10, 20, 30]
    """
    if not callable(step) or not isinstance(state, TrainState):
        raise ValueError(
            "expected a training step, from train_step, and a state, from train_state, got "
            f"{type(step).__name__} and {type(state).__name__}"
        )
    plan = make_plan(steps, epochs, eval_every, evaluate, patience, stop, schedule, batches)
    held_out = evaluation(step, evaluate, metrics)
    if isinstance(callbacks, str) or not isinstance(callbacks, Sequence):
        raise ValueError(f"expected callbacks to be a list of functions, got {brief(callbacks)}")
    for callback in callbacks:
        check_function("every callback", callback, "ReduceOnPlateau()")
    keep = check_positive("keep", keep)
    folder = None if checkpoint_dir is None else check_folder(checkpoint_dir)
    quiet = check_flag("quiet", quiet) or jax.process_index() != 0
    with nullcontext() if folder is None else only_writer(folder):
        run, feed, identity = _resumed(step, Fit(state, state, []), batches, folder)
        done, seconds = _done(run), run.history[-1]["seconds"] if run.history else 0
        with Display(plan.steps, done, quiet=quiet) as display:
            if folder is not None and run.history:
                display.say(_resuming(folder, done, _finished(run, plan)))
            while not _finished(run, plan):
                start, some = time.monotonic(), islice(feed, plan.round(done))
                state, reports, last = _steps(step, run.state, some, done, seconds, plan, display)
                if not reports:
                    break
                done = done + len(reports)
                record = {"step": done, **_means(reports), **held_out(state)}
                record["seconds"] = seconds = seconds + time.monotonic() - start
                run = _advanced(run, state, record, callbacks)
                display.round(record)
                _write(run, folder, keep, identity, last)
    return run


def _done(run: Fit) -> int:
    return run.history[-1]["step"] if run.history else 0


def _finished(run: Fit, plan: Plan) -> bool:
    done, history = _done(run), run.history
    if plan.steps is not None and done >= plan.steps:
        return True
    if not history:
        return False
    if plan.patience is not None and rounds_without_improvement(history) >= plan.patience:
        return True
    if plan.until is not None and plan.until(history):
        return True
    return history[-1]["seconds"] >= plan.limit


def _steps(
    step: Step,
    state: TrainState,
    batches: Iterable[Any],
    done: int,
    seconds: float,
    plan: Plan,
    display: Display,
) -> tuple[TrainState, list[Metrics], Any]:
    """A round of steps. Each is checked while the next one runs, so that no device waits."""
    reports: list[Metrics] = []
    last, batch = None, None
    began, deadline = time.monotonic(), plan.deadline(seconds)
    for batch in batches:
        used = seconds + time.monotonic() - began
        before = plan.rated(state, done + len(reports), used)
        state, report = step(before, batch)
        if last is not None:
            check_finite(*last)
        last = (done + len(reports) + 1, before, batch, report, state)
        reports.append(report)
        display.advance()
        if time.monotonic() >= deadline:
            break
    if last is not None:
        check_finite(*last)
    return state, reports, batch


def _means(reports: list[Metrics]) -> Record:
    """The mean of each metric over a round, as plain numbers; of an ensemble, lists."""
    host = jax.device_get(reports)
    watched = {name: [m.watched[name] for m in host] for name in host[0].watched}
    columns = {"loss": [m.loss for m in host], "gradient_norm": [m.gradient_norm for m in host]}
    return {
        name: _mean(np.stack(entries)).tolist() for name, entries in (columns | watched).items()
    }


def _mean(entries: np.ndarray) -> np.ndarray:
    """The mean over steps of what is finite: a step that the optimizer skipped does not count."""
    finite = np.isfinite(entries)
    count = finite.sum(axis=0)
    total = np.where(finite, entries, 0).sum(axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _advanced(run: Fit, state: TrainState, record: Record, callbacks: Sequence[Callback]) -> Fit:
    history = [*run.history, record]
    best = _better(improved(history), state, run.best) if "eval_loss" in record else state
    for callback in callbacks:
        changed = callback(state, history)
        state = state if changed is None else changed
    return Fit(state, best, history)


def _better(is_better: Any, state: TrainState, best: TrainState) -> TrainState:
    if is_better.ndim == 0:
        return state if is_better else best

    def choose(new, old):
        return jnp.where(is_better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return jax.tree.map(choose, state, best)


def _resumed(step: Step, run: Fit, batches: Source, folder: Path | None) -> tuple:
    """The run as it was when it was stopped, the batches that are left, and its identity."""
    arrays = jax.tree.map(jnp.asarray, {"state": run.state, "best": run.best})
    identity = None if folder is None else Identity(step, arrays["state"])
    found = None if folder is None else load_checkpoint(folder, arrays)
    run = Fit(**arrays, history=[])
    if found is not None:
        run = Fit(**found[0], history=found[1]["history"])
    done = _done(run)
    feed = from_position(batches, max(done - 1, 0))
    first = next(feed, None)
    if first is None and not done:
        raise ValueError("expected at least one batch, got none")
    if folder is not None and identity and found is not None and first is not None:
        check_identity(found[1]["identity"], identity.of(first), folder)
    return run, feed if done else chain([first], feed), identity


def _resuming(folder: Path, done: int, finished: bool) -> str:
    if finished:
        return f"already finished at step {done}: nothing to do in {folder}"
    return f"resuming at step {done} from {folder}"


def _write(run: Fit, folder: Path | None, keep: int, identity: Any, last: Any) -> None:
    """Writes the checkpoint of a round that ended with the batch `last`."""
    if folder is None:
        return
    record = {"history": run.history, "identity": identity.of(last)}
    arrays = {"state": run.state, "best": run.best}
    save_checkpoint(folder, run.history[-1]["step"], arrays, record, keep=keep)
    if jax.process_index() == 0:
        write_lines(folder / "metrics.jsonl", run.history)
