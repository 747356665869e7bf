"""All learning rates and seeds of a cell on a task: one ensemble, trained in one program.

The number of updates is fixed after the first ones are timed, so that the learning rate falls to
zero, as a cosine, when the budget ends. Times are CPU seconds of this process.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnnjax.layers import Layer
from rnnjax.training import SequenceObjective, clipped, ensemble_step, train_state, train_step

from .networks import network, units
from .problem import Problem, chunks
from .tasks import TASKS

RATES = (3e-3, 1e-2, 3e-2)
SEEDS = 5
BATCH = 8  # sequences of an update
ROUNDS = 5  # validations in a run; the best state of each member is kept
TIMED = 3  # updates
CHUNK = 64  # sequences of one call in evaluation

Score = Callable[[Any], np.ndarray]  # the error of every member; lower is better


class Run(NamedTuple):
    """An ensemble at the end of its budget.

    Attributes:
        params: those of every member at its lowest validation error.
        valid: that error; infinite where the last one is not a number.
        updates: number of updates.
        ms: CPU time of an update of all members, in milliseconds.
        seconds: CPU time of training and validation.
    """

    params: Any
    valid: np.ndarray
    updates: int
    ms: float
    seconds: float


@optax.inject_hyperparams
def optimizer(rate, updates):
    """Adam with clipped gradients and a rate that falls to zero as a cosine."""
    return clipped(optax.adam(lambda count: rate * (1 + jnp.cos(jnp.pi * count / updates)) / 2))


def train(cell: str, task: str, seconds: float) -> list[dict[str, Any]]:
    """The rows of the record: every seed at the rate with the best mean on validation."""
    problem, sign = TASKS[task].load(), -1 if TASKS[task].higher else 1
    model = network(cell, problem)
    score = scores(model, problem, sign)
    valid, test = (chunks(part, CHUNK) for part in (problem.valid, problem.test))
    step, states = ensemble(model, problem)
    data = jax.tree.map(jnp.asarray, problem.train)
    run = budgeted(step, states, data, lambda params: score(params, valid), seconds)
    by_rate = run.valid.reshape(len(RATES), SEEDS)
    tested = score(run.params, test).reshape(by_rate.shape)
    rate = best_rate(by_rate)
    common = {
        "cell": cell,
        "task": task,
        "rate": RATES[rate],
        "units": units(cell),
        "parameters": sum(a[0].size for a in jax.tree.leaves(run.params)),
        "updates": run.updates,
        "ms": run.ms,
        "seconds": run.seconds,
    }
    rows = []
    for seed in range(SEEDS):
        finite = np.isfinite(by_rate[rate, seed])
        end = {"value": sign * float(tested[rate, seed])} if finite else {"failed": "diverged"}
        rows.append(common | {"seed": seed} | end)
    return rows


def best_rate(valid: np.ndarray) -> int:
    """The rate with the fewest failures, and of these the one with the lowest mean error."""
    finite = np.isfinite(valid)
    counts = finite.sum(1)
    means = np.where(finite, valid, 0).sum(1) / np.maximum(counts, 1)
    return min(range(len(valid)), key=lambda rate: (-counts[rate], means[rate]))


def baselines(task: str) -> list[dict[str, Any]]:
    """The rows of what needs no network."""
    common = {"source": "trivial", "task": task}
    found = TASKS[task].load().baselines()
    return [{"cell": name} | common | {"value": value} for name, value in found.items()]


def ensemble(model: Layer, problem: Problem) -> tuple[Any, Any]:
    """The compiled step of all rates and seeds, and their states.

    A seed has the same initial parameters and the same batches at all rates.
    """
    inner = SequenceObjective(model, problem.loss)

    def objective(params, carry, train, key):
        return inner(params, carry, problem.draw(train, key, BATCH), key)

    rule = optimizer(0.0, 1.0)
    size = None if problem.vocabulary else problem.valid.inputs.shape[-1]

    # It runs once, and optimising its draws would take up to 20 seconds.
    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    @jax.vmap
    def start(key):
        key_params, key_draws = jax.random.split(key)
        return train_state(model.init(key_params, size), rule, key_draws)

    states = start(jnp.tile(jax.random.split(jax.random.key(0), SEEDS), len(RATES)))
    rates = jnp.repeat(jnp.array(RATES), SEEDS)
    # The number is an array from the start, so that to set it compiles nothing.
    states = optax.tree.set(states, rate=rates, updates=jnp.ones_like(rates))
    return ensemble_step(train_step(objective, rule)), states


def scores(model: Layer, problem: Problem, sign: int) -> Callable[[Any, list], np.ndarray]:
    """The error of every member over a list of batches."""
    measure = problem.measure or problem.loss

    @jax.jit
    def totals(params, batch):
        def one(params):
            _, outputs = model.apply(params, batch.inputs)
            return measure.total(outputs, batch.targets, batch.loss_mask)

        return jax.vmap(one)(params)

    def score(params, batches):
        sums, counts = zip(*(totals(params, batch) for batch in batches), strict=True)
        return sign * problem.scale * np.sum(sums, axis=0) / np.sum(counts, axis=0)

    return score


def budgeted(step: Any, states: Any, train: Any, score: Score, seconds: float) -> Run:
    """Trains for so many seconds, validations included, after compiling."""

    def advance(states, count):
        began = time.process_time()
        for _ in range(count):
            states, _ = step(states, train)
        jax.block_until_ready(states)
        return states, time.process_time() - began

    advance(states, 1)
    score(states.params)  # both are compiled now
    each = advance(states, TIMED)[1] / TIMED
    began = time.process_time()
    error = score(states.params)
    left = seconds - ROUNDS * (time.process_time() - began)
    updates = max(int(left / each), ROUNDS)
    states = optax.tree.set(states, updates=jnp.full(len(error), updates, jnp.float32))
    params, best, spent = states.params, np.full(len(error), np.inf), 0.0
    began = time.process_time()
    for number in range(ROUNDS):
        count = updates * (number + 1) // ROUNDS - updates * number // ROUNDS
        states, taken = advance(states, count)
        spent, error = spent + taken, score(states.params)
        params = _chosen(error < best, states.params, params)
        best = np.fmin(best, error)
    best = np.where(np.isfinite(error), best, np.inf)
    return Run(params, best, updates, 1000 * spent / updates, time.process_time() - began)


@jax.jit
def _chosen(better: Any, new: Any, old: Any) -> Any:
    """The new leaves of members that are better, the old ones of the others."""

    def leaf(new, old):
        return jnp.where(better.reshape(-1, *(1,) * (new.ndim - 1)), new, old)

    return jax.tree.map(leaf, new, old)
