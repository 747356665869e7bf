"""Averages of parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from cases import stacked
from optimizer_runs import KEY, close, draws, records, run

from rnnjax.training import (
    NonMonotonicTrigger,
    average_of,
    clipped,
    optimizer_chain,
    polyak,
    train_state,
)


def mean_of(trees):
    return jax.tree.map(lambda *a: np.mean(a, axis=0, dtype=np.float64), *trees)


@pytest.mark.parametrize("start", [0, 1, 4])
def test_averaged_sgd_is_the_mean_since_the_start(start):
    params, *gradients = draws(8, 2)
    steps = run(clipped(polyak(optax.adam(0.5), 1.0, start=start)), params, gradients)
    plain = run(clipped(optax.adam(0.5)), params, gradients)
    trail = [params, *(p for p, _ in plain)]
    for step, (actual, state) in enumerate(steps, 1):
        close(actual, trail[step])  # averaging changes nothing
        close(average_of(state), mean_of(trail[start : step + 1] or [trail[step]]))


def test_the_moving_average_starts_as_a_mean():
    params, *gradients = draws(8, 2)
    steps = run(polyak(optax.adam(0.5), decay=0.75), params, gradients)
    expected = mean_of([p for p, _ in steps[:4]])  # 1 / (1 - 0.75) of them
    close(average_of(steps[3][1]), expected)
    for actual, state in steps[4:]:
        expected = jax.tree.map(lambda a, p: 0.75 * a + 0.25 * p, expected, actual)
        close(average_of(state), expected)


def test_an_average_counts_updates_not_gradients():
    params, *gradients = draws(9, 2)
    inner = polyak(optax.sgd(0.5), 1.0)
    steps = run(optimizer_chain(inner, accumulate=2, skip=1), params, gradients)
    close(average_of(steps[-1][1]), mean_of([p for p, _ in steps[1::2]]))
    nan = jax.tree.map(lambda g: g * np.nan, gradients[0])
    steps = run(optimizer_chain(inner, skip=1), params, [*gradients[:3], nan])
    close(average_of(steps[3][1]), mean_of([p for p, _ in steps[:3]]))


def test_averages_of_an_ensemble_are_those_of_its_members():
    random = np.random.default_rng(0)
    params, gradients = random.normal(size=(2, 3, 2)).astype(np.float32)
    optimizer = polyak(optax.sgd(0.5, momentum=0.9), 0.6)

    def train(params, gradient):
        return [average_of(state) for _, state in run(optimizer, params, [gradient] * 4)]

    alone = [train(p, g) for p, g in zip(params, gradients, strict=True)]
    close(jax.vmap(train)(params, gradients), stacked(alone))


def test_the_average_of_bfloat16_is_kept_in_float32():
    steps = run(polyak(optax.sgd(1.0)), jnp.ones(2, jnp.bfloat16), [jnp.ones(2, jnp.bfloat16)])
    assert average_of(steps[-1][1]).dtype == jnp.float32


def test_averages_that_are_none_are_refused():
    params = jnp.ones(2)
    with pytest.raises(ValueError, match="expected decay to be above 0 and at most 1, got 1.5"):
        polyak(optax.sgd(0.1), 1.5)
    with pytest.raises(ValueError, match=r"expected update\(gradient, state, params\), got no"):
        optimizer = polyak(optax.sgd(0.1))
        optimizer.update(params, optimizer.init(params))
    for optimizer, count in ((optax.sgd(0.1), 0), (polyak(polyak(optax.sgd(0.1))), 2)):
        with pytest.raises(ValueError, match=f"with one `polyak` in it, got {count}"):
            average_of(optimizer.init(params))


def start_of(state):
    return optax.tree.get(state.opt_state, "start")


def test_averaging_starts_when_the_loss_is_above_the_least_of_long_ago():
    optimizer = clipped(polyak(optax.sgd(1.0), 1.0, start=None))
    state = train_state(jnp.ones(2), optimizer, KEY)
    never = start_of(state)
    losses = [5.0, 4.0, 3.0, 3.5, 2.9, 3.1, 2.0, 9.0]
    callback, starts = NonMonotonicTrigger(rounds=2), []
    for rounds in range(1, 9):
        opt_state = optax.tree.set(state.opt_state, step=jnp.int32(10 * rounds))
        state = callback(state._replace(opt_state=opt_state), records(losses[:rounds]))
        starts.append(start_of(state))
    # 3.5 and 2.9 are above some of the last two, 3.1 is above the 3.0 of three rounds ago
    assert starts == [never] * 5 + [60] * 3
    with pytest.raises(ValueError, match="expected rounds to be a positive integer, got 0"):
        NonMonotonicTrigger(rounds=0)
    with pytest.raises(ValueError, match="with one `polyak` in it, got 0"):
        callback(train_state(jnp.ones(2), optax.sgd(1.0), KEY), records(losses))


def test_averaging_starts_for_each_member_and_includes_where_it_stood():
    optimizer = polyak(optax.sgd(1.0), 1.0, start=None)
    state = jax.vmap(lambda p: train_state(p, optimizer, KEY))(jnp.zeros((2, 1)))
    losses = [[3.0, 3.0], [2.0, 2.0], [1.0, 4.0]]
    update = jax.jit(jax.vmap(optimizer.update))
    params, opt_state = state.params, state.opt_state
    for rounds in range(1, 5):  # parameters -1, -2, -3, -4
        updates, opt_state = update(jnp.ones((2, 1)), opt_state, params)
        params = optax.apply_updates(params, updates)
        state = state._replace(opt_state=opt_state)
        opt_state = NonMonotonicTrigger(rounds=1)(state, records(losses[:rounds])).opt_state
    close(average_of(opt_state), [[-4.0], [-3.5]])
