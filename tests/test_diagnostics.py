"""Diagnostics, for cells of every kind, against loops and finite differences."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import at, each_of, random_like

from rnnjax.diagnostics import (
    gradient_flow,
    lyapunov_exponents,
    memory_horizon,
    step_jacobians,
)
from rnnjax.engine import initial_carry

T, LENGTHS = 3, (2, 0, 3)
KEY = jax.random.key(0)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


each_case = each_of("Jordan LRU Clocks LogGap", slow="Elman ResetBeforeGRU RHN Stack LearnedCarry")


@pytest.fixture
def drawn(case):
    """Random parameters, inputs with garbage in the padding, carry, lengths, and the sequences."""
    init = partial(case.cell.init, KEY, case.input_size, dtype=jnp.float64)
    params = jax.tree.map(lambda a: a / 2, random_like(0, jax.eval_shape(init)))
    rng, lead = np.random.default_rng(1), (T, len(LENGTHS))
    if case.draw:
        xs = case.draw(rng, lead)
    else:
        xs = jax.tree.map(lambda n: jnp.asarray(rng.standard_normal((*lead, n))), case.input_size)
    carry = jax.jit(lambda: initial_carry(case.cell, case.cell.prepare(params), lead[1:]))()
    carry = carry if case.draw else jax.tree.map(jnp.add, carry, random_like(2, carry))
    valid = np.arange(T)[:, None] < np.array(LENGTHS)
    garbage = jax.tree.map(lambda x: jnp.where(valid[..., None], x, jnp.nan), xs)
    each = [(n, at(xs, (slice(n), i)), at(carry, i)) for i, n in enumerate(LENGTHS)]
    return (params, garbage, carry), {"lengths": jnp.array(LENGTHS)}, each


def total(tree):
    """A number that depends on every entry of `tree`, and not linearly."""
    return sum(jnp.sum(jnp.sin(a)) for a in jax.tree.leaves(tree))


def reals(tree):
    """All real numbers in a tree, those of a complex one as two, in one vector."""
    leaves = [jnp.ravel(a) for a in jax.tree.leaves(tree) if jnp.issubdtype(a.dtype, jnp.inexact)]
    parts = [jnp.r_[a.real, a.imag] if jnp.iscomplexobj(a) else a for a in leaves]
    return jnp.concatenate(parts)


def replaced(tree, vector):
    """The tree with other real numbers."""
    leaves, structure = jax.tree.flatten(tree)
    for i, a in enumerate(leaves):
        if jnp.iscomplexobj(a):
            real, imag, vector = jnp.split(vector, [a.size, 2 * a.size])
            leaves[i] = (real + 1j * imag).reshape(a.shape)
        elif jnp.issubdtype(a.dtype, jnp.inexact):
            part, vector = jnp.split(vector, [a.size])
            leaves[i] = part.reshape(a.shape)
    return structure.unflatten(leaves)


def walk(cell, params, carry, xs):
    """The carries that enter the steps, and the outputs, by a loop."""
    carries, ys, weights = [], [], cell.prepare(params)
    for t in range(jax.tree.leaves(xs)[0].shape[0]):
        carries.append(carry)
        carry, y = cell.step(weights, carry, at(xs, t))
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
        def rest(t, carry, vector):
            carry = replaced(carry, vector)
            return total(walk(case.cell, params, carry, at(xs, slice(t, None)))[1])

        carries, _ = walk(case.cell, params, carry, xs)
        return [jax.grad(partial(rest, t, c))(reals(c)) for t, c in enumerate(carries)]

    @jax.jit
    def flow(params, xs, carry, lengths):
        return gradient_flow(case.cell, params, xs, total, carry, lengths=lengths)

    actual = flow(*args, **lengths)
    parts = [norms for name, norms in actual.items() if name != "all"] or [actual["all"]]
    np.testing.assert_allclose(actual["all"], np.linalg.norm(parts, axis=0), rtol=1e-11)
    for i, (n, xs, carry) in enumerate(each):
        gradients = by_hand(args[0], carry, xs) if n else []
        expected = padded([np.linalg.norm(g) for g in gradients])
        np.testing.assert_allclose(actual["all"][:, i], expected, rtol=1e-11)


@each_case
def test_step_jacobians_equal_finite_differences(case, drawn):
    args, lengths, each = drawn
    actual = jax.jit(partial(step_jacobians, case.cell))(*args, **lengths)

    @jax.jit
    def moved(carry, x):
        vector, weights = reals(carry), case.cell.prepare(args[0])
        step = jax.vmap(lambda v: reals(case.cell.step(weights, replaced(carry, v), x)[0]))
        small = 1e-6 * jnp.eye(vector.size)
        return (step(vector + small) - step(vector - small)).T / 2e-6

    for i, (n, xs, carry) in enumerate(each):
        carries, _ = jax.jit(partial(walk, case.cell))(args[0], carry, xs) if n else ([], [])
        for t, c in enumerate(carries):
            np.testing.assert_allclose(actual[t, i], moved(c, at(xs, t)), rtol=1e-7, atol=1e-8)
        for t in range(n, T):
            np.testing.assert_array_equal(actual[t, i], np.eye(actual.shape[-1]))


@each_case
def test_memory_horizon_equals_the_jacobian_of_a_loop(case, drawn):
    args, lengths, each = drawn
    actual = jax.jit(partial(memory_horizon, case.cell))(*args, **lengths)

    @jax.jit
    def by_hand(params, carry, xs):
        def last(xs):
            return reals(walk(case.cell, params, carry, xs)[1][-1])

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
