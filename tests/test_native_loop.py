"""The native loop gives the values and gradients of the references, for all cells and sizes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, at, each_of
from native_loops import compare, draw, needs_compiler, pulled, why_not
from test_cell_laws import oracle

import rnnjax
from rnnjax import GRU, LSTM, Elman, ResetBeforeGRU, Stack, scan
from rnnjax.cells import MinGRU, VariationalDropout, Zoneout
from rnnjax.engine import Loop, NativeLoop
from rnnjax.testing._arrays import on_host
from rnnjax.testing._trial import BATCH, MASK, RESETS, STEPS, Trial, by_scan

pytestmark = needs_compiler

# The cells that are not compiled, and why; all others are.
OBSTACLES = {
    "ConvGRU": "conv_general_dilated is not compiled",
    "ConvLSTM": "conv_general_dilated is not compiled",
    "LRU": "complex128",
    "AttentionDecoder": "is not compiled",
    "Zoneout-Clocks": "the cell has no stages, of which it would be made",
    "Leaky": "the cell has no stages, of which it would be made",
    "Clocks": "the cell has no stages, of which it would be made",
    "Tokens": "int",
}
FAST = "LSTM ResetBeforeGRU MinGRU Gated"


def trial_of(case):
    with jax.enable_x64(True):
        return Trial(case.cell, case.input_size, case.context, case.draw)


def obstacles_of(case):
    trial = trial_of(case)
    signals = {"mask": MASK, "resets": RESETS, "context": trial.context}
    return why_not(case.cell, trial.params, trial.xs, trial.carry, **signals)


@each_of("LRU Leaky Tokens", "ConvGRU ConvLSTM AttentionDecoder Clocks Zoneout-Clocks")
def test_an_obstacle_has_a_name(case, x64):
    assert all(OBSTACLES[case.id] in why for why in obstacles_of(case))


def by_reference(trial, reverse):
    """The final carries and outputs of all rows, by NumPy, where `by_scan` has values."""
    reference = oracle(trial.cell)
    fresh = on_host(trial.start(trial.weights, ()))
    finals, outputs = [], {}
    for row in range(BATCH):
        carry = at(trial.carry, row)
        for t in reversed(range(STEPS)) if reverse else range(STEPS):
            if MASK[t, row]:
                entered = fresh if RESETS[t, row] else carry
                carry, outputs[t, row] = reference(trial.params, entered, at(trial.xs, (t, row)))
        finals.append(carry)
    return jax.tree.map(lambda *rows: np.stack(rows), *finals), outputs


@each_of(FAST)  # the laws of every cell, run with RNNJAX_NATIVE=1, are the rest
def test_values_equal_the_reference_and_gradients_those_of_the_loop(case, x64):
    """With gaps, resets, a row without a step, NaN in the padding and a carry."""
    trial, reverse = trial_of(case), case.id != "LogGap"  # its time must rise
    found, expected = (by_scan(trial, reverse, method) for method in (NativeLoop(), Loop()))
    assert_close(found, expected)
    (last, ys), _ = found
    final, outputs = by_reference(trial, reverse)
    assert_close(jax.tree.leaves(last), jax.tree.leaves(final))
    for (t, row), y in outputs.items():
        assert_close(at(ys, (t, row)), y)
    assert set(obstacles_of(case)) == {None}


@pytest.mark.slow
@each_of(FAST, "GRU Zoneout")
def test_forwards_and_in_float32(case):
    trial = trial_of(case)
    narrow = partial(jax.tree.map, lambda a: np.asarray(a, np.float32) if a.dtype == float else a)
    for name in ("params", "xs", "carry"):
        setattr(trial, name, narrow(getattr(trial, name)))
    found, expected = (by_scan(trial, False, method) for method in (NativeLoop(), Loop()))
    assert_close(found, expected, jnp.float32)


@pytest.mark.parametrize(
    "cell", [Zoneout(LSTM(4), rate=(0.2, 0.4)), VariationalDropout(GRU(4), rate=0.4)], ids=str
)
@pytest.mark.slow
def test_noise(cell, x64):
    compare(cell, draw(cell, 3), key=jax.random.key(7))
    compare(Stack((cell, Elman(3))), draw(Stack((cell, Elman(3))), 3), key=jax.random.key(7))


# Sizes: tiles, vectors and chunks with a remainder; one object serves all numbers of rows.

ROWS = (1, 2, 3, 7, 9)


@pytest.mark.parametrize(
    ("cell", "inputs", "steps", "dtype"),
    [
        (LSTM(17), 5, 150, jnp.float32),
        (MinGRU(33), 1, 7, jnp.float64),
        pytest.param(GRU(33), 1, 7, jnp.float64, marks=pytest.mark.slow),
        pytest.param(ResetBeforeGRU(1), 17, 2, jnp.float64, marks=pytest.mark.slow),
        pytest.param(GRU(5), 33, 75, jnp.float32, marks=pytest.mark.slow),
        pytest.param(LSTM(64), 16, 3, jnp.float32, marks=pytest.mark.slow),
        pytest.param(Elman(1), 1, 2, jnp.float32, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_rows_are_the_same_to_the_last_bit_in_any_batch(cell, inputs, steps, dtype):
    """So threads change nothing: each has some of the rows."""
    with jax.enable_x64(dtype == jnp.float64):
        params, xs, carry = draw(cell, 20, steps=steps, inputs=inputs, dtype=dtype)
        native, loop = (pulled_by_rows(cell, params, m) for m in (NativeLoop(), Loop()))
        whole = native(xs, carry)
        assert set(why_not(cell, params, xs, carry)) == {None}
        assert_close(whole, loop(xs, carry), dtype)
        for rows in ROWS:
            part = native(xs[:, :rows], jax.tree.map(lambda a, n=rows: a[:n], carry))
            _equal_rows(part, whole, rows)


def pulled_by_rows(cell, params, method):
    """The results, and the gradient in the carry, of which no sum over rows is taken."""

    @jax.jit
    def run(xs, carry):
        out, pull = jax.vjp(lambda carry: scan(cell, params, xs, carry, method=method), carry)
        return out, pull(jax.tree.map(jnp.cos, out))[0]

    return run


def _equal_rows(part, whole, rows):
    (last, ys), d_carry = part
    (all_last, all_ys), d_all = whole
    np.testing.assert_array_equal(ys, all_ys[:, :rows])
    pairs = zip(jax.tree.leaves((last, d_carry)), jax.tree.leaves((all_last, d_all)), strict=True)
    for found, expected in pairs:
        np.testing.assert_array_equal(found, expected[:rows])


@pytest.mark.parametrize("batch", [(), (2, 3), (1, 1), (2, 1)], ids=str)
@pytest.mark.slow
def test_axes_of_the_batch(batch, x64):
    compare(ResetBeforeGRU(3), draw(ResetBeforeGRU(3), *batch))


def test_a_batch_of_none_and_of_one_row_of_rows(x64):
    cell = Elman(3)
    compare(cell, draw(cell, 2, 1))
    empty = draw(cell, 0)
    assert_close(scan(cell, *empty, method=NativeLoop()), scan(cell, *empty, method=Loop()))


@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.slow
def test_few_steps(steps, x64):
    params, xs, carry = draw(LSTM(3), 2, steps=steps)
    found, expected = (
        pulled(LSTM(3), method)(params, xs, carry) for method in (NativeLoop(), Loop())
    )
    assert_close(found, expected)


@pytest.mark.parametrize("checkpoint", ["sqrt", pytest.param(3, marks=pytest.mark.slow)])
def test_segments(checkpoint, x64):
    mask = np.random.default_rng(0).random((16, 2)) < 0.8
    args = draw(Elman(3), 2, steps=16)
    found = compare(Elman(3), args, NativeLoop(checkpoint=checkpoint), mask=mask)
    assert_close(found, pulled(Elman(3), Loop(), mask=mask)(*args))


@pytest.mark.slow
def test_lengths(x64):
    args = draw(LSTM(3), 4)
    for reverse in (False, True):
        compare(LSTM(3), args, lengths=np.array([0, 1, 3, 4]), reverse=reverse)


# Special numbers.


@pytest.mark.slow
def test_a_row_with_nan_is_alone(x64):
    params, xs, carry = draw(LSTM(5), 9)
    alone = pulled_by_rows(LSTM(5), params, NativeLoop())
    clean, dirty = alone(xs, carry), alone(xs.at[1, 4, 0].set(np.nan), carry)
    others = np.arange(9) != 4
    for a, b in zip(jax.tree.leaves(clean), jax.tree.leaves(dirty), strict=True):
        rows = (slice(None), others) if a.shape[:2] == (4, 9) else others
        np.testing.assert_array_equal(a[rows], b[rows])
    assert np.isnan(dirty[0][1][1:, 4]).all() and not np.isnan(dirty[0][1][0]).any()


@pytest.mark.slow
def test_memory_that_is_used_twice(x64):
    """Gradients are written over pre-activations, which another gradient needs again."""
    args = draw(LSTM(5), 3)

    @partial(jax.jit, static_argnums=0)
    def twice(method, *args):
        out, pull = jax.vjp(lambda *args: scan(LSTM(5), *args, method=method), *args)
        d = random_cotangents(out)
        return pull(d), pull(jax.tree.map(jnp.sin, d)), pull(d)

    first, other, again = found = twice(NativeLoop(), *args)
    assert_close(found, twice(Loop(), *args))
    assert_close(first, again)
    assert np.abs(first[0].w_h - other[0].w_h).max() > 0.1


def random_cotangents(tree):
    return jax.tree.map(lambda a: jnp.cos(jnp.arange(a.size, dtype=a.dtype)).reshape(a.shape), tree)


def test_the_source_is_shown():
    params, xs, _ = draw(Elman(3), 2, dtype=jnp.float32)
    told = rnnjax.explain(Elman(3), params, xs, method=NativeLoop(), source=True)
    assert len(told.sources) == 2 and all(text in str(told) for text in told.sources)
    assert all("rnnjax_loop(XLA_FFI_CallFrame* frame)" in text for text in told.sources)
    assert not rnnjax.explain(Elman(3), params, xs, method=NativeLoop()).sources
