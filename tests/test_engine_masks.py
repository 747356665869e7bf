"""Lengths, masks and resets: what is padding reaches nothing, in value and gradient."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, assert_close, at, stacked
from draws import LINEAR, STAGED, B, H, T, draw, draw_signals, total

from rnnjax import Cell, restart, scan
from rnnjax.engine import Loop
from rnnjax.testing._trial import Trial

pytestmark = pytest.mark.usefixtures("x64")

# Where cells are singular.


@pytest.mark.parametrize(
    "method",
    [
        None,
        pytest.param(Loop(forward_mode=True), marks=pytest.mark.slow),
        pytest.param(Loop(checkpoint=2), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_the_gradient_with_padding_is_that_without(method):
    """Also of a row that is empty, alone under `vmap` or beside others."""
    case = next(case for case in CASES if case.id == "LogGap")
    cell, lengths = case.cell, np.array([0, 2, T])
    trial = Trial(cell, case.input_size, None, case.draw)

    def padded(params, xs, lengths):
        xs = jax.tree.map(
            lambda a: jnp.where((jnp.arange(T) < lengths[..., None]).T[..., None], a, 0), xs
        )
        return total(scan(cell, params, xs, lengths=lengths, method=method)[1])

    def cut(params):
        rows = [
            scan(cell, params, at(trial.xs, (slice(n), row)))[1] for row, n in enumerate(lengths)
        ]
        return total(rows)

    def members(params, xs, lengths):
        over_rows = jax.vmap(jax.grad(padded), in_axes=(0, 1, 0))
        return over_rows(params, xs, lengths)

    together, alone = jax.jit(jax.grad(padded)), jax.jit(members)
    expected = jax.jit(jax.grad(cut))(trial.params)
    chex.assert_tree_all_finite(expected)
    assert_close(together(trial.params, trial.xs, lengths), expected)
    shared = stacked([trial.params] * B)
    each = alone(shared, trial.xs, lengths)
    assert_close(jax.tree.map(lambda rows: rows.sum(0), each), expected)
    nothing = alone(shared, jax.tree.map(jnp.zeros_like, trial.xs), np.zeros(B, int))
    assert_close(nothing, jax.tree.map(jnp.zeros_like, shared))


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
    params, xs, carry = draw(cell, B)

    def loss(params, xs, carry):
        return total(scan(cell, params, xs, carry, mask=mask, method=method)[1])

    garbage = jnp.where(mask[..., None], xs, jnp.nan)
    found = jax.jit(jax.grad(loss, (0, 1, 2)))(params, garbage, jnp.zeros_like(carry))
    chex.assert_tree_all_finite(found)
    assert found[1][mask].all() and not found[1][~mask].any()


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


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint64"])
def test_lengths_of_any_integer_type(dtype):
    args = draw(STAGED, B)
    lengths = np.array([0, 2, T], dtype)
    expected = scan(STAGED, *args, lengths=np.array([0, 2, T]))
    assert_close(scan(STAGED, *args, lengths=lengths), expected)
    most = np.array([0, 2, np.iinfo(dtype).max], dtype)
    assert_close(jax.jit(lambda n: scan(STAGED, *args, lengths=n))(most), expected)


# Direction and resets.


def test_reverse_starts_at_the_last_valid_step():
    cell, lengths = STAGED, (0, 2, T)

    def unpadded(params, xs, carry):
        rows = []
        for row, n in enumerate(lengths):
            final, ys = scan(cell, params, jnp.flip(xs[:n, row], 0), at(carry, row))
            rows.append((final, jnp.pad(jnp.flip(ys, 0), ((0, T - n), (0, 0)))))
        finals, outputs = zip(*rows, strict=True)
        return stacked(finals), stacked(outputs, 1)

    args = draw(cell, B)
    padded = partial(scan, cell, lengths=np.array(lengths), reverse=True)
    assert_close(jax.jit(padded)(*args), jax.jit(unpadded)(*args))


@pytest.mark.parametrize("cell", [STAGED, LINEAR], ids=["staged", "linear"])
def test_a_reset_is_a_fresh_start(cell):
    run = jax.jit(partial(scan, cell))
    params, xs, carry = draw(cell, B)
    now, resets = 3, np.zeros((T, B), bool)
    resets[now] = True
    _, before = run(params, xs[:now], carry)
    final, after = run(params, xs[now:])
    results = run(params, xs, carry, resets=resets)
    assert_close(results, (final, jnp.concatenate([before, after])))


def test_restart_by_hand_is_a_reset():
    params, xs, carry = draw(STAGED, B)
    resets = draw_signals(B)["resets"]
    expected = scan(STAGED, params, xs, carry, resets=resets)
    ys = []

    @jax.jit
    def step(carry, x, done):
        return STAGED.step(params, restart(STAGED, params, carry, done), x)

    for x, done in zip(xs, resets, strict=True):
        carry, y = step(carry, x, done)
        ys.append(y)
    assert_close((carry, jnp.stack(ys)), expected)
    with pytest.raises(ValueError, match="expected a carry of LSTM"):
        restart(STAGED, params, carry, np.zeros(B + 1, bool))
    with pytest.raises(ValueError, match="expected done to be bool"):
        restart(STAGED, params, carry, np.zeros(B))
