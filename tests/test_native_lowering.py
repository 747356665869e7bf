"""Users' own staged cells, compiled: stages of all forms, and the obstacles by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, random_like
from native_cells import (
    FAST,
    SLOW,
    clamped_by_a_scalar,
    made,
    prepared,
    selected_by_a_scalar,
    updating,
)
from native_loops import Own, assert_native, compare, draw, needs_compiler, pulled, why_not

from rnnjax import scan
from rnnjax.engine import Loop, NativeLoop
from rnnjax.engine.native._primitive import row_loop

pytestmark = [needs_compiler, pytest.mark.usefixtures("x64")]

RAGGED = np.random.default_rng(0).random((4, 3)) < 0.7


def named(cells):
    return pytest.mark.parametrize("cell", cells, ids=lambda cell: type(cell).__name__)


@named(FAST)
def test_a_cell_of_a_user(cell):
    compare(cell, draw(cell, 3))


@pytest.mark.slow
@named(FAST + SLOW)
@pytest.mark.parametrize("batch", [(3,), (1,)], ids=str)
def test_a_cell_of_a_user_in_other_batches(cell, batch):
    mask = RAGGED if batch == (3,) else None
    compare(cell, draw(cell, *batch), mask=mask, reverse=batch != (3,))


@pytest.mark.parametrize(
    ("cell", "batch"),
    [
        (prepared(lambda rows, columns, size: (rows, 1, size)), (2, 3)),
        (selected_by_a_scalar, (2, 3)),
        pytest.param(prepared(lambda *shape: shape), (2, 3), marks=pytest.mark.slow),
        pytest.param(prepared(lambda *shape: (*shape[:-1], 1)), (4,), marks=pytest.mark.slow),
        pytest.param(prepared(lambda a, b, n: (1, b, 1)), (2, 3), marks=pytest.mark.slow),
        pytest.param(selected_by_a_scalar, (), marks=pytest.mark.slow),
        pytest.param(clamped_by_a_scalar, (2, 3), marks=pytest.mark.slow),
        pytest.param(clamped_by_a_scalar, (3,), marks=pytest.mark.slow),
    ],
)
def test_constants_of_rows_and_scalars(cell, batch):
    compare(cell, draw(cell, *batch))


@pytest.mark.slow
def test_division_by_zero_and_nan_are_what_they_are():
    def update(self, w, c, s):
        return jnp.where(s > 0, 1 / jnp.floor(s), jnp.log(jnp.abs(jnp.floor(s + 0.5))))

    cell = made("divided", update=update, recur=lambda self, w, c, z: z)()
    params, xs, carry = draw(cell, 9)
    xs = xs.at[2, 3, 1].set(jnp.nan).at[3, 1, 0].set(jnp.inf)
    native, loop = (
        jax.jit(lambda *args, m=m: scan(cell, *args, method=m)[1])(params, xs, carry)
        for m in (NativeLoop(), Loop())
    )
    assert_native(cell, params, xs, carry)
    np.testing.assert_allclose(native, loop)
    assert np.isinf(loop).any() and np.isnan(loop).any() and np.isfinite(loop).any()


# Obstacles.


OBSTACLES = {
    "sort": lambda s: jnp.sort(s),
    "cumsum": lambda s: jnp.cumsum(s, -1),
    "gather": lambda s: s[..., np.array([1, 0, 3, 2, 4])],
    "complex128": lambda s: jnp.real((s + 1j * s) ** 2),
    "bfloat16": lambda s: s.astype(jnp.bfloat16).astype(s.dtype),
    "int64": lambda s: (s * 3).astype(int).astype(s.dtype),
    "strides": lambda s: jnp.concatenate([s[..., ::2], s[..., 1::2]], -1),
    "cond": lambda s: jax.lax.cond(True, jnp.sin, jnp.cos, s),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in ("sort", "bfloat16")))
        for name in OBSTACLES
    ],
)
def test_an_obstacle_has_a_name_and_the_loop_of_xla_runs(name):
    cell = updating(lambda s, c, b: jnp.tanh(OBSTACLES[name](s)) + b)
    args = draw(cell, 3)
    (why,) = why_not(cell, *args)
    assert name in why and why.endswith("not compiled")
    native, loop = (pulled(cell, method)(*args) for method in (NativeLoop(), Loop()))
    jax.tree.map(np.testing.assert_array_equal, native, loop)


@pytest.mark.slow
def test_integers_in_the_carry_are_an_obstacle():
    cell = made(
        "counting",
        init_carry=lambda self, w, batch_shape=(): (
            jnp.zeros((*batch_shape, 5)),
            jnp.zeros(batch_shape, int),
        ),
        recur=lambda self, w, c, z: z + c[0] @ w["w_h"],
        update=lambda self, w, c, s: (jnp.tanh(s) * (c[1] % 2)[..., None], c[1] + 1),
        readout=lambda self, w, c, x: c[0],
    )()
    params, xs, _ = draw(cell, 3)
    (why,) = why_not(cell, params, xs)
    assert "int" in why
    native, loop = (scan(cell, params, xs, method=m) for m in (NativeLoop(), Loop()))
    jax.tree.map(np.testing.assert_array_equal, native, loop)


def test_a_dtype_of_products_is_an_obstacle():
    args = draw(Own(), 3, dtype=jnp.float32)
    (why,) = why_not(Own(), *args, method=NativeLoop(dtype="bfloat16"))
    assert "bfloat16" in why


def test_a_result_is_not_written_over_rows_before_their_step():
    """A part of it is a factor of a product of the inputs, and so computed a chunk ahead."""
    shapes = (5, 5), (3, 5), (40, 3, 10)
    w, h, xs = random_like(1, [jax.ShapeDtypeStruct(shape, jnp.float64) for shape in shapes])

    def body(w, h, x, _):
        x = x[..., :5]
        factor = jnp.tanh(x)
        return h + factor @ w + x, (jnp.concatenate([factor, h], -1),)

    def in_jax(w, h, xs, _):
        return jax.lax.scan(lambda h, x: body(w, h, x, ()), h, xs)

    def run(w, h, xs):
        return row_loop(body, in_jax, w, h, xs, batch=(3,), steps=40, over=[0])

    assert "rnnjax_loop_" in jax.jit(run).lower(w, h, xs).as_text()
    assert_close(jax.jit(run)(w, h, xs), in_jax(w, h, xs, ()))
