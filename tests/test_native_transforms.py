"""The native loop inside the transformations of JAX: the same numbers as the loop of XLA."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from cases import assert_close, random_like, stacked
from jax import export
from jax.flatten_util import ravel_pytree
from native_loops import draw, needs_compiler, total

from rnnjax import LSTM, Cell, Elman, scan
from rnnjax.cells import MinGRU
from rnnjax.engine import Loop, NativeLoop

pytestmark = [needs_compiler, pytest.mark.usefixtures("x64")]

CELL, MEMBERS = LSTM(3), 3
CALL = "rnnjax_loop_"


@pytest.fixture(scope="module")
def one():
    with jax.enable_x64(True):
        return draw(CELL, 2)


@pytest.fixture(scope="module")
def many(one):
    """The arguments of all members, each different."""
    with jax.enable_x64(True):
        return stacked([jax.tree.map(lambda a, k=k: a * (1 + k / 3), one) for k in range(MEMBERS)])


def run(method, *args):
    return scan(CELL, *args, method=method)


def gradients(method, *args):
    return jax.grad(lambda *args: total(run(method, *args)), (0, 1, 2))(*args)


def check(function, *args, calls=None):
    """`function(method, ...)` of both loops; `calls` counts the calls of compiled code."""
    native = jax.jit(partial(function, NativeLoop()))
    found, expected = native(*args), jax.jit(partial(function, Loop()))(*args)
    assert_close(found, expected)
    if calls is not None:
        assert native.lower(*args).as_text().count(CALL) == calls
    return found


# vmap. In each: which arguments have members, and which of the parameters if not all.

ALL, NO_PARAM = (0, 0, 0), jax.tree.map(lambda _: None, draw(CELL, dtype=jnp.float32)[0])
AXES = {
    "own": ALL,
    "shared weights": (None, 0, 0),
    "shared inputs": (0, None, None),
    "the carry alone": (None, None, 0),
    "the inputs alone": (None, 0, None),
    "a bias alone": (NO_PARAM._replace(b=0), None, None),
    "a bias and the carry": (NO_PARAM._replace(b=0), None, 0),
    "a recurrent weight alone": (NO_PARAM._replace(w_h=0), None, None),
    "an input weight alone": (NO_PARAM._replace(w_x=0), None, None),
    "all but a weight": (NO_PARAM._replace(b=0, w_h=0), 0, 0),
}


def pick(axes, one, many):
    """The arguments of members along `axes`, an axis or a tree of axes an argument."""

    def leaf(axis, a, b):
        return a if axis is None else jnp.moveaxis(b, 0, axis)

    def argument(axis, a, b):
        if axis is None or isinstance(axis, int):
            return jax.tree.map(partial(leaf, axis), a, b)
        return jax.tree.map(leaf, axis, a, b, is_leaf=lambda a: a is None)

    return [argument(*each) for each in zip(axes, one, many, strict=True)]


def over(function, axes, out=0):
    return lambda method, *args: jax.vmap(partial(function, method), axes, out)(*args)


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_values_of_members(axes, one, many):
    check(over(run, axes), *pick(axes, one, many), calls=1)


@pytest.mark.parametrize(
    "axes",
    [
        pytest.param(
            axes, id=name, marks=[pytest.mark.slow] * (name not in ("own", "a bias and the carry"))
        )
        for name, axes in AXES.items()
    ],
)
def test_gradients_of_members(axes, one, many):
    check(over(gradients, axes), *pick(axes, one, many), calls=2)


@pytest.mark.slow
@pytest.mark.parametrize("function", [run, gradients])
def test_axes_that_are_not_the_first(function, one, many):
    axes = (NO_PARAM._replace(w_x=1, w_h=2, b=1), 2, 1)
    check(over(function, axes, 1), *pick(axes, one, many), calls=1 + (function is gradients))


def nested(function, outer, inner):
    return over(over(function, inner), outer)


NESTED = {
    "own of own": (ALL, ALL),
    "own of shared": (ALL, (None, 0, 0)),
    "shared of own": ((None, 0, 0), ALL),
    "own of shared inputs": ((0, 0, None), (None, None, 0)),
    "shared inputs of own": ((None, 0, 0), (0, None, 0)),
    "a bias of own": ((NO_PARAM._replace(b=0), None, None), ALL),
    "own of a bias": ((0, 0, 0), (NO_PARAM._replace(b=0), None, 0)),
}


@pytest.mark.parametrize("axes", NESTED.values(), ids=NESTED)
@pytest.mark.parametrize(
    "function", [run, pytest.param(gradients, marks=pytest.mark.slow)], ids=["values", "gradients"]
)
def test_members_of_members(function, axes, one, many):
    outer, inner = axes
    args = pick(inner, one, many)
    twice = [jax.tree.map(lambda a: jnp.stack([a, a / 2]), a) for a in args]
    args = pick(outer, args, twice)
    check(nested(function, outer, inner), *args, calls=1 + (function is gradients))


# Derivatives.


def flat(cell: Cell = CELL, batch=2, steps=3):
    params, xs, carry = draw(cell, batch, steps=steps)
    vector, back = ravel_pytree(params)
    return vector, lambda method, v: scan(cell, back(v), xs, carry, method=method)


def test_a_jacobian():
    """Which pulls many cotangents back through the same residuals."""
    vector, function = flat()
    check(lambda method, v: jax.jacrev(partial(function, method))(v), vector, calls=2)


@pytest.mark.slow
def test_second_derivatives():
    vector, function = flat()

    def both(method, v):
        first = jax.grad(lambda v: total(function(method, v)))
        return jax.hessian(lambda v: total(function(method, v)))(v), jax.grad(
            lambda v: total(first(v))
        )(v)

    check(both, vector)


@pytest.mark.slow
def test_second_derivatives_of_members():
    vector, function = flat(Elman(2))

    def one(method, v):
        first = jax.grad(lambda v: total(function(method, v)))
        return jax.grad(lambda v: total(first(v)))(v)

    check(lambda method, v: jax.vmap(partial(one, method))(v), jnp.stack([vector, vector / 2]))


@pytest.mark.slow
def test_forward_mode_of_a_linear_cell():
    vector, function = flat(MinGRU(2))
    check(lambda method, v: jax.jacfwd(lambda v: total(function(method, v)))(v), vector)


@pytest.mark.slow
def test_checkpoint_around_a_scan(one):
    def gradient(method, *args):
        return jax.grad(jax.checkpoint(lambda *args: total(run(method, *args))))(*args)

    check(gradient, *one)


@pytest.mark.slow
def test_loops_and_branches_around_a_scan(one, many):
    params, _, carry = one
    xs = many[1]

    def chained(method, params):
        _, ys = jax.lax.scan(lambda carry, xs: run(method, params, xs, carry), carry, xs)
        return jnp.sum(jnp.sin(ys))

    def branch(method, params, xs):
        return jax.lax.cond(
            xs[0, 0, 0] > 0,
            lambda: total(run(method, params, xs, carry)),
            lambda: 2 * total(run(method, params, xs, carry)),
        )

    check(lambda method, params: jax.grad(partial(chained, method))(params), params)
    check(lambda method, xs: jax.vmap(partial(jax.grad(partial(branch, method)), params))(xs), xs)


# Programs.


def test_an_artifact_calls_no_compiled_code(one):
    native = jax.jit(partial(gradients, NativeLoop()))
    exported = export.export(native)(*one)
    assert "custom_call" not in exported.mlir_module()
    assert CALL in native.lower(*one).as_text()
    assert_close(exported.call(*one), native(*one))


def test_an_artifact_for_any_batch(one):
    params, xs, _ = one
    (rows,) = export.symbolic_shape("rows")
    shape = jax.ShapeDtypeStruct((len(xs), rows, xs.shape[-1]), xs.dtype)
    run = jax.jit(lambda params, xs: scan(CELL, params, xs, method=NativeLoop()))
    assert_close(export.export(run)(params, shape).call(params, xs), run(params, xs))


@pytest.mark.slow
def test_the_default_makes_an_artifact_for_any_batch():
    cell = LSTM(64)
    params, xs, _ = draw(cell, 5, steps=20)
    (rows,) = export.symbolic_shape("rows")
    shape = jax.ShapeDtypeStruct((20, rows, 3), xs.dtype)
    run = jax.jit(partial(scan, cell))
    assert_close(export.export(run)(params, shape).call(params, xs), run(params, xs))


@pytest.mark.slow
def test_arguments_may_be_donated(one):
    def donating(*args):
        return run(NativeLoop(), *args)

    expected = jax.jit(partial(run, Loop()))(*one)
    params, xs, carry = one
    carry = jax.tree.map(jnp.copy, carry)
    assert_close(jax.jit(donating, donate_argnums=2)(params, xs, carry), expected)


@pytest.mark.slow
def test_without_jit(one):
    first, again = run(NativeLoop(), *one), run(NativeLoop(), *one)
    assert_close(first, run(Loop(), *one))
    assert_close(first, again)
    assert_close(gradients(NativeLoop(), *one), gradients(Loop(), *one))


def test_a_weighting_of_all_results(one):
    """Also of the final carry alone, and of one output alone, where others get no gradient."""

    def pull(method, *args):
        (last, ys), back = jax.vjp(partial(run, method), *args)
        zero = jax.tree.map(jnp.zeros_like, (last, ys))
        return back((random_like(1, last), zero[1])), back((zero[0], ys.at[1:].set(0)))

    check(pull, *one)
