"""Histograms of gates, against loops in NumPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import Leaky, random_like

from rnnjax import GRU, LSTM, Elman, Stack
from rnnjax.diagnostics import gate_histograms

H = 4


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def draw(cell, *lead, features=3):
    """Random parameters, inputs `[*lead, features]` and carry."""
    params = cell.init(jax.random.key(0), features, dtype=jnp.float64)
    xs = jax.ShapeDtypeStruct((*lead, features), jnp.float64)
    carry = cell.init_carry(params, lead[1:])
    return tuple(random_like(i, tree) for i, tree in enumerate((params, xs, carry)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_gates(params, x, carry):
    i, f, g, o = np.split(x @ params.w_x + carry.h @ params.w_h + params.b, 4, axis=-1)
    c = sigmoid(f) * carry.c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    values = {"sigmoid 1": f, "sigmoid 2": i, "sigmoid 3": o, "tanh 1": g, "tanh 2": c}
    return type(carry)(h, c), _squashed(values)


def gru_gates(params, x, h):
    (x_r, x_z, x_n), (h_r, h_z, h_n) = (
        np.split(a, 3, axis=-1) for a in (x @ params.w_x + params.b, h @ params.w_h)
    )
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = x_n + r * (h_n + params.b_hn)
    gates = np.concatenate([x_r + h_r, x_z + h_z], axis=-1)
    return (1 - z) * np.tanh(n) + z * h, _squashed({"sigmoid 1": gates, "tanh 1": n})


def leaky_gates(params, x, h):
    h_new = sigmoid(params.leak) * h + x @ params.w
    leak = np.broadcast_to(params.leak, h.shape)
    return h_new, _squashed({"sigmoid 1": leak, "tanh 1": h_new})


def _squashed(values):
    return {name: (sigmoid if "sigmoid" in name else np.tanh)(v) for name, v in values.items()}


@pytest.mark.parametrize(
    "cell, gates",
    [(LSTM(H), lstm_gates), (GRU(H), gru_gates), (Leaky(H), leaky_gates)],
    ids=["LSTM", "GRU", "Leaky"],
)
def test_gate_histograms_equal_numpy(cell, gates):
    lengths = np.array([6, 0, 3])
    params, xs, carry = draw(cell, 6, 3)
    params = jax.tree.map(np.asarray, params)
    seen = []
    state = jax.tree.map(np.asarray, carry)
    for x, valid in zip(np.asarray(xs), np.arange(6)[:, None] < lengths, strict=True):
        state, values = gates(params, x, state)
        seen.append({name: value[valid] for name, value in values.items()})

    garbage = jnp.where((np.arange(6)[:, None] < lengths)[..., None], xs, jnp.nan)
    histograms = jax.jit(partial(gate_histograms, cell, bins=5))(
        params, garbage, carry, lengths=lengths
    )
    assert set(histograms) == set(seen[0])
    for name, (edges, share) in histograms.items():
        values = np.concatenate([step[name] for step in seen])
        low = 0 if "sigmoid" in name else -1
        np.testing.assert_allclose(edges, np.linspace(low, 1, 6), atol=1e-15)
        expected = [np.histogram(unit, 5, (low, 1))[0] / 9 for unit in values.T]
        np.testing.assert_allclose(share, np.transpose(expected))


def test_gates_in_a_stack_are_numbered_and_a_cell_may_have_none():
    cell = Stack((GRU(2, reset_after=False), LSTM(3), Elman(2, activation="relu")))
    histograms = jax.eval_shape(partial(gate_histograms, cell), *draw(cell, 3))
    units = {name: share.shape[1] for name, (_, share) in histograms.items()}
    sigmoids = {"sigmoid 1": 2, "sigmoid 2": 4} | {f"sigmoid {i}": 3 for i in (3, 4, 5)}
    assert units == sigmoids | {"tanh 1": 2, "tanh 2": 3, "tanh 3": 3}
    relu = Elman(2, activation="relu")
    assert gate_histograms(relu, *draw(relu, 3)) == {}
