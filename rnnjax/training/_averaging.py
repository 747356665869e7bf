"""Averages of the parameters over training, which often generalise better than the last ones."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int, PyTree

from .._checks import check_number, check_positive
from .._static import Static
from ..losses._masked import at_least_float32
from ._history import held_out_losses
from ._schedules import members
from ._step import check_optimizer

_NEVER = np.iinfo(np.int32).max


class PolyakState(NamedTuple):
    """The state of `polyak`.

    Attributes:
        inner: the state of the optimiser within.
        average: the average so far, in at least float32; before the start, the parameters.
        step: number of updates done.
        start: the update after which the parameters first count.

    Examples:
        >>> polyak(optax.sgd(0.1)).init(jnp.ones(2)).average
        Array([1., 1.], dtype=float32)
    """

    inner: PyTree
    average: PyTree
    step: Int[Array, ""]
    start: Int[Array, ""]


def polyak(
    optimizer: optax.GradientTransformation, decay: float = 0.999, *, start: int | None = 1
) -> optax.GradientTransformationExtraArgs:
    """`optimizer`, with an average of the parameters kept in its state; `average_of` reads it.

        a' = (1 - r) a + r p',  r = max(1 - decay, 1 / n),  n = step - start + 1

    The first `1 / (1 - decay)` iterates are averaged uniformly, so the start leaves no bias;
    then the average is exponential. Anything that rescales updates must be inside `optimizer`.

    Args:
        optimizer: any Optax optimiser.
        decay: what is kept of the average at an update. With 1 it is the mean of all
            parameters since the start: averaged SGD.
        start: the update after which the parameters first count; with `None`,
            `NonMonotonicTrigger` decides.

    Raises:
        ValueError: if `decay` is not above 0 and at most 1.

    Examples:
        >>> optimizer = polyak(optax.sgd(1.0), decay=1.0)
        >>> params = jnp.array(5.0)
        >>> state = optimizer.init(params)
        >>> for _ in range(2):  # to 4, and to 3
        ...     updates, state = optimizer.update(jnp.array(1.0), state, params)
        ...     params = optax.apply_updates(params, updates)
        >>> average_of(state)
        Array(3.5, dtype=float32)

    Reference:
        B. Polyak, A. Juditsky, Acceleration of stochastic approximation by averaging, SIAM
        Journal on Control and Optimization 30, 1992.
    """
    check_optimizer(optimizer)
    if not 0 < (decay := check_number("decay", decay)) <= 1:
        raise ValueError(f"expected decay to be above 0 and at most 1, got {decay!r}")
    if start is not None:
        start = check_positive("start", start, least=0)
    inner = optax.with_extra_args_support(optimizer)

    def init(params):
        average = jax.tree.map(lambda p: at_least_float32(jnp.asarray(p)), params)
        first = jnp.asarray(_NEVER if start is None else start, jnp.int32)
        return PolyakState(inner.init(params), average, jnp.zeros_like(first), first)

    def update(updates, state, params=None, **extra):
        if params is None:
            raise ValueError("expected update(gradient, state, params), got no params to average")
        updates, inner_state = inner.update(updates, state.inner, params, **extra)
        step = state.step + 1
        rate = jnp.maximum(1 - decay, 1 / jnp.maximum(step - state.start + 1, 1))

        def mean(average, new):
            return ((1 - rate) * average + rate * new).astype(average.dtype)

        average = jax.tree.map(mean, state.average, optax.apply_updates(params, updates))
        return updates, PolyakState(inner_state, average, step, state.start)

    return optax.GradientTransformationExtraArgs(init, update)


def average_of(opt_state: PyTree) -> PyTree:
    """The average of the parameters that `polyak` keeps somewhere in an optimiser's state.

    Until the average starts, it is the parameters.

    Raises:
        ValueError: if there is no `polyak` in the optimiser, or more than one.

    Examples:
        >>> from rnnjax.training import clipped
        >>> average_of(clipped(polyak(optax.adam(1e-3))).init(jnp.ones(2)))
        Array([1., 1.], dtype=float32)
    """
    return _averaged_state(opt_state).average


class NonMonotonicTrigger(Static):
    """Starts an average once held-out loss stops falling: NT-ASGD, as AWD-LSTM is trained.

    A callback of `fit`, for an optimiser with `polyak(optax.sgd(…), 1.0, start=None)`. The
    average starts for good when the held-out loss is above the least of those more than
    `rounds` rounds ago. For an ensemble, every member has a loss and a start of its own.

    Variant: as in the conference's version of the paper and the authors' code; in its first
    version the loss is compared with the last ones instead.

    Args:
        rounds: number of rounds whose losses are left out of the comparison.

    Raises:
        ValueError: if `rounds` is not a positive integer.

    Examples:
        >>> from rnnjax.training import train_state
        >>> optimizer = polyak(optax.sgd(1.0), 1.0, start=None)
        >>> state = train_state(jnp.ones(2), optimizer, jax.random.key(0))
        >>> history = [{"eval_loss": x} for x in (1.0, 3.0, 2.0)]
        >>> state = NonMonotonicTrigger(rounds=1)(state, history)
        >>> state.opt_state.start
        Array(0, dtype=int32)

    Reference:
        S. Merity, N. Keskar, R. Socher, Regularizing and optimizing LSTM language models,
        ICLR 2018, algorithm 1.
    """

    _: KW_ONLY
    rounds: int = 5

    def __call__(self, state: Any, history: list) -> Any:
        *before, last = held_out_losses(history)
        if len(before) <= self.rounds:
            return state
        own = _averaged_state(state.opt_state)
        worse = members(last > np.min(before[: -self.rounds], axis=0), own.start)
        start = jnp.where(worse & (own.start > own.step), own.step, own.start)
        opt_state = optax.tree.set(state.opt_state, PolyakState=own._replace(start=start))
        return state._replace(opt_state=opt_state)


def _averaged_state(opt_state: PyTree) -> PolyakState:
    found = optax.tree.get_all_with_path(opt_state, "PolyakState")
    if len(found) != 1:
        raise ValueError(
            f"expected the state of an optimiser with one `polyak` in it, got {len(found)}"
        )
    return found[0][1]
