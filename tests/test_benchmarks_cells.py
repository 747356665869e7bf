"""The cells of `benchmarks/any_cell.py` that a user would write, against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _case import CELLS, OTHERS, Case, problem
from _own_cells import LayerNormLSTM, MinimalGatedUnit

import rnnjax
from rnnjax.testing import check_cell

T, B, SIZE, UNITS = 4, 2, 3, 5


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def layer_norm(a, gain):
    """Ba et al. 2016, equation 4, a row at a time."""
    rows = [
        gain * (row - np.mean(row)) / np.sqrt(np.var(row) + 1e-5)
        for row in a.reshape(-1, len(gain))
    ]
    return np.reshape(rows, a.shape)


def layer_norm_lstm(p, xs):
    """Ba et al. 2016, equations 20 to 22; the gates in the order i, f, g, o."""
    h = c = np.zeros((B, UNITS))
    ys = []
    for x in xs:
        s = layer_norm(x @ p.w_x, p.gain_x) + layer_norm(h @ p.w_h, p.gain_h) + p.b
        i, f, g, o = (s[:, n * UNITS : (n + 1) * UNITS] for n in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(layer_norm(c, p.gain_c) + p.b_c)
        ys.append(h)
    return np.stack(ys)


def minimal_gated_unit(p, xs):
    """Zhou et al. 2016, algorithm 1."""
    h = np.zeros((B, UNITS))
    ys = []
    for x in xs:
        f = sigmoid(x @ p.w_x[:, :UNITS] + h @ p.w_hf + p.b[:UNITS])
        n = np.tanh(x @ p.w_x[:, UNITS:] + (f * h) @ p.w_hn + p.b[UNITS:])
        h = (1 - f) * h + f * n
        ys.append(h)
    return np.stack(ys)


OWN = [(LayerNormLSTM(UNITS), layer_norm_lstm), (MinimalGatedUnit(UNITS), minimal_gated_unit)]
NAMES = [type(cell).__name__ for cell, _ in OWN]


@pytest.mark.parametrize(("cell", "reference"), OWN, ids=NAMES)
def test_values_and_gradients_are_those_of_the_paper(x64, cell, reference):
    random = np.random.default_rng(0)

    def drawn(like):
        return jax.tree.map(lambda a: random.standard_normal(a.shape), like)

    params = drawn(cell.init(jax.random.key(0), SIZE))
    direction, xs = drawn(params), random.standard_normal((T, B, SIZE))

    def loss(params):
        ys = rnnjax.scan(cell, params, xs)[1]
        return jnp.mean(ys**2), ys

    (_, ys), grads = jax.value_and_grad(loss, has_aux=True)(jax.tree.map(jnp.asarray, params))
    np.testing.assert_allclose(ys, reference(params, xs), rtol=1e-10, atol=1e-12)

    def along(step):
        moved = jax.tree.map(lambda a, d: a + step * d, params, direction)
        return np.mean(reference(moved, xs) ** 2)

    slope = (along(1e-6) - along(-1e-6)) / 2e-6
    pairs = zip(jax.tree.leaves(grads), jax.tree.leaves(direction), strict=True)
    np.testing.assert_allclose(sum(np.vdot(g, d) for g, d in pairs), slope, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("cell", [cell for cell, _ in OWN], ids=NAMES)
def test_the_cells_obey_the_laws(cell):
    check_cell(cell, input_size=SIZE)


@pytest.mark.parametrize("name", OTHERS)
def test_a_cell_that_others_lack_is_a_case_with_gradients_of_every_parameter(name):
    assert name not in CELLS
    case = Case(name, B, T, SIZE, 4)
    numbers = problem(case)

    def loss(params):
        return jnp.mean(rnnjax.scan(case.ours, params, numbers.xs)[1] ** 2)

    grads = jax.tree.leaves(jax.grad(loss)(numbers.params[0][0]))
    assert all(jnp.all(jnp.isfinite(g)) and jnp.any(g != 0) for g in grads)
