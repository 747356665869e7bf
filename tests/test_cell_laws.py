"""The laws of the `Cell` protocol, over the table of cells, in values and in gradients."""

# Keyword arguments gathered in dictionaries of arrays are more than pyright follows.
# pyright: reportArgumentType=false

import pickle
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import (
    CASES,
    assert_close,
    at,
    each_case,
    random_carry,
    random_inputs,
    random_like,
    random_params,
    stacked,
)
from jax.sharding import AbstractMesh, AxisType, PartitionSpec
from jax.test_util import check_grads

from rnnjax import StagedCell, scan
from rnnjax.engine import Sequential

STEPS, BATCH = 7, 3
# Gaps at the start, in the middle and at the end; as many valid steps in every sequence, so that
# the same steps, cut out, are a batch again.
MASK = np.array([[1, 1, 0, 1, 1, 1, 0], [0, 1, 1, 1, 0, 1, 1], [1, 1, 1, 1, 1, 0, 0]], bool).T
# At the first step, in the middle, twice in a row, and on masked steps.
RESETS = np.array([[0, 0, 1, 1, 0, 1, 0], [1, 0, 0, 1, 1, 0, 0], [1, 0, 1, 1, 0, 1, 0]], bool).T
FORWARD_MODE = Sequential(forward_mode=True)
FORWARDS = [
    FORWARD_MODE,
    Sequential(unroll=3),
    Sequential(checkpoint=1),
    Sequential(checkpoint=3, unroll=2),
    Sequential(checkpoint=STEPS + 1),
]
BACKWARDS = [FORWARD_MODE, Sequential(checkpoint=4)]


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def draw(case, steps=STEPS, batch=(BATCH,)):
    """Random parameters, inputs, initial carry, and carry for resets."""
    params = random_params(case)
    xs = random_inputs(case, steps, *batch)
    carry, fresh = (random_carry(case, params, *batch, seed=seed) for seed in (2, 3))
    return params, xs, carry, fresh


def pull(run, *args):
    """What `run` returns, and the gradients of a random weighting of all of it."""
    out, vjp = jax.vjp(run, *args)
    return out, vjp(random_like(4, out))


def compiled(run):
    """`pull` of `run`, compiled without the optimisations that take most of the time."""
    return jax.jit(partial(pull, run), compiler_options={"xla_backend_optimization_level": 0})


def controlled(case, **options):
    """A scan with gaps and resets, as a function of all that can be differentiated."""

    def run(params, xs, carry, fresh):
        signals = dict(mask=MASK, resets=RESETS, reset_carry=fresh)
        return scan(case.cell, params, xs, carry, **signals, **options)

    return run


def joined(*pieces):
    """Pieces of sequences, one after the other."""
    return jax.tree.map(lambda *arrays: jnp.concatenate(arrays), *pieces)


@jax.jit
def step(cell, params, carry, x):
    return cell.step(params, carry, x)


def one_by_one(cell, params, xs, carry, fresh, *, mask, resets, reverse=False):
    """What `scan` must compute, in Python: sequence by sequence, step by step."""
    sequences = []
    for row in range(mask.shape[1]):
        now, history = at(carry, row), {}
        for t in reversed(range(len(mask))) if reverse else range(len(mask)):
            before = at(fresh, row) if resets[t, row] else now
            new, y = step(cell, params, before, at(xs, (t, row)))
            now = new if mask[t, row] else now
            history[t] = (y if mask[t, row] else jax.tree.map(jnp.zeros_like, y), now)
        sequences.append((now, stacked([history[t] for t in sorted(history)])))
    finals, histories = zip(*sequences, strict=True)
    return stacked(finals), stacked(histories, axis=1)


@each_case
def test_scan_equals_a_python_loop(case):
    params, xs, carry, _ = draw(case)
    always = np.ones((STEPS, BATCH), bool)

    def loop(params, xs, carry):
        final, (ys, _) = one_by_one(
            case.cell, params, xs, carry, carry, mask=always, resets=~always
        )
        return final, ys

    assert_close(pull(partial(scan, case.cell), params, xs, carry), pull(loop, params, xs, carry))


def check_methods(case, reverse, methods):
    """Asserts that a scan with gaps and resets, by each method, equals the loop in Python."""
    args = draw(case)
    loop = partial(one_by_one, case.cell, mask=MASK, resets=RESETS, reverse=reverse)
    expected = pull(loop, *args)
    for method in methods:
        run = controlled(case, reverse=reverse, return_carries=True, method=method)
        assert_close(compiled(run)(*args), expected)


@each_case
@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
def test_gaps_and_resets_equal_a_python_loop(case, reverse):
    check_methods(case, reverse, [None])


@pytest.mark.slow
@each_case
@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
def test_every_method_equals_a_python_loop(case, reverse):
    check_methods(case, reverse, BACKWARDS if reverse else FORWARDS)


@each_case
def test_batched_call_equals_vmap(case):
    params, xs, carry, _ = draw(case, batch=(2, BATCH))
    run = partial(scan, case.cell)
    over_batch = partial(jax.vmap, in_axes=(None, 1, 0), out_axes=(0, 1))
    mapped = over_batch(over_batch(run))
    assert_close(run(params, xs, carry), mapped(params, xs, carry))


@each_case
def test_two_pieces_equal_one(case):
    def pieces(params, xs, carry, fresh):
        outputs = []
        for piece in (slice(3), slice(3, None)):
            signals = dict(mask=MASK[piece], resets=RESETS[piece], reset_carry=fresh)
            carry, ys = scan(case.cell, params, at(xs, piece), carry, **signals)
            outputs.append(ys)
        return carry, joined(*outputs)

    args = draw(case)
    assert_close(compiled(pieces)(*args), compiled(controlled(case))(*args))


@each_case
@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
def test_no_output_depends_on_a_later_input(case, reverse):
    params, xs, carry, _ = draw(case)
    now = 3
    earlier, later = slice(now), slice(now, None)
    if reverse:
        earlier, later = slice(now + 1, None), slice(now + 1)
    others = jax.tree.map(lambda a: a.at[later].add(1), xs)
    (_, ys), (_, changed) = (
        scan(case.cell, params, a, carry, reverse=reverse) for a in (xs, others)
    )
    chex.assert_trees_all_equal(at(ys, earlier), at(changed, earlier))
    for a, b in zip(*map(jax.tree.leaves, (at(ys, now), at(changed, now))), strict=True):
        assert (a != b).any(axis=-1).all()


@each_case
def test_what_stands_at_a_masked_step_changes_nothing(case):
    params, xs, carry, fresh = draw(case)
    garbage = jax.tree.map(lambda a: jnp.where(MASK[..., None], a, jnp.nan), xs)
    run = compiled(controlled(case))
    (final, ys), gradients = run(params, garbage, carry, fresh)
    chex.assert_tree_all_finite(((final, ys), gradients))
    chex.assert_trees_all_equal(((final, ys), gradients), run(params, xs, carry, fresh))
    for silent in jax.tree.leaves((ys, gradients[1])):
        assert not silent[~MASK].any()
        assert silent[MASK].any()


@each_case
def test_masked_steps_are_as_if_cut_out(case):
    params, xs, carry, fresh = draw(case)
    valid = np.stack([np.flatnonzero(row) for row in MASK.T], axis=1), np.arange(BATCH)
    final, ys = controlled(case)(params, xs, carry, fresh)
    signals = dict(resets=RESETS[valid], reset_carry=fresh)
    assert_close((final, at(ys, valid)), scan(case.cell, params, at(xs, valid), carry, **signals))


@each_case
def test_lengths_are_masks_without_gaps(case):
    params, xs, carry, _ = draw(case)
    lengths = np.array([0, 4, STEPS])
    mask = np.arange(STEPS)[:, None] < lengths
    final, ys = scan(case.cell, params, xs, carry, lengths=lengths)
    assert_close((final, ys), scan(case.cell, params, xs, carry, mask=mask))
    chex.assert_trees_all_equal(at(final, 0), at(carry, 0))


@each_case
def test_a_sequence_without_steps_leaves_the_carry(case):
    params, xs, carry, _ = draw(case, steps=0)
    final, ys = scan(case.cell, params, xs, carry)
    chex.assert_trees_all_equal(final, carry)
    assert all(y.shape[:2] == (0, BATCH) for y in jax.tree.leaves(ys))


@each_case
def test_reset_is_a_fresh_start(case):
    params, xs, carry, fresh = draw(case)
    now = 3
    resets = np.zeros((STEPS, BATCH), bool)
    resets[now] = True
    _, before = scan(case.cell, params, at(xs, slice(now)), carry)
    final, after = scan(case.cell, params, at(xs, slice(now, None)), fresh)
    results = scan(case.cell, params, xs, carry, resets=resets, reset_carry=fresh)
    assert_close(results, (final, joined(before, after)))


@each_case
def test_carries_that_are_not_given_are_the_initial_one(case):
    params, xs, _, _ = draw(case)
    initial = case.cell.init_carry(params, (BATCH,))
    expected = scan(case.cell, params, xs, initial, resets=RESETS, reset_carry=initial)
    assert_close(scan(case.cell, params, xs, resets=RESETS), expected)


def test_an_initial_carry_that_is_a_parameter_gets_its_gradient():
    case = next(case for case in CASES if case.id == "Gated")
    params, xs, _, _ = draw(case)
    run = partial(scan, case.cell, resets=RESETS)

    def given(params, xs):
        carry = case.cell.init_carry(params, (BATCH,))
        return run(params, xs, carry, reset_carry=carry)

    _, (gradient, _) = results = compiled(run)(params, xs)
    assert gradient.start.all()
    assert_close(results, compiled(given)(params, xs))


@each_case
def test_vmap_of_the_gradient_equals_a_loop(case):
    ensemble = stacked([random_params(case, seed=seed) for seed in range(BATCH)])
    _, xs, carry, _ = draw(case)
    sequences = jax.tree.map(lambda a: jnp.moveaxis(a, 1, 0), xs)
    gradients = compiled(partial(scan, case.cell))

    for axes in ((0, None, None), (None, 0, 0)):
        pairs = list(zip((ensemble, sequences, carry), axes, strict=True))
        args = [a if axis == 0 else at(a, 0) for a, axis in pairs]
        members = [
            gradients(*(at(a, k if axis == 0 else 0) for a, axis in pairs)) for k in range(BATCH)
        ]
        assert_close(jax.vmap(gradients, axes)(*args), stacked(members))


@each_case
def test_equal_cells_are_one_value(case):
    twin = pickle.loads(pickle.dumps(case.cell))
    assert twin is not case.cell
    assert twin == case.cell
    assert hash(twin) == hash(case.cell)
    traces = []

    @jax.jit
    def run(cell):
        traces.append(cell)

    run(case.cell)
    run(twin)
    assert len(traces) == 1


@each_case
def test_derivatives_equal_finite_differences(case):
    params, xs, carry, fresh = draw(case, steps=4, batch=())

    def run(method, params, xs, carry, fresh):
        signals = dict(mask=jnp.array([1, 0, 1, 1], bool), resets=jnp.array([0, 0, 0, 1], bool))
        return scan(case.cell, params, xs, carry, **signals, reset_carry=fresh, method=method)

    args = params, xs, carry, fresh
    check_grads(partial(run, None), args, order=2, modes=["rev"])
    check_grads(partial(run, FORWARD_MODE), args, order=1, modes=["fwd"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [case for case in CASES if isinstance(case.cell, StagedCell)],
    ids=lambda case: case.id,
)
def test_second_derivatives_do_not_depend_on_the_method(case):
    def curvature(method):
        def gradients(*args):
            return pull(controlled(case, method=method), *args)[1]

        return compiled(gradients)(*draw(case))

    assert_close(curvature(None), curvature(FORWARD_MODE))


def types(tree):
    return jax.tree.map(lambda a: (a.shape, a.dtype, a.weak_type), tree)


@each_case
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_a_carry_keeps_its_structure_and_type(case, dtype):
    def steps(key, xs):
        params = case.cell.init(key, case.input_size, dtype=dtype)
        carry = case.cell.init_carry(params, (BATCH,))
        return params, carry, case.cell.step(params, carry, at(xs, 0)), scan(case.cell, params, xs)

    wide = jnp.promote_types(dtype, jnp.float32)
    with jax.enable_x64(dtype == "float64"):
        xs = jax.tree.map(lambda a: a.astype(wide), random_inputs(case, STEPS, BATCH))
        params, carry, (new, y), (final, ys) = jax.eval_shape(steps, jax.random.key(0), xs)
    assert {a.dtype for a in jax.tree.leaves(params)} == {jnp.dtype(dtype)}
    assert {a.dtype for a in jax.tree.leaves((carry, y, ys))} == {wide}
    assert not any(a.weak_type for a in jax.tree.leaves((params, carry, y, ys)))
    assert types(new) == types(final) == types(carry)


@each_case
def test_results_have_the_precision_of_the_parameters(case):
    # Parameters that every dtype can hold, so that only the arithmetic differs.
    params, xs, carry, _ = draw(case)
    params = jax.tree.map(lambda a: a.astype(jnp.bfloat16).astype(jnp.float64), params)
    run = compiled(partial(scan, case.cell))
    expected = run(params, xs, carry)
    for dtype in (jnp.bfloat16, jnp.float32):
        narrow = jax.tree.map(lambda a, dtype=dtype: a.astype(dtype), params)
        others = jax.tree.map(lambda a: a.astype(jnp.float32), (xs, carry))
        with jax.enable_x64(False):
            assert_close(run(narrow, *others), expected, dtype)


@each_case
def test_rows_may_be_divided_by_shard_map(case):
    """JAX checks the types: what leaves a loop varies as what enters, gradients are added up."""
    mesh = AbstractMesh((BATCH,), ("rows",), axis_types=(AxisType.Auto,))
    whole, carries, series = PartitionSpec(), PartitionSpec("rows"), PartitionSpec(None, "rows")
    specs = (whole, series, carries, carries)
    args = draw(case)

    def gradients(params, xs, carry, fresh, mask, resets):
        def loss(*args):
            final, ys = scan(case.cell, *args[:3], mask=mask, resets=resets, reset_carry=args[3])
            return sum(jnp.sum(a) for a in jax.tree.leaves((final, ys)))

        return jax.grad(loss, (0, 1, 2, 3))(params, xs, carry, fresh)

    run = jax.shard_map(gradients, mesh=mesh, in_specs=(*specs, series, series), out_specs=specs)
    found = jax.eval_shape(run, *args, MASK, RESETS)
    chex.assert_trees_all_equal_shapes_and_dtypes(found, jax.eval_shape(lambda *a: a, *args))
