"""The laws that every cell obeys, for the tests of this package and of yours.

`check_cell(MyCell(8), input_size=3)` runs them. They are checked in float64, at random parameters,
inputs and carries of which none is zero, and need no other library than JAX's own test packages.
"""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from functools import cached_property, partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ._core import Cell, pre_activations
from ._trees import inexact, is_inexact, leaf_names, pullback, replace_inexact
from ._wrapper import check_cell as check_is_cell
from .engine import Associative, initial_carry, scan

STEPS, BATCH = 5, 3
# Gaps at the start, in the middle and at the end, and a row without any valid step.
MASK = np.array([[0, 1, 1, 0, 1], [1, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool).T
# At a first valid step, in the middle, twice in a row, and on masked steps.
RESETS = np.array([[1, 1, 0, 1, 1], [0, 1, 1, 1, 0], [1, 0, 0, 1, 0]], bool).T
TOLERANCE = {"bfloat16": 6e-2, "float32": 2e-5, "float64": 1e-9}


def check_cell(
    cell: Cell,
    input_size: Any,
    *,
    context: PyTree = None,
    reference: Callable | None = None,
    draw: Callable[[np.random.Generator, tuple[int, ...]], Any] | None = None,
) -> None:
    """Asserts that a cell obeys the laws.

    * The engine equals a Python loop over `step`, in both directions, with gaps, resets and NaN in
      the padding, in values and in gradients; with noise, too; and for a linear cell all at once.
    * A batch equals its rows.
    * A step equals `reference`; its derivatives equal finite differences.
    * No stage but `recur` and `project` of a staged cell holds a product.
    * Parameters of bfloat16, float32 and float64 work; a carry keeps its structure and types.
    * Equal cells are equal, hash equal, pickle, and share one compilation.
    * Parameters are named by their role, and only sizes are positional.

    Args:
        cell: the cell.
        input_size: what `cell.init` is given.
        context: for a cell with `takes_context`, in float64, with a batch of 3 in front.
        reference: independent code in NumPy: `(params, carry, x) -> (carry, y)` of one row; with
            a context also `context=`.
        draw: draws inputs `[*lead, features]` from a NumPy generator and `lead`, for a cell that
            is not defined everywhere; by default standard normal, or tokens below `input_size`.

    Raises:
        AssertionError: if a law is broken; the message begins with the law.

    Examples:
        >>> import rnnjax
        >>> check_cell(rnnjax.Elman(2), input_size=1)
    """
    check_is_cell(cell)
    with jax.enable_x64(True):
        case = Trial(cell, input_size, context, draw)
        for law in LAWS:
            try:
                law(case)
            except Exception as error:
                error.add_note(f"rnnjax.testing: {law.__doc__} Broken by {cell!r}.")
                raise
        if reference is not None:
            _equals_reference(case, reference)


class Trial:
    """A cell with random arguments, and its step compiled once."""

    def __init__(self, cell: Cell, input_size: Any, context: Any, draw: Any):
        self.cell, self.input_size = cell, input_size
        self.context = cast(context, jnp.float64)
        self.draw = draw or partial(_draw_inputs, cell, input_size)
        drawn = cell.init(jax.random.key(0), input_size, dtype=jnp.float64)
        self.params = jax.tree.map(lambda a: a / 2 if is_inexact(a) else a, random_like(0, drawn))
        self.xs = self.draw(np.random.default_rng(1), (STEPS, BATCH))
        self.carry = random_like(2, initial_carry(cell, self.prepared((BATCH,)), (BATCH,)))
        self.step = jax.jit(cell.step)
        self.pull_step = jax.jit(self._pull_step)

    def prepared(self, batch: tuple = (), row: int | None = None) -> Any:
        context = self.context if row is None else at(self.context, row)
        return self.cell.prepare(self.params, context=context, batch_shape=batch)

    def _pull_step(self, weights, carry, x, gradients):
        return pullback(self.cell.step, weights, carry, x)(gradients)

    @cached_property
    def rows(self) -> list[Any]:
        """For each row its weights, and how gradients in them reach parameters and context."""

        def prepare(params, context):
            return self.cell.prepare(params, context=context)

        contexts = [at(self.context, row) for row in range(BATCH)]
        return [(prepare(self.params, c), pullback(prepare, self.params, c)) for c in contexts]


def _draw_inputs(cell, input_size, rng, lead):
    if cell.num_feature_axes == 0:
        return jnp.asarray(rng.integers(0, input_size, lead))
    is_shape = cell.num_feature_axes > 1
    return jax.tree.map(
        lambda size: jnp.asarray(rng.standard_normal((*lead, *np.atleast_1d(size)))),
        input_size,
        is_leaf=lambda a: is_shape and isinstance(a, tuple),
    )


def random_like(seed: int, tree: Any) -> Any:
    """The tree with random numbers in the place of its real and complex arrays."""
    rng = np.random.default_rng(seed)

    def draw(a):
        if not is_inexact(a):
            return a
        values = rng.standard_normal(a.shape)
        if jnp.issubdtype(a.dtype, jnp.complexfloating):
            values = values + 1j * rng.standard_normal(a.shape)
        return jnp.asarray(values, a.dtype)

    return jax.tree.map(draw, tree)


def at(tree: Any, index: Any) -> Any:
    """`a[index]` of every array."""
    return jax.tree.map(lambda a: a[index], tree)


def stacked(trees: Sequence, axis: int = 0) -> Any:
    """One tree of many: their arrays along a new axis."""
    return jax.tree.map(lambda *arrays: jnp.stack(arrays, axis), *trees)


def assert_close(actual: Any, expected: Any, dtype: Any = jnp.float64) -> None:
    """Equal structure and shapes, and values within the tolerance of `dtype`."""
    chex.assert_trees_all_equal_shapes(actual, expected)
    tolerance = TOLERANCE[jnp.dtype(dtype).name]

    def wide(a):
        a = np.asarray(a)
        return a.astype(np.complex128 if np.iscomplexobj(a) else np.float64)

    actual, expected = (jax.tree.map(wide, tree) for tree in (actual, expected))
    chex.assert_trees_all_close(actual, expected, rtol=tolerance, atol=tolerance)


def by_scan(case: Trial, reverse: bool, method: Any = None, key: Any = None) -> Any:
    """Values of a scan with gaps, resets and NaN in the padding, and gradients of all of them."""

    def run(params, xs, carry, context):
        return scan(
            case.cell,
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

    xs = jax.tree.map(_with_nan, case.xs)
    return pull(case.params, xs, case.carry, case.context)


def _with_nan(a: Any) -> Any:
    if not is_inexact(a):
        return a
    return jnp.where(np.expand_dims(MASK, tuple(range(2, a.ndim))), a, jnp.nan)


def by_steps(case: Trial, reverse: bool) -> Any:
    """What `by_scan` must give: row by row, valid step by valid step."""
    outs, gradients = [], []
    for row in range(BATCH):
        out, gradient = _row_by_steps(case, reverse, row)
        outs.append(out)
        gradients.append(gradient)
    finals, ys = zip(*outs, strict=True)
    out = stacked(list(finals)), stacked(list(ys), axis=1)
    cotangent = inexact(random_like(4, out))
    pulled = [
        pull([c[row] if i < len(inexact(out[0])) else c[:, row] for i, c in enumerate(cotangent)])
        for row, pull in enumerate(gradients)
    ]
    d_params, d_xs, d_carry, d_context = zip(*pulled, strict=True)
    summed = [sum(each) for each in zip(*d_params, strict=True)]
    return out, (
        summed,
        [jnp.stack(each, 1) for each in zip(*d_xs, strict=True)],
        [jnp.stack(each) for each in zip(*d_carry, strict=True)],
        [jnp.stack(each) for each in zip(*d_context, strict=True)],
    )


def _row_by_steps(case: Trial, reverse: bool, row: int) -> Any:
    """The final carry and outputs of one row, and the function that pulls gradients back."""
    cell, (weights, pull_prepare) = case.cell, case.rows[row]
    fresh = initial_carry(cell, weights)
    pull_fresh = pullback(lambda weights: cell.init_carry(weights), weights)
    carry, ys, taken = at(case.carry, row), {}, []
    for t in reversed(range(STEPS)) if reverse else range(STEPS):
        if MASK[t, row]:
            entered = fresh if RESETS[t, row] else carry
            carry, ys[t] = case.step(weights, entered, at(case.xs, (t, row)))
            taken.append((t, entered))
    _, y = jax.eval_shape(cell.step, weights, carry, at(case.xs, (0, row)))
    zero = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), y)

    def pull(cotangent):
        count = len(inexact(carry))
        d_carry, d_ys = cotangent[:count], cotangent[count:]
        d_weights = [jnp.zeros_like(a) for a in inexact(weights)]
        d_xs = [jnp.zeros_like(a[:, row]) for a in inexact(case.xs)]
        for t, entered in reversed(taken):
            x = at(case.xs, (t, row))
            given = [*d_carry, *(d[t] for d in d_ys)]
            d_now, d_carry, d_x = case.pull_step(weights, entered, x, given)
            d_xs = [a.at[t].set(d) for a, d in zip(d_xs, d_x, strict=True)]
            if RESETS[t, row]:
                (d_start,) = pull_fresh(d_carry)
                d_now = [a + b for a, b in zip(d_now, d_start, strict=True)]
                d_carry = [jnp.zeros_like(d) for d in d_carry]
            d_weights = [a + b for a, b in zip(d_weights, d_now, strict=True)]
        d_params, d_context = pull_prepare(d_weights)
        return d_params, d_xs, d_carry, d_context

    return (carry, stacked([ys.get(t, zero) for t in range(STEPS)])), pull


def _equals_a_loop(case: Trial) -> None:
    """The engine equals a Python loop over `step`."""
    for reverse in (False, True):
        expected = by_steps(case, reverse)
        assert_close(by_scan(case, reverse), expected)
        if case.cell.linear and not reverse:
            assert_close(by_scan(case, reverse, Associative(chunk=2)), expected)


def _noise_equals_a_loop(case: Trial) -> None:
    """With a key the engine equals a loop over `step` with the same noise."""
    cell, key = case.cell, jax.random.key(5)
    first, second = jax.random.split(key)

    def run(params, xs, carry, context):
        weights = cell.prepare(params, context=context, key=first, batch_shape=(BATCH,))
        noise = cell.noise(weights, second, (STEPS, BATCH))
        fresh, ys = initial_carry(cell, weights, (BATCH,)), []
        for t in range(STEPS):
            entered = _where(RESETS[t] & MASK[t], fresh, carry)
            more = () if noise is None else (at(noise, t),)
            new, y = cell.step(weights, entered, at(xs, t), *more)
            carry = _where(MASK[t], new, entered)
            ys.append(_where(MASK[t], y, jax.tree.map(jnp.zeros_like, y)))
        return carry, stacked(ys)

    noisy = jax.eval_shape(lambda: cell.noise(case.prepared((BATCH,)), second, (STEPS, BATCH)))
    weights = cell.prepare(case.params, context=case.context, key=first, batch_shape=(BATCH,))
    same = jax.tree.structure(weights) == jax.tree.structure(case.prepared((BATCH,))) and all(
        np.array_equal(a, b)
        for a, b in zip(*map(jax.tree.leaves, (weights, case.prepared((BATCH,)))), strict=True)
    )
    if noisy is None and same:
        return
    args = case.params, case.xs, case.carry, case.context

    @jax.jit
    def pull(*args):
        out = run(*args)
        return out, pullback(run, *args)(inexact(random_like(4, out)))

    assert_close(by_scan(case, False, key=key), pull(*args))


def _where(condition: Any, chosen: Any, other: Any) -> Any:
    def choose(a, b):
        return jnp.where(np.expand_dims(condition, tuple(range(condition.ndim, a.ndim))), a, b)

    return jax.tree.map(choose, chosen, other)


def _batch_equals_rows(case: Trial) -> None:
    """A batch equals its rows, with any number of leading axes."""
    weights, x = case.prepared((BATCH,)), at(case.xs, 0)
    rows = [case.step(case.rows[r][0], at(case.carry, r), at(x, r)) for r in range(BATCH)]
    two = jax.tree.map(lambda a: jnp.stack([a, a]), (case.carry, x))
    both = jax.jit(case.cell.step)(weights, *two)
    assert_close(both, stacked([stacked(rows)] * 2))


def _derivatives(case: Trial) -> None:
    """The derivatives of a step equal finite differences."""
    weights, x, carry = case.rows[0][0], at(case.xs, (0, 0)), at(case.carry, 0)
    point = weights, carry, x
    move = [random_like(7, a) for a in inexact(point)]
    out = inexact(case.step(*point))
    weighting = [random_like(8, a) for a in out]

    def value(size):
        arrays = [a + size * d for a, d in zip(inexact(point), move, strict=True)]
        moved = case.step(*replace_inexact(point, arrays))
        return sum(jnp.vdot(w, a).real for w, a in zip(weighting, inexact(moved), strict=True))

    gradients = [g for each in case.pull_step(*point, list(map(jnp.conj, weighting))) for g in each]
    slope = sum(jnp.sum(g * d).real for g, d in zip(gradients, move, strict=True))
    step = 1e-4
    near = (8 * (value(step) - value(-step)) - (value(2 * step) - value(-2 * step))) / (12 * step)
    np.testing.assert_allclose(slope, near, rtol=1e-6, atol=1e-7)


def _no_product_in_update(case: Trial) -> None:
    """No product is inside `update` of a staged cell, where its gradient would cost every step."""
    cell, weights = case.cell, case.rows[0][0]
    if not cell.staged:
        return
    x, carry = at(case.xs, (0, 0)), at(case.carry, 0)
    s = jax.eval_shape(lambda: pre_activations(cell, weights, carry, cell.project(weights, x)))
    text = str(jax.make_jaxpr(cell.update)(weights, carry, *s))
    assert "dot_general" not in text and "conv_general" not in text, text


def _types(tree: Any) -> Any:
    return jax.tree.map(lambda a: (a.shape, a.dtype, a.weak_type), tree)


def _keeps_types(case: Trial) -> None:
    """Parameters may be bfloat16, float32 or float64; carries and outputs are at least float32."""

    def run(dtype, key, xs, context):
        params = case.cell.init(key, case.input_size, dtype=dtype)
        weights = case.cell.prepare(params, context=context, batch_shape=(BATCH,))
        carry = initial_carry(case.cell, weights, (BATCH,))
        return params, carry, scan(case.cell, params, xs, carry, context=context)

    for dtype in ("bfloat16", "float32", "float64"):
        wide = jnp.promote_types(dtype, jnp.float32)
        with jax.enable_x64(dtype == "float64"):
            args = cast((case.xs, case.context), wide)
            params, carry, (final, ys) = jax.eval_shape(
                partial(run, dtype), jax.random.key(0), *args
            )
        assert {a.dtype for a in inexact(params)} <= {jnp.dtype(dtype)}
        complex_too = {wide, jnp.promote_types(wide, jnp.complex64)}
        assert {a.dtype for a in inexact((carry, ys))} <= complex_too
        assert not any(a.weak_type for a in jax.tree.leaves((params, carry, ys)))
        assert _types(final) == _types(carry)


def cast(tree: Any, dtype: Any) -> Any:
    """The tree with its real arrays in `dtype`, and its complex ones in one as precise."""

    def to(a):
        if not is_inexact(a):
            return a.astype(jnp.int32) if jnp.issubdtype(a.dtype, jnp.integer) else a
        return a.astype(jnp.promote_types(dtype, jnp.complex64) if jnp.iscomplexobj(a) else dtype)

    return jax.tree.map(to, tree)


def _has_precision(case: Trial) -> None:
    """Results have the precision of the parameters."""

    # Parameters that every dtype can hold, so that only the arithmetic differs.
    params = cast(cast(case.params, jnp.bfloat16), jnp.float64)

    @jax.jit
    def run(params, xs, carry, context):
        return scan(case.cell, params, xs, carry, context=context)

    expected = run(params, case.xs, case.carry, case.context)
    for dtype in (jnp.bfloat16, jnp.float32):
        args = cast((case.xs, case.carry, case.context), jnp.float32)
        with jax.enable_x64(False):
            assert_close(run(cast(params, dtype), *args), expected, dtype)


def _is_a_value(case: Trial) -> None:
    """Equal cells are equal, hash equal, pickle, and share one compilation."""
    twin = pickle.loads(pickle.dumps(case.cell))
    assert twin is not case.cell and twin == case.cell and hash(twin) == hash(case.cell)
    traces = []
    run = jax.jit(lambda cell: traces.append(cell))
    run(case.cell)
    run(twin)
    assert len(traces) == 1 and not jax.tree.leaves(case.cell)


def _names_say_roles(case: Trial) -> None:
    """Parameters are named by their role: a bias `b…` is no matrix; options are keyword-only."""
    names, arrays = map(jax.tree.leaves, (leaf_names(case.params), case.params))
    assert all(names), f"expected names for all parameters, got {names}"
    for name, a in zip(names, arrays, strict=True):
        assert not (name.startswith("w") and a.ndim < 2), f"{name} is a vector, no weight"
    for each in fields(case.cell):  # pyright: ignore[reportArgumentType]
        assert each.kw_only == (each.default is not MISSING), each.name


def _equals_reference(case: Trial, reference: Callable) -> None:
    """A step equals independent code."""
    for row in range(BATCH):
        carry = at(case.carry, row)
        theirs = jax.tree.map(np.asarray, carry)
        context = jax.tree.map(np.asarray, at(case.context, row))
        more = {} if context is None else {"context": context}
        for t in range(STEPS):
            x = at(case.xs, (t, row))
            carry, y = case.step(case.rows[row][0], carry, x)
            params = jax.tree.map(np.asarray, case.params)
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
