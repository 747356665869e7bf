"""Diagnostics, for every cell, against loops and finite differences; closed forms."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import at, each_case, random_carry, random_inputs, random_params
from draws import total
from jax.flatten_util import ravel_pytree

from rnnjax.diagnostics import (
    gradient_flow,
    lyapunov_exponents,
    memory_horizon,
    step_jacobians,
)

T, LENGTHS = 3, (2, 0, 3)
KEY = jax.random.key(0)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def drawn(case):
    """Random parameters, inputs with garbage in the padding, carry, lengths, and the sequences."""
    params, xs = random_params(case), random_inputs(case, T, len(LENGTHS))
    carry = random_carry(case, params, len(LENGTHS))
    valid = np.arange(T)[:, None] < np.array(LENGTHS)
    garbage = jax.tree.map(lambda x: jnp.where(valid[..., None], x, jnp.nan), xs)
    each = [(n, at(xs, (slice(n), i)), at(carry, i)) for i, n in enumerate(LENGTHS)]
    return (params, garbage, carry), {"lengths": jnp.array(LENGTHS)}, each


def walk(cell, params, carry, xs):
    """The carries that enter the steps, and the outputs, by a loop."""
    carries, ys = [], []
    for t in range(jax.tree.leaves(xs)[0].shape[0]):
        carries.append(carry)
        carry, y = cell.step(params, carry, at(xs, t))
        ys.append(y)
    return carries, ys


def padded(rows, steps=T, value=0.0):
    """Rows for the valid steps, and `value` for the others."""
    rows = np.asarray(rows)
    rest = np.full((steps - len(rows), *rows.shape[1:]), value)
    return np.concatenate([rows, rest]) if len(rows) else rest


@each_case
def test_gradient_flow_equals_the_gradient_in_each_carry(case, drawn):
    args, lengths, each = drawn

    @jax.jit
    def by_hand(params, carry, xs):
        def rest(t, carry):
            return total(walk(case.cell, params, carry, at(xs, slice(t, None)))[1])

        carries, _ = walk(case.cell, params, carry, xs)
        return [jax.grad(partial(rest, t))(c) for t, c in enumerate(carries)]

    @jax.jit
    def flow(params, xs, carry, lengths):
        return gradient_flow(case.cell, params, xs, total, carry, lengths=lengths)

    actual = flow(*args, **lengths)
    for i, (n, xs, carry) in enumerate(each):
        gradients = by_hand(args[0], carry, xs) if n else []
        everything = [np.linalg.norm(ravel_pytree(g)[0]) for g in gradients]
        np.testing.assert_allclose(actual["all"][:, i], padded(everything), rtol=1e-11)
        parts = [[np.linalg.norm(leaf) for leaf in jax.tree.leaves(g)] for g in gradients]
        parts = padded(np.array(parts).reshape(-1, len(jax.tree.leaves(carry)))).T
        if len(parts) > 1:
            names = [name for name in actual if name != "all"]
            found = sorted(np.array([actual[name][:, i] for name in names]).tolist())
            np.testing.assert_allclose(found, sorted(parts.tolist()), rtol=1e-11)


@each_case
def test_step_jacobians_equal_finite_differences(case, drawn):
    args, lengths, each = drawn
    actual = jax.jit(partial(step_jacobians, case.cell))(*args, **lengths)

    @jax.jit
    def moved(carry, x):
        vector, back = ravel_pytree(carry)
        step = jax.vmap(lambda v: ravel_pytree(case.cell.step(args[0], back(v), x)[0])[0])
        small = 1e-6 * jnp.eye(vector.size)
        return (step(vector + small) - step(vector - small)).T / 2e-6

    for i, (n, xs, carry) in enumerate(each):
        carries, _ = walk(case.cell, args[0], carry, xs)
        for t, c in enumerate(carries):
            np.testing.assert_allclose(actual[t, i], moved(c, at(xs, t)), atol=1e-8)
        for t in range(n, T):
            np.testing.assert_array_equal(actual[t, i], np.eye(actual.shape[-1]))


@each_case
def test_memory_horizon_equals_the_jacobian_of_a_loop(case, drawn):
    args, lengths, each = drawn
    actual = jax.jit(partial(memory_horizon, case.cell))(*args, **lengths)

    @jax.jit
    def by_hand(params, carry, xs):
        def last(xs):
            return ravel_pytree(walk(case.cell, params, carry, xs)[1][-1])[0]

        jacobian = jax.tree.leaves(jax.jacfwd(last)(xs))
        return jnp.sqrt(sum(jnp.square(part).sum((0, -1)) for part in jacobian))

    for i, (n, xs, carry) in enumerate(each):
        expected = padded(by_hand(args[0], carry, xs) if n else [])
        np.testing.assert_allclose(actual[:, i], expected, rtol=1e-11, atol=1e-14)


@each_case
def test_lyapunov_exponents_together_are_the_growth_of_volume(case, drawn):
    args, lengths, each = drawn
    jacobians = jax.jit(partial(step_jacobians, case.cell))(*args, **lengths)
    size = jacobians.shape[-1]
    run = partial(lyapunov_exponents, case.cell, key=KEY, count=size)
    actual = jax.jit(run)(*args, **lengths)
    chex.assert_shape(actual, (T, len(LENGTHS), size))
    for i, (n, *_) in enumerate(each):
        for t in range(T):
            volume = np.prod(abs(np.linalg.det(jacobians[: t + 1, i])))
            growth = np.exp(actual[t, i].sum() * min(t + 1, n))
            np.testing.assert_allclose(growth, volume, rtol=1e-9, atol=1e-15)
