"""What the engine promises beyond the laws of a single cell, on cells of every kind."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import (
    CASES,
    Clocks,
    Gated,
    Leaky,
    assert_close,
    at,
    random_like,
    stacked,
)
from draws import B, F, H, T, draw, draw_signals, pull, total
from jax.flatten_util import ravel_pytree
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

import rnnjax
from rnnjax import (
    GRU,
    LSTM,
    Cell,
    Elman,
    Jordan,
    Record,
    Residual,
    ResetBeforeGRU,
    Stack,
    explain,
    restart,
    scan,
)
from rnnjax._trees import inexact, pullback
from rnnjax.cells import LRU, AttentionDecoder, AttentionMemory, EchoState, MinGRU, Zoneout
from rnnjax.engine import Associative, Loop, _choice, initial_carry
from rnnjax.testing import Trial, by_scan

STAGED, PLAIN, LINEAR = LSTM(H), Leaky(H), MinGRU(H)
RESET_BEFORE = ResetBeforeGRU(H)
DEEP = Stack((RESET_BEFORE, Residual(MinGRU(H)), PLAIN))

each_kind = pytest.mark.parametrize(
    "cell", [STAGED, PLAIN, LINEAR, DEEP], ids=["staged", "plain", "linear", "deep"]
)
each_direction = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


# Methods.

KINDS = [
    "Clocks",
    "Gated",
    "ResetBeforeGRU",
    "LRU",
    "Stack",
    "LogGap",
    "Tokens",
    "AttentionDecoder",
]
METHODS = [
    Loop(forward_mode=True),
    Loop(unroll=3),
    Loop(checkpoint=1),
    Loop(checkpoint=3, unroll=2),
    Associative(),
    Associative(chunk=2),
]


@each_direction
@pytest.mark.parametrize("kind", KINDS)
def test_every_method_gives_the_same(kind, reverse):
    """With gaps, resets, a row without a step and NaN in the padding, values and gradients.

    The default is compared with a loop in the laws of each cell.
    """
    case = next(case for case in CASES if case.id == kind)
    trial = Trial(case.cell, case.input_size, case.context, case.draw)
    expected = by_scan(trial, reverse)
    methods = METHODS if case.id in ("LRU", "Stack") else METHODS[:4]
    for method in methods[::2] if reverse else methods:
        assert_close(by_scan(trial, reverse, method), expected)


def test_a_method_that_cannot_serve_leaves_it_to_the_loop():
    params, xs, carry = draw(STAGED, B)
    told = explain(STAGED, params, xs, method=Associative(precision="highest"))
    (choice,) = told.recurrences
    assert choice.method == Loop(precision="highest")
    assert dict(choice.ruled_out) == {"Associative": "LSTM is not linear in its carry"}
    expected = scan(STAGED, params, xs, carry)
    assert_close(scan(STAGED, params, xs, carry, method=Associative()), expected)


# Masks, where cells are singular.


@pytest.mark.parametrize("method", [None, Loop(forward_mode=True), Loop(checkpoint=2)], ids=str)
def test_the_gradient_with_padding_is_that_without(method):
    """Also of a row that is empty, alone under `vmap` or beside others."""
    case = next(case for case in CASES if case.id == "LogGap")
    cell, lengths = case.cell, (0, 2, T)
    trial = Trial(cell, case.input_size, None, case.draw)

    def padded(params, row):
        xs = jax.tree.map(lambda a: a.at[lengths[row] :].set(0), at(trial.xs, (slice(None), row)))
        signals = {"lengths": jnp.array(lengths[row]), "method": method}
        return jax.grad(lambda params: total(scan(cell, params, xs, **signals)[1]))(params)

    def together(params):
        xs = jax.tree.map(
            lambda a: jnp.where((np.arange(T)[:, None] < np.array(lengths))[..., None], a, 0),
            trial.xs,
        )
        return total(scan(cell, params, xs, lengths=jnp.array(lengths), method=method)[1])

    def cut(params):
        rows = [
            scan(cell, params, at(trial.xs, (slice(n), row)))[1] for row, n in enumerate(lengths)
        ]
        return total(rows)

    expected = jax.grad(cut)(trial.params)
    chex.assert_tree_all_finite(expected)
    assert_close(jax.grad(together)(trial.params), expected)
    each = [padded(trial.params, row) for row in range(B)]
    assert_close(jax.tree.map(lambda *rows: sum(rows), *each), expected)
    xs = jax.tree.map(jnp.zeros_like, trial.xs)

    def member(params, lengths):
        return total(scan(cell, params, xs, lengths=lengths, method=method)[1])

    members = stacked([trial.params] * 2)
    nothing = jax.vmap(jax.grad(member))(members, jnp.zeros((2, B), int))
    assert_close(nothing, jax.tree.map(jnp.zeros_like, members))


class Direction(Cell):
    """A cell whose output is singular at its initial carry, zero: `y = h / |h|`."""

    hidden_size: int

    def init(self, key, input_size, *, dtype=jnp.float32):
        return {"w_x": jax.random.normal(key, (input_size, self.hidden_size), dtype)}

    def init_carry(self, weights, batch_shape=()):
        return jnp.zeros((*batch_shape, self.hidden_size))

    def project(self, weights, xs):
        return xs @ weights["w_x"]

    def update(self, weights, carry, z):
        return jnp.tanh(z + carry)

    def readout(self, weights, carry, x):
        return carry / jnp.linalg.norm(carry, axis=-1, keepdims=True)


@pytest.mark.parametrize("method", [None, Loop(forward_mode=True)], ids=str)
def test_the_readout_of_a_masked_step_is_taken_where_the_cell_has_been(method):
    cell, mask = (
        Direction(H),
        jnp.array([[0, 1, 1, 0, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]], bool).T,
    )
    params, xs, _ = draw(cell, B)
    gradient = jax.grad(lambda p, xs: total(scan(cell, p, xs, mask=mask, method=method)[1]), (0, 1))
    found = gradient(params, jnp.where(mask[..., None], xs, jnp.nan))
    chex.assert_tree_all_finite(found)
    assert found[1][mask].all() and not found[1][~mask].any()


# Short sequences, and shapes.


@pytest.mark.parametrize("method", [None, Loop(checkpoint="sqrt")], ids=["default", "sqrt"])
@each_kind
def test_no_steps(cell, method):
    def run(reverse, params, xs, carry):
        final, (ys, carries) = scan(Record(cell), params, xs, carry, reverse=reverse, method=method)
        chex.assert_shape(ys, (0, B, cell.output_size))
        chex.assert_trees_all_equal_shapes(carries, jax.tree.map(lambda c: c[None][:0], carry))
        return final

    params, xs, carry = draw(cell, B, steps=0)
    for reverse in (False, True):
        final, (d_params, d_xs, d_carry) = pull(partial(run, reverse), params, xs, carry)
        assert_close(final, carry)
        assert_close(d_carry, random_like(4, carry))
        assert_close(d_params, jax.tree.map(jnp.zeros_like, params))
        assert_close(d_xs, xs)


@each_kind
def test_one_step(cell):
    def step(params, xs, carry):
        carry, y = cell.step(params, carry, xs[0])
        return carry, y[None]

    args = draw(cell, B, steps=1)
    expected = pull(step, *args)
    for reverse in (False, True):
        assert_close(pull(partial(scan, cell, reverse=reverse), *args), expected)


@pytest.mark.parametrize("cell", [STAGED, PLAIN], ids=["staged", "plain"])
def test_any_number_of_batch_axes(cell):
    params, xs, carry = draw(cell, 2, 1, 3)
    signals = draw_signals(2, 1, 3)

    def flat(tree, leading=1):
        return jax.tree.map(
            lambda a: a.reshape(*a.shape[:leading], 6, *a.shape[leading + 3 :]), tree
        )

    def three_axes(params, xs, carry):
        final, ys = scan(cell, params, xs, carry, **signals)
        return flat(final, 0), flat(ys)

    lengths, mask, resets = (
        flat(signals["lengths"], 0),
        flat(signals["mask"]),
        flat(signals["resets"]),
    )

    def one_axis(params, xs, carry):
        return scan(
            cell, params, flat(xs), flat(carry, 0), lengths=lengths, mask=mask, resets=resets
        )

    def no_axis(params, xs, carry):
        def row(x, carry, lengths, mask, resets):
            return scan(cell, params, x, carry, lengths=lengths, mask=mask, resets=resets)

        rows = jax.vmap(row, in_axes=(1, 0, 0, 1, 1), out_axes=(0, 1))
        return rows(flat(xs), flat(carry, 0), lengths, mask, resets)

    expected = pull(three_axes, params, xs, carry)
    assert_close(pull(one_axis, params, xs, carry), expected)
    assert_close(pull(no_axis, params, xs, carry), expected)


# Routes.


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("cell", [LSTM(H), GRU(H), RESET_BEFORE, Gated(H)], ids=repr)
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

    def values_and_gradients(method):
        def run(params, xs, carry):
            return scan(Record(cell), params, xs, carry, method=method, **signals)

        return run(params, xs, carry), pull(run, params, xs, carry)

    plain = Loop(forward_mode=True)
    assert_close(values_and_gradients(None), values_and_gradients(plain))


@pytest.mark.parametrize("signals", [{}, draw_signals(B)], ids=["none", "signals"])
@pytest.mark.parametrize(
    "cell", [LSTM(H), GRU(H), RESET_BEFORE, Jordan(H, 2), Elman(H), Gated(H)], ids=repr
)
def test_an_ensemble_of_staged_loops_equals_one_of_plain_loops(cell, signals):
    args = [draw(cell, B) for _ in range(3)]
    params, xs, carries = stacked(
        [jax.tree.map(lambda a, i=i: a + i, a) for i, a in enumerate(args)]
    )

    def values_and_gradients(method, axis):
        def run(params, xs, carries):
            def member(params, xs, carry):
                return scan(cell, params, xs, carry, method=method, **signals)

            return jax.vmap(member, in_axes=(0, axis, 0))(params, xs, carries)

        given = xs if axis == 0 else xs[0]
        return run(params, given, carries), pull(run, params, given, carries)

    for axis in (0, None):
        plain = values_and_gradients(Loop(forward_mode=True), axis)
        assert_close(values_and_gradients(None, axis), plain)


# Arguments.


def test_numpy_arrays_and_lists():
    args, signals = draw(STAGED, B), draw_signals(B)
    expected = scan(STAGED, *args, **jax.tree.map(jnp.asarray, signals))
    args = jax.tree.map(np.asarray, args)
    assert expected[1].any()
    assert_close(scan(STAGED, *args, **signals), expected)
    lists = {name: signal.tolist() for name, signal in signals.items()}
    assert_close(scan(STAGED, *args, **lists), expected)


def test_lengths_and_mask_together():
    args, signals = draw(STAGED, B), draw_signals(B)
    lengths, mask = signals["lengths"], signals["mask"]
    within = np.array([[t < n for n in lengths] for t in range(T)])
    assert (within & ~mask).any()
    assert (~within & mask).any()
    expected = scan(STAGED, *args, mask=within & mask)
    assert_close(scan(STAGED, *args, lengths=lengths, mask=mask), expected)


def test_lengths_beyond_the_end_count_as_all_steps_under_jit():
    args = draw(STAGED, B)
    run = jax.jit(lambda lengths: scan(STAGED, *args, lengths=lengths))
    assert_close(run(jnp.array([T + 1, 2, 100])), scan(STAGED, *args, lengths=np.array([T, 2, T])))


@pytest.mark.parametrize("array", [np.array, jnp.array], ids=["numpy", "jax"])
def test_known_lengths_inside_jit(array):
    (params, *args), lengths = draw(STAGED, B), array([T, 0, 2])
    got = jax.jit(lambda params: scan(STAGED, params, *args, lengths=lengths))(params)
    assert_close(got, scan(STAGED, params, *args, lengths=lengths))


# Direction.


@each_kind
def test_reverse_is_flipping(cell):
    def flipped(params, xs, carry):
        carry, ys = scan(cell, params, jnp.flip(xs, 0), carry)
        return carry, jnp.flip(ys, 0)

    args = draw(cell, B)
    assert_close(pull(partial(scan, cell, reverse=True), *args), pull(flipped, *args))


@pytest.mark.parametrize("cell", [STAGED, PLAIN], ids=["staged", "plain"])
def test_reverse_starts_at_the_last_valid_step(cell):
    lengths = (0, 2, T)

    def unpadded(params, xs, carry):
        rows = []
        for row, n in enumerate(lengths):
            final, ys = scan(cell, params, jnp.flip(xs[:n, row], 0), at(carry, row))
            rows.append((final, jnp.pad(jnp.flip(ys, 0), ((0, T - n), (0, 0)))))
        finals, outputs = zip(*rows, strict=True)
        return stacked(finals), stacked(outputs, 1)

    args = draw(cell, B)
    padded = partial(scan, cell, lengths=np.array(lengths), reverse=True)
    assert_close(pull(padded, *args), pull(unpadded, *args))


# The carry after every step.


@pytest.mark.parametrize("method", [None, Loop(checkpoint=2)], ids=["default", "checkpoint"])
def test_the_carries_of_a_stack(method):
    """A tuple, one entry a cell; each is what its cell would say; zeros at masked steps."""
    low, high = STAGED, Elman(H)
    mask = np.ones((T, B), bool)
    mask[1:3, 1] = mask[0, 2] = False

    def one_by_one(params, xs, carry):
        run = partial(scan, mask=mask, method=method)
        low_final, (xs, low_carries) = run(Record(low), params[0], xs, carry[0])
        high_final, (ys, high_carries) = run(Record(high), params[1], xs, carry[1])
        return (low_final, high_final), (ys, (low_carries, high_carries))

    args = draw(Stack((low, high)), B)
    got = pull(partial(scan, Record(Stack((low, high))), mask=mask, method=method), *args)
    assert_close(got, pull(one_by_one, *args))
    (final, (ys, carries)), _ = got
    assert_close(at(carries, -1), final)
    assert_close(ys, carries[1])
    assert not any(a[~mask].any() for a in jax.tree.leaves(carries))


# Transformations.


@pytest.mark.parametrize(
    ("cell", "axes"),
    [
        (STAGED, (0, None, None)),
        (STAGED, (None, 0, None)),
        (STAGED, (None, None, 0)),
        (STAGED, (0, 0, 0)),
        (PLAIN, (0, 0, 0)),
    ],
    ids=["parameters", "inputs", "signals", "all", "all of a plain cell"],
)
def test_vmap_is_a_loop_over_members(cell, axes):
    params, xs, carry = draw(cell, B)

    def member(seed):
        return random_like(seed, params), random_like(seed, xs), draw_signals(B, seed=seed)

    def run(params, xs, signals):
        return pull(lambda p, x: scan(cell, p, x, carry, **signals), params, xs)

    first, second = member(5), member(6)
    pairs = list(zip(first, second, axes, strict=True))
    shared = [a if axis is None else stacked([a, b]) for a, b, axis in pairs]
    second = [a if axis is None else b for a, b, axis in pairs]
    assert_close(jax.vmap(run, axes)(*shared), stacked([run(*first), run(*second)]))


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
    hessian = jax.jit(jax.hessian(loop))(flat)
    assert_close(jax.jit(jax.hessian(engine))(flat), hessian)
    over = jax.jit(jax.grad(lambda flat: jax.grad(engine)(flat) @ direction))
    assert_close(over(flat), hessian @ direction)


def test_forward_mode_of_a_staged_cell_is_to_be_asked_for():
    engine, loop, flat = small(Elman(2))
    direction = random_like(5, flat)
    with pytest.raises(TypeError, match="forward-mode autodiff"):
        jax.jvp(engine, (flat,), (direction,))
    forward = partial(engine, method=Loop(forward_mode=True))
    value, tangent = jax.jvp(forward, (flat,), (direction,))
    assert_close(value, loop(flat))
    assert_close(tangent, jax.grad(engine)(flat) @ direction)


def test_forward_mode_of_a_plain_cell():
    engine, loop, flat = small(Leaky(2))
    assert_close(jax.jacfwd(engine)(flat), jax.jacrev(loop)(flat))


# Kinds of numbers.


class Sparse(Elman):
    """A staged cell among whose parameters are integers, booleans and an absent one."""

    def init(self, key, input_size, *, dtype=jnp.float32):
        params = super().init(key, input_size, dtype=dtype)
        wired = jax.random.bernoulli(key, 0.5, params.w_h.shape)
        signs = jnp.where(jax.random.bernoulli(key, 0.5, params.b.shape), 1, -1).astype(jnp.int8)
        return {**params._asdict(), "wired": wired, "signs": signs, "absent": None}

    def project(self, weights, xs):
        return xs @ weights["w_x"] + weights["b"] * weights["signs"]

    def recur(self, weights, carry, z):
        return z + carry @ (weights["w_h"] * weights["wired"])


def test_integers_and_absent_parameters():
    cell = Sparse(H)
    params = cell.init(jax.random.key(0), F, dtype=jnp.float64)
    _, xs, carry = draw(Elman(H), B)

    def gradient(method):
        def loss(floats):
            return total(scan(cell, params | floats, xs, carry, method=method))

        return jax.grad(loss)({name: params[name] for name in ("w_x", "w_h", "b")})

    assert explain(cell, params, xs).recurrences[0].form == "staged loop"
    assert_close(gradient(None), gradient(Loop(forward_mode=True)))
    whole = pullback(lambda params: scan(cell, params, xs, carry), params)
    assert len(whole(inexact(scan(cell, params, xs, carry)))[0]) == 3
    everything = jax.grad(lambda p: total(scan(cell, p, xs, carry)), allow_int=True)(params)
    assert everything["absent"] is None and everything["wired"].dtype == jax.dtypes.float0


class Trace(Cell):
    """A slow trace, `h' = decay h + x w_x`, from a start that is a parameter."""

    hidden_size: int

    def init(self, key, input_size, *, dtype=jnp.float32):
        w = jax.random.normal(key, (input_size, self.hidden_size), dtype)
        decay = jnp.full(self.hidden_size, 0.999, dtype)
        return {"w_x": w, "decay": decay, "start": jnp.ones(self.hidden_size, dtype)}

    def init_carry(self, weights, batch_shape=()):
        return jnp.broadcast_to(weights["start"], (*batch_shape, self.hidden_size))

    def project(self, weights, xs):
        return rnnjax.matmul(xs, weights["w_x"])

    def update(self, weights, carry, z):
        return z + weights["decay"] * carry


@pytest.mark.parametrize("kind", [Loop, Associative])
def test_only_factors_of_products_are_narrowed(kind):
    """Decays, starts and biases keep float32, and so do carries and outputs."""
    with jax.enable_x64(False):
        cell, xs = Trace(1), jnp.zeros((3000, 1, 3))
        params = cell.init(jax.random.key(0), 3)
        final, ys = scan(cell, params, xs, method=kind(dtype="bfloat16"))
        assert final.dtype == ys.dtype == jnp.float32
        np.testing.assert_allclose(final, 0.999**3000, rtol=1e-4)
        lstm = LSTM(8)
        params = lstm.init(jax.random.key(0), 3)
        xs = jax.random.normal(jax.random.key(1), (5, 2, 3))

        def run(params):
            return scan(lstm, params, xs, method=kind(dtype="bfloat16"))[1]

        gradient = jax.grad(lambda params: run(params).sum())(params)
        assert {a.dtype for a in gradient} == {jnp.dtype("float32")}
        rounded = params._replace(w_x=_round(params.w_x), w_h=_round(params.w_h))
        assert abs(run(params) - run(params._replace(b=_round(params.b)))).max() == 0  # no loss
        assert 0 < abs(run(params) - scan(lstm, params, xs)[1]).max() < 0.05
        assert abs(run(params) - run(rounded)).max() == 0


def _round(a):
    return a.astype(jnp.bfloat16).astype(a.dtype)


@pytest.mark.parametrize("dtype", ["int8", "bool", "complex64"])
def test_a_method_refuses_a_dtype_that_is_no_float(dtype):
    with pytest.raises(ValueError, match="expected dtype to be a float type"):
        Loop(dtype=dtype)


def test_carries_are_widened_but_not_narrowed():
    params, xs, carry = draw(STAGED, B)
    narrow = jax.tree.map(lambda a: a.astype(jnp.bfloat16), carry)
    wide = jax.tree.map(lambda a: a.astype(jnp.float64), narrow)
    assert_close(scan(STAGED, params, xs, narrow), scan(STAGED, params, xs, wide))
    single = jax.tree.map(lambda a: a.astype(jnp.float32), (params, xs))
    with pytest.raises(ValueError, match="expected a carry of LSTM.* in float32, got float64"):
        scan(STAGED, *single, carry)
    assert initial_carry(STAGED, params, (B,)).c.dtype == jnp.float64


# Arguments of every cell: context, key, free runs.


def test_a_context_is_given_to_those_who_take_one():
    cell = Stack((Elman(2), AttentionDecoder(GRU(H), 2, 3)))
    params, xs, carry = draw(cell, B)
    memory = AttentionMemory(random_like(5, jax.ShapeDtypeStruct((B, 4, 3), jnp.float64)))
    assert scan(cell, params, xs, carry, context=memory)[1].shape == (T, B, H)
    with pytest.raises(ValueError, match="expected a context for Stack.*, got None"):
        scan(cell, params, xs, carry)
    with pytest.raises(ValueError, match="expected no context.*, got AttentionMemory"):
        scan(STAGED, *draw(STAGED, B), context=memory)


def test_padding_of_a_context_reaches_nothing():
    """Neither value nor gradient, even if it is NaN; a row without memory stays finite."""
    cell = AttentionDecoder(LSTM(H), 2, 3)
    params, xs, carry = draw(cell, B)
    values = random_like(5, jax.ShapeDtypeStruct((B, 4, 3), jnp.float64))
    lengths = jnp.array([0, 2, 4])
    garbage = jnp.where(jnp.arange(4)[:, None] < lengths[:, None, None], values, jnp.nan)

    def gradients(values):
        def run(params, values):
            return total(scan(cell, params, xs, carry, context=AttentionMemory(values, lengths)))

        return jax.value_and_grad(run, (0, 1))(params, values)

    found = gradients(garbage)
    chex.assert_tree_all_finite(found)
    assert_close(found, gradients(values))


def test_without_a_key_there_is_no_noise_and_with_one_always_the_same():
    cell = Stack((Zoneout(LSTM(H), rate=0.5), GRU(H)))
    params, xs, carry = draw(cell, B)
    quiet = scan(cell, params, xs, carry)
    assert_close(scan(cell, params, xs, carry), quiet)
    first, again, other = (
        scan(cell, params, xs, carry, key=jax.random.key(seed))[1] for seed in (1, 1, 2)
    )
    chex.assert_trees_all_equal(first, again)
    assert (first != other).any() and (first != quiet[1]).any()


def test_a_free_run_goes_on_from_a_driven_one():
    cell = EchoState(6, 2)
    params, _, _ = draw(cell, B)
    xs = random_like(2, jax.ShapeDtypeStruct((T, B, F), jnp.float64))
    carry, ys = scan(cell, params, xs)
    _, free = scan(cell, params, None, carry, length=3)
    for y in free:
        carry, expected = cell.step(cell.prepare(params), carry, None)
        assert_close(y, expected)
    carry, ys = scan(cell, params, xs)
    fed, _ = scan(cell, params, ys[-1:], carry)
    once, _ = scan(cell, params, None, carry, length=1)
    assert_close(once, fed)
    lengths = jnp.array([0, 1, 3])
    final, ys = scan(cell, params, None, carry, length=3, lengths=lengths)
    chex.assert_trees_all_equal(final[0], carry[0])
    assert_close(ys[:, 2], free[:, 2])
    with pytest.raises(ValueError, match="either xs, or xs=None and a length"):
        scan(cell, params, None, carry)


# By hand.


def test_restart_by_hand_is_a_reset():
    params, xs, carry = draw(STAGED, B)
    resets = draw_signals(B)["resets"]
    expected = scan(STAGED, params, xs, carry, resets=resets)
    ys = []
    for x, done in zip(xs, resets, strict=True):
        carry = restart(STAGED, params, carry, done)
        carry, y = STAGED.step(params, carry, x)
        ys.append(y)
    assert_close((carry, jnp.stack(ys)), expected)
    with pytest.raises(ValueError, match="expected a carry of LSTM"):
        restart(STAGED, params, carry, np.zeros(B + 1, bool))
    with pytest.raises(ValueError, match="expected done to be bool"):
        restart(STAGED, params, carry, np.zeros(B))


@pytest.mark.parametrize(
    ("carry", "x"),
    [((1,), (3,)), ((3,), (1,)), ((3,), ()), ((), (3,)), ((2, 3), (3,))],
)
def test_a_step_refuses_a_carry_of_another_batch(carry, x):
    cell = Elman(H)
    params, _, _ = draw(cell, B)
    with pytest.raises(ValueError, match="expected a carry of Elman"):
        cell.step(params, jnp.ones((*carry, H)), jnp.ones((*x, F)))


def test_a_step_refuses_a_carry_of_another_size():
    params, _, carry = draw(STAGED, B)
    with pytest.raises(ValueError, match=r"h=\[3, 3\], c=\[3, 3\].*got .*c=\[3, 1\]"):
        STAGED.step(params, carry._replace(c=jnp.ones((B, 1))), jnp.ones((B, F)))


# Time and rows.


@each_kind
def test_two_pieces_equal_one(cell):
    params, xs, carry = draw(cell, B)
    signals = draw_signals(B)
    del signals["lengths"]

    def pieces(params, xs, carry):
        outputs = []
        for piece in (slice(2), slice(2, None)):
            carry, ys = scan(cell, params, xs[piece], carry, **at(signals, piece))
            outputs.append(ys)
        return carry, jnp.concatenate(outputs)

    whole = partial(scan, cell, **signals)
    assert_close(pull(pieces, params, xs, carry), pull(whole, params, xs, carry))


@each_direction
@each_kind
def test_no_output_depends_on_a_later_input(cell, reverse):
    params, xs, carry = draw(cell, B)
    now = 2
    earlier, later = slice(now), slice(now, None)
    if reverse:
        earlier, later = slice(now + 1, None), slice(now + 1)
    (_, ys), (_, changed) = (
        scan(cell, params, a, carry, reverse=reverse) for a in (xs, xs.at[later].add(1))
    )
    chex.assert_trees_all_equal(ys[earlier], changed[earlier])
    assert (ys[now] != changed[now]).any(axis=-1).all()


@each_kind
def test_a_reset_is_a_fresh_start(cell):
    params, xs, carry = draw(cell, B)
    now, resets = 3, np.zeros((T, B), bool)
    resets[now] = True
    _, before = scan(cell, params, xs[:now], carry)
    final, after = scan(cell, params, xs[now:])
    results = scan(cell, params, xs, carry, resets=resets)
    assert_close(results, (final, jnp.concatenate([before, after])))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint32", "int64", "uint64"])
def test_lengths_of_any_integer_type(dtype):
    args = draw(STAGED, B)
    lengths = np.array([0, 2, T], dtype)
    expected = scan(STAGED, *args, lengths=np.array([0, 2, T]))
    assert_close(scan(STAGED, *args, lengths=lengths), expected)
    most = np.array([0, 2, np.iinfo(dtype).max], dtype)
    assert_close(jax.jit(lambda n: scan(STAGED, *args, lengths=n))(most), expected)


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


def test_complex_inputs_need_complex_parameters():
    params, xs, _ = draw(STAGED, B)
    with pytest.raises(ValueError, match="expected real inputs for real parameters, got complex"):
        scan(STAGED, params, xs * (1 + 1j))
    weights = jax.tree.map(lambda a: a * (1 + 1j), draw(Elman(H), B)[0])
    with pytest.raises(ValueError, match="expected a parameter of Elman.* like float"):
        scan(Elman(H), weights, xs)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "bool"])
def test_weights_of_the_wrong_kind_are_refused(dtype):
    params, xs, _ = draw(STAGED, B)
    wrong = params._replace(w_h=jnp.sign(params.w_h).astype(dtype))
    with pytest.raises(ValueError, match=f"like float.*, got {dtype}"):
        scan(STAGED, wrong, xs)


def test_linear_cells_have_forward_mode():
    params, xs, _ = draw(LRU(H, F), B)
    direction = random_like(5, params)

    def run(params):
        return total(scan(LRU(H, F), params, xs)[1])

    _, tangent = jax.jvp(run, (params,), (direction,))
    gradient = jax.grad(run)(params)
    dots = jax.tree.map(lambda a, b: (a * b).sum(), gradient, direction)
    np.testing.assert_allclose(tangent, sum(jax.tree.leaves(dots)), rtol=1e-9)
