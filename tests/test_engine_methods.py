"""Every method, transformation and division of a run gives the same numbers."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, Clocks, Gated, Leaky, assert_close, random_like, stacked
from draws import (
    DEEP,
    LINEAR,
    PLAIN,
    RESET_BEFORE,
    STAGED,
    B,
    F,
    H,
    draw,
    draw_signals,
    pull,
    total,
)
from jax.flatten_util import ravel_pytree
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from rnnjax import LSTM, Elman, Jordan, Record, explain, scan
from rnnjax._trees import inexact
from rnnjax.cells import LRU
from rnnjax.engine import Associative, Loop, _choice, initial_carry
from rnnjax.testing._trial import Trial, by_scan

pytestmark = pytest.mark.usefixtures("x64")

KINDS = (
    "Gated",
    "ResetBeforeGRU",
    "Clocks",
    "LRU",
    "Stack",
    "LogGap",
    "Tokens",
    "AttentionDecoder",
)
FORWARD, SEGMENTS = Loop(forward_mode=True), Loop(checkpoint=3, unroll=2)
LOOPS = (FORWARD, SEGMENTS, Loop(unroll=3), Loop(checkpoint=1))
AT_ONCE = (Associative(), Associative(chunk=2))
FEW = {
    "Gated": (FORWARD, SEGMENTS),
    "ResetBeforeGRU": (SEGMENTS,),
    "Clocks": (SEGMENTS,),
    "LRU": AT_ONCE,
    "LogGap": (FORWARD,),
}


def compare(kind, methods, reverse):
    """With gaps, resets, a row without a step and NaN in the padding, values and gradients.

    The default is compared with a loop, in both directions, in the laws of each cell.
    """
    case = next(case for case in CASES if case.id == kind)
    trial = Trial(case.cell, case.input_size, case.context, case.draw)
    expected = by_scan(trial, reverse)
    for method in methods:
        assert_close(by_scan(trial, reverse, method), expected)


@pytest.mark.parametrize("kind", FEW)
def test_other_methods_give_the_same(kind):
    compare(kind, FEW[kind], reverse=True)  # forwards, all of them are slow tests


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_method_gives_the_same(kind):
    # Programs of these two are large; that loops differ in options is tested with the others.
    loops = (FORWARD, SEGMENTS) if kind in ("Stack", "AttentionDecoder") else LOOPS
    compare(kind, loops + AT_ONCE if kind in ("LRU", "Stack") else loops, reverse=False)


def test_a_method_that_cannot_serve_leaves_it_to_the_loop():
    params, xs, carry = draw(STAGED, B)
    told = explain(STAGED, params, xs, method=Associative(precision="highest"))
    (choice,) = told.recurrences
    assert choice.method == Loop(precision="highest")
    assert dict(choice.ruled_out) == {"Associative": "LSTM is not linear in its carry"}
    expected = jax.jit(partial(scan, STAGED))(params, xs, carry)
    left = jax.jit(partial(scan, STAGED, method=Associative()))
    assert_close(left(params, xs, carry), expected)


# Routes.


@pytest.mark.parametrize(
    ("cell", "reverse"),
    [(LSTM(H), False), (RESET_BEFORE, True), (Gated(H), False)],
    ids=["LSTM", "ResetBeforeGRU backwards", "Gated"],
)
def test_chunks_of_time_change_nothing(monkeypatch, cell, reverse):
    """37 steps of 64 sequences make two chunks of 16 steps, and one of 5."""
    monkeypatch.setattr(_choice, "INPUT_WEIGHT_BYTES", 0)
    steps, batch = 37, 64
    rng = np.random.default_rng(0)
    params, xs, carry = draw(cell, batch, steps=steps)
    signals = {
        "mask": rng.random((steps, batch)) < 0.8,
        "resets": rng.random((steps, batch)) < 0.1,
        "reverse": reverse,
    }

    def run(method, params, xs, carry):
        return scan(Record(cell), params, xs, carry, method=method, **signals)

    chunked, plain = (partial(run, method) for method in (None, Loop(forward_mode=True)))
    expected, gradients = pull(plain, params, xs, carry)
    assert_close(pull(chunked, params, xs, carry), (expected, gradients))
    assert_close(jax.jit(chunked)(params, xs, carry), expected)


@pytest.mark.parametrize(
    ("cell", "signals", "axis"),
    [
        (LSTM(H), draw_signals(B), 0),
        (Elman(H), {}, None),
        (Jordan(H, 2), {}, 0),
        pytest.param(RESET_BEFORE, draw_signals(B), 0, marks=pytest.mark.slow),
        pytest.param(Gated(H), draw_signals(B), None, marks=pytest.mark.slow),
    ],
    ids=["LSTM", "Elman", "Jordan", "ResetBeforeGRU", "Gated"],
)
def test_an_ensemble_of_staged_loops_equals_one_of_plain_loops(cell, signals, axis):
    """Of members with inputs of their own, and with the same for all."""
    args = [draw(cell, B) for _ in range(3)]
    params, xs, carries = stacked(
        [jax.tree.map(lambda a, i=i: a + i, a) for i, a in enumerate(args)]
    )
    xs = xs if axis == 0 else xs[0]

    def run(method, params, xs, carries):
        def member(params, xs, carry):
            return scan(cell, params, xs, carry, method=method, **signals)

        return jax.vmap(member, in_axes=(0, axis, 0))(params, xs, carries)

    staged, plain = (partial(run, method) for method in (None, FORWARD))
    expected, gradients = pull(plain, params, xs, carries)
    assert_close(pull(staged, params, xs, carries), (expected, gradients))
    assert_close(jax.jit(staged)(params, xs, carries), expected)


# Transformations.


@pytest.mark.parametrize(
    ("cell", "axes"),
    [
        (STAGED, (0, None, None)),
        (STAGED, (None, 0, 0)),
        (PLAIN, (0, 0, 0)),
    ],
    ids=["parameters", "inputs and signals", "all of a plain cell"],
)
def test_vmap_is_a_loop_over_members(cell, axes):
    params, xs, carry = draw(cell, B)

    def member(seed):
        return random_like(seed, params), random_like(seed, xs), draw_signals(B, seed=seed)

    @jax.jit
    def run(params, xs, signals):
        return pull(lambda p, x: scan(cell, p, x, carry, **signals), params, xs)

    first, second = member(5), member(6)
    pairs = list(zip(first, second, axes, strict=True))
    shared = [a if axis is None else stacked([a, b]) for a, b, axis in pairs]
    second = [a if axis is None else b for a, b, axis in pairs]
    assert_close(jax.jit(jax.vmap(run, axes))(*shared), stacked([run(*first), run(*second)]))


def small(cell):
    """A scalar function of the parameters of a small network, by the engine and by hand."""
    params, xs, carry = draw(cell, steps=3)
    flat, unravel = ravel_pytree(params)

    def engine(flat, method=None):
        return total(scan(cell, unravel(flat), xs, carry, method=method))

    def loop(flat):
        now, ys = carry, []
        for x in xs:
            now, y = cell.step(unravel(flat), now, x)
            ys.append(y)
        return total((now, ys))

    return engine, loop, flat


def test_second_derivatives():
    engine, loop, flat = small(Elman(2))
    direction = random_like(5, flat)

    @jax.jit
    def second(flat):
        over = jax.grad(lambda flat: jax.grad(engine)(flat) @ direction)
        return jax.hessian(engine)(flat), over(flat)

    hessian = jax.jit(jax.hessian(loop))(flat)
    assert_close(second(flat), (hessian, hessian @ direction))


def test_forward_mode_of_a_staged_cell_is_to_be_asked_for():
    engine, loop, flat = small(Elman(2))
    direction = random_like(5, flat)
    with pytest.raises(TypeError, match="forward-mode autodiff"):
        jax.jvp(engine, (flat,), (direction,))
    forward = partial(engine, method=Loop(forward_mode=True))
    pushed = jax.jit(partial(jax.jvp, forward))((flat,), (direction,))
    value, gradient = jax.jit(jax.value_and_grad(loop))(flat)
    assert_close(pushed, (value, gradient @ direction))


def test_forward_mode_of_a_plain_cell():
    engine, loop, flat = small(Leaky(2))
    assert_close(jax.jit(jax.jacfwd(engine))(flat), jax.jit(jax.jacrev(loop))(flat))


def test_linear_cells_have_forward_mode():
    params, xs, _ = draw(LRU(H, F), B)
    direction = random_like(5, params)

    def run(params):
        return total(scan(LRU(H, F), params, xs)[1])

    _, tangent = jax.jit(partial(jax.jvp, run))((params,), (direction,))
    gradient = jax.jit(jax.grad(run))(params)
    dots = jax.tree.map(lambda a, b: (a * b).sum(), gradient, direction)
    np.testing.assert_allclose(tangent, sum(jax.tree.leaves(dots)), rtol=1e-9)


# Devices.


@pytest.mark.parametrize(
    "cell", [STAGED, LINEAR, DEEP, Clocks(2)], ids=["staged", "linear", "deep", "trees"]
)
def test_rows_may_be_divided_by_shard_map(cell):
    """JAX checks the types: what leaves a loop varies as what enters, gradients are added up."""
    mesh = AbstractMesh((B,), ("rows",), axis_types=(AxisType.Auto,))
    whole, carries, series = PartitionSpec(), PartitionSpec("rows"), PartitionSpec(None, "rows")
    if isinstance(cell, Clocks):
        xs = draw(STAGED, B)[1]
        params = cell.init(jax.random.key(0), {"u": F, "v": F}, dtype=jnp.float64)
        xs, carry = {"u": xs, "v": xs}, initial_carry(cell, params, (B,))
    else:
        params, xs, carry = draw(cell, B)
    signals = draw_signals(B)

    def gradients(params, xs, carry, lengths, mask, resets):
        def loss(*args):
            out = scan(cell, *args, lengths=lengths, mask=mask, resets=resets)
            return sum(jnp.sum(a) for a in inexact(out))

        return jax.grad(loss, (0, 1), allow_int=True)(params, xs, carry)

    specs = (whole, series, carries, carries, series, series)
    run = jax.shard_map(gradients, mesh=mesh, in_specs=specs, out_specs=specs[:2])
    found = jax.eval_shape(run, params, xs, carry, *signals.values())
    chex.assert_trees_all_equal_shapes_and_dtypes(found, (params, xs))


def test_an_explicit_mesh_is_refused_in_a_sentence():
    mesh = AbstractMesh((B,), ("rows",), axis_types=(AxisType.Explicit,))
    params, xs, _ = draw(STAGED, B)
    on_mesh = jax.sharding.NamedSharding(mesh, PartitionSpec(None, "rows"))
    xs = jax.ShapeDtypeStruct(xs.shape, xs.dtype, sharding=on_mesh)
    with pytest.raises(ValueError, match="expected arrays on a mesh of automatic axes"):
        jax.eval_shape(lambda xs: scan(STAGED, params, xs), xs)
