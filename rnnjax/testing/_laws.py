"""The laws of a cell; the docstring of a law is the note on its failure."""

import pickle
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from .._core import pre_activations
from .._trees import (
    inexact,
    is_weight,
    leaf_names,
    pullback,
    replace_inexact,
    where,
    zeros_like,
)
from ..engine import Associative, initial_carry, scan
from ._arrays import assert_close, at, cast, on_host, random_like
from ._trial import BATCH, MASK, RESETS, STEPS, Trial, by_scan, by_steps

VIEWS = ("convert_element_type", "reshape", "slice", "squeeze", "transpose")
PRODUCTS = ("dot_general", "conv_general_dilated", "matmul", "dot")


def _equals_a_loop(trial: Trial) -> None:
    """The engine equals a Python loop over `step`."""
    for reverse in (False, True):
        expected = by_steps(trial, reverse)
        assert_close(by_scan(trial, reverse), expected)
        if trial.cell.linear and not reverse:
            assert_close(by_scan(trial, reverse, Associative(chunk=2)), expected)


def _noise_equals_a_loop(trial: Trial) -> None:
    """With a key the engine equals a loop over `step` with the same noise."""
    cell, key = trial.cell, jax.random.key(5)
    first, second = jax.random.split(key)

    def prepare(params, context):
        return cell.prepare(params, context=context, key=first, batch_shape=(BATCH,))

    def run(params, xs, carry, context):
        weights = prepare(params, context)
        noise = cell.noise(weights, second, (STEPS, BATCH))
        fresh = initial_carry(cell, weights, (BATCH,))

        def body(carry, row):
            x, noise, valid, reset = row
            entered = where(reset & valid, fresh, carry)
            new, y = cell.step(weights, entered, x, *(() if noise is None else (noise,)))
            return where(valid, new, entered), where(valid, y, zeros_like(y))

        return jax.lax.scan(body, carry, (xs, noise, MASK, RESETS))

    weights = on_host(jax.jit(prepare)(trial.params, trial.context))
    noise = jax.eval_shape(lambda: cell.noise(weights, second, (STEPS, BATCH)))
    if noise is None and _equal(weights, trial.weights):
        return

    @jax.jit
    def pull(*args):
        out = run(*args)
        return out, pullback(run, *args)(inexact(random_like(4, out)))

    args = trial.params, trial.xs, trial.carry, trial.context
    assert_close(by_scan(trial, False, key=key), pull(*args))


def _equal(a: Any, b: Any) -> bool:
    pairs = zip(*map(jax.tree.leaves, (a, b)), strict=False)
    return jax.tree.structure(a) == jax.tree.structure(b) and all(
        np.array_equal(x, y) for x, y in pairs
    )


def _batch_equals_rows(trial: Trial) -> None:
    """A batch equals its rows, with any number of leading axes."""
    x = at(trial.xs, 0)
    rows = [trial.step(trial.rows[r], at(trial.carry, r), at(x, r)) for r in range(BATCH)]
    two = jax.tree.map(lambda a: np.stack([a, a]), (trial.carry, x))
    expected = jax.tree.map(lambda *arrays: np.stack([np.stack(arrays)] * 2), *rows)
    assert_close(trial.step(trial.weights, *two), expected)


def _derivatives(trial: Trial) -> None:
    """The derivatives of a step equal finite differences."""
    point = trial.rows[0], at(trial.carry, 0), at(trial.xs, (0, 0))
    move = [random_like(7, a) for a in inexact(point)]
    weighting = [random_like(8, a) for a in inexact(trial.step(*point))]

    def value(size):
        arrays = [a + size * d for a, d in zip(inexact(point), move, strict=True)]
        moved = inexact(on_host(trial.step(*replace_inexact(point, arrays))))
        return sum(np.vdot(w, a).real for w, a in zip(weighting, moved, strict=True))

    pulled = on_host(trial.pull_step(*point, [np.conj(w) for w in weighting]))
    gradients = [g for each in pulled for g in each]
    slope = sum(np.sum(g * d).real for g, d in zip(gradients, move, strict=True))
    step = 1e-4
    near = (8 * (value(step) - value(-step)) - (value(2 * step) - value(-2 * step))) / (12 * step)
    np.testing.assert_allclose(slope, near, rtol=1e-6, atol=1e-7)


def _no_product_in_update(trial: Trial) -> None:
    """No product is inside `update` of a staged cell, where its gradient would cost every step."""
    cell, weights = trial.cell, trial.rows[0]
    if not cell.staged:
        return
    x, carry = at(trial.xs, (0, 0)), at(trial.carry, 0)
    s = jax.eval_shape(lambda: pre_activations(cell, weights, carry, cell.project(weights, x)))
    text = str(jax.make_jaxpr(cell.update)(weights, carry, *s))
    assert not any(product in text for product in PRODUCTS), text


def _types(tree: Any) -> Any:
    return jax.tree.map(lambda a: (a.shape, a.dtype, a.weak_type), tree)


def _keeps_types(trial: Trial) -> None:
    """Parameters may be bfloat16, float32 or float64; carries and outputs are at least float32."""

    def run(dtype, key, xs, context):
        params = trial.cell.init(key, trial.input_size, dtype=dtype)
        weights = trial.cell.prepare(params, context=context, batch_shape=(BATCH,))
        carry = initial_carry(trial.cell, weights, (BATCH,))
        return params, carry, scan(trial.cell, params, xs, carry, context=context)

    for dtype in ("bfloat16", "float32", "float64"):
        wide = jnp.promote_types(dtype, jnp.float32)
        with jax.enable_x64(dtype == "float64"):
            args = cast((trial.xs, trial.context), wide)
            params, carry, (final, ys) = jax.eval_shape(
                partial(run, dtype), jax.random.key(0), *args
            )
        assert {a.dtype for a in inexact(params)} <= {jnp.dtype(dtype)}
        complex_too = {wide, jnp.promote_types(wide, jnp.complex64)}
        assert {a.dtype for a in inexact((carry, ys))} <= complex_too
        assert not any(a.weak_type for a in jax.tree.leaves((params, carry, ys)))
        assert _types(final) == _types(carry)


def _has_precision(trial: Trial) -> None:
    """Results have the precision of the parameters."""

    # Parameters that every dtype can hold, so that only the arithmetic differs.
    params = cast(cast(trial.params, jnp.bfloat16), jnp.float64)

    @jax.jit
    def run(params, xs, carry, context):
        return scan(trial.cell, params, xs, carry, context=context)

    expected = run(params, trial.xs, trial.carry, trial.context)
    for dtype in (jnp.bfloat16, jnp.float32):
        args = cast((trial.xs, trial.carry, trial.context), jnp.float32)
        with jax.enable_x64(False):
            assert_close(run(cast(params, dtype), *args), expected, dtype)


def _is_a_value(trial: Trial) -> None:
    """Equal cells are equal, hash equal, pickle, and share one compilation."""
    twin = pickle.loads(pickle.dumps(trial.cell))
    assert twin is not trial.cell and twin == trial.cell and hash(twin) == hash(trial.cell)
    traces = []
    run = jax.jit(lambda cell: traces.append(cell))
    run(trial.cell)
    run(twin)
    assert len(traces) == 1 and not jax.tree.leaves(trial.cell)


def _names_say_roles(trial: Trial) -> None:
    """Parameters are named by their role, `w…` for factors; options are keyword-only."""
    names, arrays = map(jax.tree.leaves, (leaf_names(trial.params), trial.params))
    assert all(names), f"expected names for all parameters, got {names}"
    for name, a in zip(names, arrays, strict=True):
        assert not (is_weight(name) and a.ndim < 2), f"{name} is a vector, no weight"
    factors = {names[k] for k in _factors(trial)}
    assert all(map(is_weight, factors)), f"expected names w… for factors, got {sorted(factors)}"
    for each in fields(trial.cell):  # pyright: ignore[reportArgumentType]
        assert each.kw_only == (each.default is not MISSING), each.name


def _factors(trial: Trial) -> set[int]:
    """The places of the parameters that a step multiplies as they are."""
    context = at(trial.context, 0)

    def step(params, carry, x):
        return trial.cell.step(trial.cell.prepare(params, context=context), carry, x)

    args = trial.params, at(trial.carry, 0), at(trial.xs, (0, 0))
    jaxpr = jax.make_jaxpr(step)(*args).jaxpr
    place = {var: k for k, var in enumerate(jaxpr.invars[: len(jax.tree.leaves(trial.params))])}
    found = set()
    for equation in jaxpr.eqns:
        operands = [v for v in equation.invars if not isinstance(v, Literal) and v in place]
        kind = equation.primitive.name
        if kind in PRODUCTS or equation.params.get("name") in PRODUCTS:
            found |= {place[v] for v in operands}
        elif operands and kind in VIEWS:
            place |= dict.fromkeys(equation.outvars, *(place[v] for v in operands))
    return found


def equals_reference(trial: Trial, reference: Callable) -> None:
    """A step equals independent code."""
    for row in range(BATCH):
        carry = at(trial.carry, row)
        theirs = jax.tree.map(np.asarray, carry)
        context = jax.tree.map(np.asarray, at(trial.context, row))
        more = {} if context is None else {"context": context}
        for t in range(STEPS):
            x = at(trial.xs, (t, row))
            carry, y = on_host(trial.step(trial.rows[row], carry, x))
            params = jax.tree.map(np.asarray, trial.params)
            theirs, y_of_theirs = reference(params, theirs, jax.tree.map(np.asarray, x), **more)
            assert_close((carry, y), (theirs, y_of_theirs))


LAWS = (
    _is_a_value,
    _names_say_roles,
    _no_product_in_update,
    _keeps_types,
    _batch_equals_rows,
    _derivatives,
    _equals_a_loop,
    _noise_equals_a_loop,
    _has_precision,
)
