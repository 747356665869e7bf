"""The loop around the training step, for those who do not want to write their own."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ._checkpoint import load_checkpoint, save_checkpoint
from ._display import Display
from ._finite import check_finite
from ._history import Record, improved, rounds_without_improvement, write_lines
from ._step import Metrics, Step, TrainState

Batches = Iterable[Any] | Callable[[int], Any]
Callback = Callable[[TrainState, list[Record]], TrainState | None]


class Fit(NamedTuple):
    """What `fit` returns.

    Attributes:
        state: the state after the last step.
        best: the state with the lowest held-out loss (of an ensemble, each member's); the last
            one where nothing is evaluated.
        history: a record a round: step, mean loss and gradient norm since the round before,
            held-out loss, seconds.

    Examples:
        >>> Fit(state=None, best=None, history=[]).history
        []
    """

    state: Any
    best: Any
    history: list[Record]


def fit(
    step: Step,
    state: TrainState,
    batches: Batches,
    *,
    steps: int,
    every: int = 100,
    evaluate: Callable[[TrainState], Any] | None = None,
    after: Sequence[Callback] = (),
    patience: int | None = None,
    folder: str | Path | None = None,
    keep: int = 3,
) -> Fit:
    """Trains in rounds of `every` steps.

    At the end of a round the metrics are averaged, the held-out loss is taken, the callbacks
    run, and the checkpoint is written. A run that was stopped in any way, `kill -9` too, goes on
    from its last checkpoint when it is called again, and ends bit for bit where an uninterrupted
    one ends. On a terminal it shows its progress; elsewhere it is quiet.

    Args:
        step: the training step, from `train_step`; for an ensemble, `ensemble_step` of it.
        state: the state to start from; ignored in favour of the checkpoint, if there is one.
        batches: a function of the number of steps done; or an iterable, of which a resumed run
            passes over as many as it has seen. A collection, such as a list, is gone through
            again and again; an iterator that ends, ends the training.
        steps: number of steps in all.
        every: number of steps of a round.
        evaluate: a function of the state that gives the held-out loss; of an ensemble, `[N]`.
        after: functions of the state and the history, called after each round; each may give
            another state to go on with. They should depend on nothing else.
        patience: number of rounds without a lower held-out loss after which to stop.
        folder: where checkpoints and `metrics.jsonl` go; by default nothing is written.
        keep: number of checkpoints to keep.

    Raises:
        FloatingPointError: if the loss is NaN or infinite, with a report of where that began.
            An ensemble goes on while any member is finite.
        ValueError: if arguments do not fit together, or the checkpoint is damaged or foreign.

    Examples:
        >>> import optax, rnnjax
        >>> from rnnjax.training import SequenceObjective, squared_error, train_state, train_step
        >>> model = rnnjax.layers.RNN(rnnjax.GRU(1))
        >>> optimizer, key = optax.adam(1e-2), jax.random.key(0)
        >>> step = train_step(SequenceObjective(model, squared_error), optimizer)
        >>> state = train_state(model.init(key, 2), optimizer, key)
        >>> data = [rnnjax.training.Batch(jnp.ones((4, 5, 2)), jnp.ones((4, 5, 1)))]
        >>> [record["step"] for record in fit(step, state, data, steps=30, every=10).history]
        [10, 20, 30]
    """
    _check(steps=steps, every=every, patience=patience, evaluate=evaluate)
    run = _resumed(Fit(state, state, []), folder)
    done, seconds = (run.history[-1][n] if run.history else 0 for n in ("step", "seconds"))
    feed = _from(batches, done)
    with Display(steps, done) as display:
        while not _finished(run, steps, patience):
            start, some = time.monotonic(), islice(feed, min(every, steps - done))
            state, metrics = _steps(step, run.state, some, done, display)
            if not metrics:
                break
            held_out = {} if evaluate is None else {"held_out": _plain(evaluate(state))}
            done, seconds = done + len(metrics), seconds + time.monotonic() - start
            record = {"step": done, **_means(metrics), **held_out, "seconds": seconds}
            run = _advanced(run, state, record, after)
            display.round(record)
            _write(run, folder, keep)
    return run


def _check(*, steps: int, every: int, patience: int | None, evaluate: Any) -> None:
    if steps < 0 or every < 1:
        raise ValueError(
            f"expected steps to be at least 0 and every at least 1, got {steps} and {every}"
        )
    if patience is not None and (evaluate is None or patience < 1):
        raise ValueError(
            f"expected patience to be at least 1, with a function that evaluates, got {patience} "
            f"and evaluate={evaluate!r}"
        )


def _finished(run: Fit, steps: int, patience: int | None) -> bool:
    if not run.history:
        return steps == 0
    stale = patience is not None and rounds_without_improvement(run.history) >= patience
    return stale or run.history[-1]["step"] >= steps


def _from(batches: Batches, position: int) -> Iterator[Any]:
    """The batches from a position on."""
    if callable(batches):
        return map(batches, count(position))
    return islice(_endless(batches), position, None)


def _endless(batches: Iterable[Any]) -> Iterator[Any]:
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty or iter(batches) is batches:
            return


def _steps(
    step: Step, state: TrainState, batches: Iterable[Any], done: int, display: Display
) -> tuple[TrainState, list[Metrics]]:
    """A round of steps. Each is looked at while the next one runs, so that no device waits."""
    metrics: list[Metrics] = []
    last = None
    for batch in batches:
        before = state
        state, now = step(before, batch)
        if last is not None:
            check_finite(*last)
        last = (done + len(metrics) + 1, before, batch, now, state)
        metrics.append(now)
        display.advance()
    if last is not None:
        check_finite(*last)
    return state, metrics


def _means(metrics: list[Metrics]) -> Record:
    """The mean of each metric over a round, as plain numbers; of an ensemble, lists."""
    host = jax.device_get(metrics)
    watched = {name: [m.watched[name] for m in host] for name in host[0].watched}
    columns = {"loss": [m.loss for m in host], "gradient_norm": [m.gradient_norm for m in host]}
    return {name: _plain(_mean(np.stack(entries))) for name, entries in (columns | watched).items()}


def _mean(entries: np.ndarray) -> np.ndarray:
    """The mean over steps of what is finite: a step that the optimizer skipped does not count."""
    finite = np.isfinite(entries)
    count = finite.sum(axis=0)
    total = np.where(finite, entries, 0).sum(axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _plain(numbers: Any) -> Any:
    return np.asarray(jax.device_get(numbers), np.float64).tolist()


def _advanced(run: Fit, state: TrainState, record: Record, after: Sequence[Callback]) -> Fit:
    history = [*run.history, record]
    best = _better(improved(history), state, run.best) if "held_out" in record else state
    for callback in after:
        changed = callback(state, history)
        state = state if changed is None else changed
    return Fit(state, best, history)


def _better(is_better: Any, state: TrainState, best: TrainState) -> TrainState:
    if is_better.ndim == 0:
        return state if is_better else best

    def choose(new, old):
        return jnp.where(is_better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return jax.tree.map(choose, state, best)


def _resumed(run: Fit, folder: str | Path | None) -> Fit:
    """The run as it was when it was stopped."""
    arrays = jax.tree.map(jnp.asarray, {"state": run.state, "best": run.best})
    found = None if folder is None else load_checkpoint(folder, arrays)
    if found is None:
        return Fit(**arrays, history=[])
    return Fit(**found[0], history=found[1])


def _write(run: Fit, folder: str | Path | None, keep: int) -> None:
    if folder is None:
        return
    arrays = {"state": run.state, "best": run.best}
    save_checkpoint(folder, run.history[-1]["step"], arrays, run.history, keep=keep)
    if jax.process_index() == 0:
        write_lines(Path(folder) / "metrics.jsonl", run.history)
