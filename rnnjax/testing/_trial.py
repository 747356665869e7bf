"""A cell with random arguments, run by the engine and step by step."""

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._core import Cell
from .._trees import inexact, is_inexact, pullback
from ..engine import initial_carry, scan
from ._arrays import at, cast, on_host, random_like

STEPS, BATCH = 5, 3
# Gaps at the start, in the middle and at the end, and a row without any valid step.
MASK = np.array([[0, 1, 1, 0, 1], [1, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool).T
# At a first valid step, in the middle, twice in a row, and on masked steps.
RESETS = np.array([[1, 1, 0, 1, 1], [0, 1, 1, 1, 0], [1, 0, 0, 1, 0]], bool).T


class Trial:
    """A cell with random arguments, all of them NumPy arrays, and its functions compiled once.

    Args:
        cell: the cell.
        input_size: number of input features, as for `cell.init`.
        context: for a cell with `takes_context`, with a batch in front.
        draw: draws inputs from a NumPy generator and the shape of the leading axes.
    """

    def __init__(self, cell: Cell, input_size: Any, context: Any, draw: Any):
        self.cell, self.input_size = cell, input_size
        self.context = on_host(cast(context, jnp.float64))
        self.draw = draw or partial(_draw_inputs, cell, input_size)
        drawn = jax.jit(lambda key: cell.init(key, input_size, dtype=jnp.float64))(
            jax.random.key(0)
        )
        params = random_like(0, on_host(drawn))
        self.params = jax.tree.map(lambda a: a / 2 if is_inexact(a) else a, params)
        self.prepare = jax.jit(self._prepare, static_argnums=2)
        self.pull_prepare = jax.jit(lambda *args: pullback(self._prepare, *args[:2])(args[2]))
        self.start = jax.jit(partial(initial_carry, cell), static_argnums=1)
        self.pull_start = jax.jit(lambda w, d: pullback(partial(initial_carry, cell), w)(d))
        self.step = jax.jit(cell.step)
        self.pull_step = jax.jit(lambda *args: pullback(cell.step, *args[:3])(args[3]))
        self.xs = on_host(self.draw(np.random.default_rng(1), (STEPS, BATCH)))
        self.carry = random_like(2, on_host(self.start(self.weights, (BATCH,))))

    def _prepare(self, params, context, batch_shape=()):
        return self.cell.prepare(params, context=context, batch_shape=batch_shape)

    @cached_property
    def weights(self) -> Any:
        """The weights of the batch."""
        return on_host(self.prepare(self.params, self.context, (BATCH,)))

    @cached_property
    def rows(self) -> list[Any]:
        """The weights of each row."""
        contexts = [at(self.context, row) for row in range(BATCH)]
        return [on_host(self.prepare(self.params, context)) for context in contexts]


def _draw_inputs(cell, input_size, rng, lead):
    if cell.num_feature_axes == 0:
        return rng.integers(0, input_size, lead)
    is_shape = cell.num_feature_axes > 1
    return jax.tree.map(
        lambda size: rng.standard_normal((*lead, *np.atleast_1d(size))),
        input_size,
        is_leaf=lambda a: is_shape and isinstance(a, tuple),
    )


def by_scan(trial: Trial, reverse: bool, method: Any = None, key: Any = None) -> Any:
    """Values of a scan with gaps, resets and NaN in the padding, and gradients of all of them."""

    def run(params, xs, carry, context):
        return scan(
            trial.cell,
            params,
            xs,
            carry,
            context=context,
            key=key,
            mask=jnp.asarray(MASK),
            resets=jnp.asarray(RESETS),
            reverse=reverse,
            method=method,
        )

    @jax.jit
    def pull(*args):
        out = run(*args)
        return out, pullback(run, *args)(inexact(random_like(4, out)))

    xs = jax.tree.map(_with_nan, trial.xs)
    return pull(trial.params, xs, trial.carry, trial.context)


def _with_nan(a: Any) -> Any:
    if not is_inexact(a):
        return a
    return np.where(np.expand_dims(MASK, tuple(range(2, a.ndim))), a, np.nan)


def by_steps(trial: Trial, reverse: bool) -> Any:
    """The expected result of `by_scan`: row by row, valid step by valid step."""
    rows = [_row_by_steps(trial, reverse, row) for row in range(BATCH)]
    finals, ys, pulls = zip(*rows, strict=True)
    out = _stack(finals), _stack(ys, axis=1)
    d_final, d_ys = map(inexact, random_like(4, out))
    pulled = [
        pull([d[row] for d in d_final], [d[:, row] for d in d_ys]) for row, pull in enumerate(pulls)
    ]
    d_params, d_xs, d_carry, d_context = zip(*pulled, strict=True)
    summed = [sum(each) for each in zip(*d_params, strict=True)]
    return out, (summed, _stack(d_xs, axis=1), _stack(d_carry), _stack(d_context))


def _row_by_steps(trial: Trial, reverse: bool, row: int) -> Any:
    """The final carry and outputs of one row, and the function that pulls gradients back."""
    weights, xs, carry = trial.rows[row], at(trial.xs, (slice(None), row)), at(trial.carry, row)
    fresh, ys, taken = on_host(trial.start(weights, ())), {}, []
    for t in reversed(range(STEPS)) if reverse else range(STEPS):
        if MASK[t, row]:
            entered = fresh if RESETS[t, row] else carry
            carry, ys[t] = on_host(trial.step(weights, entered, at(xs, t)))
            taken.append((t, entered))
    _, y = jax.eval_shape(trial.cell.step, weights, carry, at(xs, 0))
    zero = jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), y)

    def pull(d_carry, d_ys):
        d_weights, d_xs = _zeros(weights), _zeros(xs)
        for t, entered in reversed(taken):
            given = [*d_carry, *(d[t] for d in d_ys)]
            d_now, d_carry, d_x = trial.pull_step(weights, entered, at(xs, t), given)
            for total, d in zip(d_xs, d_x, strict=True):
                total[t] = d
            if RESETS[t, row]:
                (d_start,) = trial.pull_start(weights, d_carry)
                d_weights = [a + np.asarray(b) for a, b in zip(d_weights, d_start, strict=True)]
                d_carry = [np.zeros_like(d) for d in d_carry]
            d_weights = [a + np.asarray(b) for a, b in zip(d_weights, d_now, strict=True)]
        context = at(trial.context, row)
        d_params, d_context = on_host(trial.pull_prepare(trial.params, context, d_weights))
        return d_params, d_xs, on_host(d_carry), d_context

    return carry, _stack([ys.get(t, zero) for t in range(STEPS)]), pull


def _zeros(tree: Any) -> list:
    """Zeros for the arrays that have a derivative."""
    return [np.zeros(a.shape, a.dtype) for a in inexact(tree)]


def _stack(trees: Sequence, axis: int = 0) -> Any:
    return jax.tree.map(lambda *arrays: np.stack(arrays, axis), *trees)
