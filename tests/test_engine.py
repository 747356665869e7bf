"""What the engine promises beyond the laws of a single cell."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import Gated, Leaky, assert_close, at, random_like, stacked
from draws import B, F, H, T, draw, draw_signals, pull, total
from jax.flatten_util import ravel_pytree

from rnnjax import GRU, LSTM, Elman, Jordan, Residual, Stack, StagedCell, frozen, scan
from rnnjax.engine import Sequential, _staged

STAGED, PLAIN = LSTM(H), Leaky(H)
RESET_FIRST = GRU(H, reset_after=False)
DEEP = Stack((RESET_FIRST, Residual(Elman(H)), PLAIN))

each_kind = pytest.mark.parametrize("cell", [STAGED, PLAIN, DEEP], ids=["staged", "plain", "deep"])
each_direction = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


# Short sequences, and shapes.


@pytest.mark.parametrize("method", [None, Sequential(checkpoint="sqrt")], ids=["default", "sqrt"])
@each_kind
def test_no_steps(cell, method):
    def run(reverse, params, xs, carry):
        final, (ys, carries) = scan(
            cell, params, xs, carry, reverse=reverse, return_carries=True, method=method
        )
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
@pytest.mark.parametrize("cell", [LSTM(H), GRU(H), RESET_FIRST, Gated(H)], ids=repr)
def test_chunks_of_time_change_nothing(monkeypatch, cell, reverse):
    """37 steps of 64 sequences make two chunks of 16 steps, and one of 5."""
    monkeypatch.setattr(_staged, "_WEIGHTS", 0)
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
            return scan(cell, params, xs, carry, method=method, return_carries=True, **signals)

        return run(params, xs, carry), pull(run, params, xs, carry)

    plain = Sequential(forward_mode=True)
    assert_close(values_and_gradients(None), values_and_gradients(plain))


@pytest.mark.parametrize("signals", [{}, draw_signals(B)], ids=["none", "signals"])
@pytest.mark.parametrize(
    "cell", [LSTM(H), GRU(H), RESET_FIRST, Jordan(H, 2), Elman(H), Gated(H)], ids=repr
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
        plain = values_and_gradients(Sequential(forward_mode=True), axis)
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


@pytest.mark.parametrize("method", [None, Sequential(checkpoint=2)], ids=["default", "checkpoint"])
def test_the_carries_of_a_stack(method):
    """A tuple, one entry a cell; each is what its cell would say, and masked steps hold it."""
    low, high = STAGED, Elman(H)
    mask = np.ones((T, B), bool)
    mask[1:3, 1] = mask[0, 2] = False

    def one_by_one(params, xs, carry):
        run = partial(scan, mask=mask, return_carries=True, method=method)
        low_final, (xs, low_carries) = run(low, params[0], xs, carry[0])
        high_final, (ys, high_carries) = run(high, params[1], xs, carry[1])
        return (low_final, high_final), (ys, (low_carries, high_carries))

    args = draw(Stack((low, high)), B)
    got = pull(
        partial(scan, Stack((low, high)), mask=mask, return_carries=True, method=method), *args
    )
    assert_close(got, pull(one_by_one, *args))
    (final, (ys, carries)), _ = got
    assert_close(at(carries, -1), final)
    assert_close(at(carries, (2, 1)), at(carries, (0, 1)))
    assert_close(at(carries, (0, 2)), at(args[2], 2))
    assert_close(ys, jnp.where(mask[..., None], carries[1], 0))


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
    forward = partial(engine, method=Sequential(forward_mode=True))
    value, tangent = jax.jvp(forward, (flat,), (direction,))
    assert_close(value, loop(flat))
    assert_close(tangent, jax.grad(engine)(flat) @ direction)


def test_forward_mode_of_a_plain_cell():
    engine, loop, flat = small(Leaky(2))
    assert_close(jax.jacfwd(engine)(flat), jax.jacrev(loop)(flat))


@frozen
class Spelling(StagedCell):
    """Takes a token beside its features, and has a parameter that is absent."""

    output_size = property(lambda self: H)

    def init(self, key, input_size, *, dtype=jnp.float32):
        return {
            "table": jax.random.normal(key, (4, H), dtype),
            "w": jax.random.normal(key, (input_size["x"], H), dtype),
            "absent": None,
        }

    def init_carry(self, params, batch_shape=()):
        return jnp.zeros((*batch_shape, H), params["w"].dtype)

    def project(self, params, xs):
        return params["table"][xs["token"][..., 0]] + xs["x"] @ params["w"]

    def recur(self, params, carry, z):
        return z - jnp.roll(carry, 1, -1)

    def gate(self, params, carry, s):
        return jnp.tanh(s), jnp.cos(s)


def test_gradients_beside_integers_and_absent_parameters():
    cell, mask = Spelling(), draw_signals(B)["mask"]
    initial = cell.init(jax.random.key(0), {"token": 1, "x": F}, dtype=jnp.float64)
    params, (_, xs, carry) = random_like(1, initial), draw(PLAIN, B)
    tokens = np.random.default_rng(0).integers(0, 4, (T, B, 1))

    def run(params, xs, carry):
        return scan(cell, params, {"token": tokens, "x": xs}, carry, mask=mask)

    def loop(params, xs, carry):
        ys = []
        for token, x, valid in zip(tokens, xs, mask[..., None], strict=True):
            new, y = cell.step(params, carry, {"token": token, "x": x})
            carry = jnp.where(valid, new, carry)
            ys.append(jnp.where(valid, y, 0))
        return carry, jnp.stack(ys)

    out, (d_params, *others) = pull(run, params, xs, carry)
    assert d_params["absent"] is None
    assert_close((out, (d_params, *others)), pull(loop, params, xs, carry))
