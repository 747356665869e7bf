"""Histograms of gates, against loops in NumPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import Leaky, random_like
from jax.ad_checkpoint import checkpoint_name

from rnnjax import GRU, LSTM, Cell, Elman, ProjectedLSTM, ResetBeforeGRU, Stack
from rnnjax.cells import RHN
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
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    c = f * carry.c + i * g
    names = ("input gate", "forget gate", "candidate", "output gate")
    return type(carry)(o * np.tanh(c), c), dict(zip(names, (i, f, g, o), strict=True))


def gru_gates(params, x, h):
    (x_r, x_z, x_n), (h_r, h_z, h_n) = (
        np.split(a, 3, axis=-1) for a in (x @ params.w_x + params.b, h @ params.w_h)
    )
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = np.tanh(x_n + r * (h_n + params.b_hn))
    return (1 - z) * n + z * h, {"reset gate": r, "update gate": z, "candidate": n}


class Growing(Cell):
    """A user's cell, which names a value that has no bounds."""

    size: int
    output_size = property(lambda self: self.size)

    def init(self, key, input_size, *, dtype=jnp.float32):
        return {"w_x": jnp.zeros((input_size, self.size), dtype)}

    def init_carry(self, weights, batch_shape=()):
        return jnp.zeros((*batch_shape, self.size))

    def update(self, weights, carry, x):
        return carry + checkpoint_name(3 + x @ weights["w_x"], "growth")


def growing_gates(params, x, h):
    growth = 3 + x @ params["w_x"]
    return h + growth, {"growth": growth}


@pytest.mark.parametrize(
    "cell, gates",
    [(LSTM(H), lstm_gates), (GRU(H), gru_gates), (Growing(H), growing_gates)],
    ids=["LSTM", "GRU", "Growing"],
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
        low, high = (0 if "gate" in name else -1), 1
        if name == "growth":
            low, high = values.min(), values.max()
        np.testing.assert_allclose(edges, np.linspace(low, high, 6), atol=1e-15)
        expected = [np.histogram(unit, 5, (low, high))[0] / 9 for unit in values.T]
        np.testing.assert_allclose(share, np.transpose(expected))


def units(cell):
    """The number of units of each histogram."""
    histograms = jax.eval_shape(partial(gate_histograms, cell), *draw(cell, 3))
    return {name: share.shape[1] for name, (_, share) in histograms.items()}


def test_gates_of_one_name_are_numbered_and_a_cell_may_have_none():
    stack = units(Stack((ResetBeforeGRU(2), LSTM(3), Elman(2), LSTM(2))))
    lstms = {f"{name} gate {i}": 4 - i for name in ("input", "forget", "output") for i in (1, 2)}
    gru = {"reset gate": 2, "update gate": 2}
    others = {"candidate 1": 2, "candidate 2": 3, "hidden state": 2, "candidate 3": 2}
    assert stack == gru | lstms | others
    assert units(Leaky(2)) == {}


def test_a_gate_that_several_stages_compute_is_shown_once():
    names = [f"{name} {i}" for name in ("candidate", "transform gate") for i in (1, 2, 3)]
    assert units(RHN(2, depth=3, activation="relu")) == dict.fromkeys(names, 2)
    lstm = ("input gate", "forget gate", "candidate", "output gate")
    assert units(ProjectedLSTM(4, 2)) == dict.fromkeys(lstm, 4)
