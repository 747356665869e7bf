"""Initial weights: what they are per gate, in which dtype, and for many seeds at once."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import GRU, LSTM
from rnnjax.initializers import chrono, forget_bias, glorot_uniform, orthogonal, per_gate

F, H = 3, 8
KEY = jax.random.key(0)
ROUNDING = {jnp.float32: 1e-5, jnp.bfloat16: 3e-2}

each_dtype = pytest.mark.parametrize("dtype", ROUNDING, ids=lambda dtype: dtype.__name__)
each_cell = pytest.mark.parametrize(("cell", "gates"), [(LSTM(H), 4), (GRU(H), 3)], ids=str)


def blocks(w, gates):
    return np.split(np.asarray(w, np.float64), gates, axis=-1)


@each_dtype
@each_cell
def test_recurrent_weights_of_each_gate_are_orthonormal(cell, gates, dtype):
    w_h = cell.init(KEY, F, dtype=dtype).w_h
    assert w_h.dtype == dtype
    for block in blocks(w_h, gates):
        np.testing.assert_allclose(block.T @ block, np.eye(H), atol=ROUNDING[dtype])


@each_cell
def test_the_gates_differ(cell, gates):
    params = cell.init(KEY, F)
    for w in (params.w_x, params.w_h):
        first, *others = blocks(w, gates)
        assert all(np.abs(first - other).max() > 0.1 for other in others)


@pytest.mark.parametrize("shape", [(H, F), (F, H)], ids=str)
def test_a_rectangle_is_orthonormal_on_its_short_side(shape):
    w = np.asarray(orthogonal(KEY, shape), np.float64)
    w = w if shape[0] > shape[1] else w.T
    np.testing.assert_allclose(w.T @ w, np.eye(F), atol=ROUNDING[jnp.float32])


@each_cell
def test_the_scale_of_input_weights_is_that_of_one_gate(cell, gates):
    many = 500
    bound = np.sqrt(6 / (many + H))
    for block in blocks(cell.init(KEY, many).w_x, gates):
        assert 0.99 * bound < np.abs(block).max() <= bound
        np.testing.assert_allclose(block.std(), bound / np.sqrt(3), rtol=0.03)
        assert abs(block.mean()) < 0.03 * bound


@each_dtype
def test_forget_bias_is_in_the_second_block_alone(dtype):
    b = LSTM(H, forget_bias=1.5).init(KEY, F, dtype=dtype).b
    assert b is not None and b.dtype == dtype
    expected = np.zeros(4 * H)
    expected[H : 2 * H] = 1.5
    np.testing.assert_array_equal(np.asarray(b, np.float64), expected)
    np.testing.assert_array_equal(forget_bias(1.5)(KEY, (4 * H,), dtype), b)


@each_dtype
def test_chrono_biases_forget_within_all_durations(dtype):
    i, f, g, o = blocks(chrono(51)(KEY, (4 * 2000,), dtype), 4)
    assert chrono(51)(KEY, (4,), dtype).dtype == dtype and not (g.any() or o.any())
    np.testing.assert_array_equal(i, -f)
    # A forget gate that keeps the share u / (1 + u) forgets within about u steps.
    durations = np.exp(f)
    assert durations.min() >= 1
    assert durations.max() < 50.5
    shares = np.histogram(durations, 7, (1, 50))[0] / 2000
    np.testing.assert_allclose(shares, 1 / 7, atol=0.03)
    np.testing.assert_allclose(1 / (1 - 1 / (1 + np.exp(-f))), 1 + durations, rtol=1e-6)


@each_dtype
def test_the_other_biases_are_zero(dtype):
    params = GRU(H).init(KEY, F, dtype=dtype)
    for bias, size in ((params.b, 3 * H), (params.b_hn, H)):
        assert bias is not None and bias.shape == (size,)
        assert not bias.any()


def test_per_gate_draws_each_block_as_if_alone():
    w = per_gate(glorot_uniform, 3)(KEY, (F, 3 * H), jnp.float32)
    alone = [glorot_uniform(key, (F, H)) for key in jax.random.split(KEY, 3)]
    np.testing.assert_array_equal(w, np.concatenate(alone, axis=-1))


@each_cell
def test_vmap_over_keys_is_an_ensemble(cell, gates):
    keys = jax.random.split(KEY, 3)
    ensemble = jax.vmap(partial(cell.init, input_size=F))(keys)
    alone = [cell.init(key, F) for key in keys]
    assert np.abs(alone[0].w_h - alone[1].w_h).max() > 0.1
    for got, *members in zip(*map(jax.tree.leaves, (ensemble, *alone)), strict=True):
        np.testing.assert_allclose(got, np.stack(members), rtol=1e-5, atol=1e-6)
    for w_h in ensemble.w_h:
        for block in blocks(w_h, gates):
            np.testing.assert_allclose(block.T @ block, np.eye(H), atol=ROUNDING[jnp.float32])
