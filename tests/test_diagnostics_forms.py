"""Diagnostics against closed forms and NumPy; transforms, messages and pictures."""

from functools import partial
from io import BytesIO

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import at, random_like, stacked

from rnnjax import LSTM, Cell, Elman, Stack, diagnostics
from rnnjax.diagnostics import (
    GateHistogram,
    eigenvalues,
    gate_histograms,
    gradient_flow,
    gradient_norms,
    log_product_singular_values,
    log_singular_values,
    lyapunov_exponents,
    memory_horizon,
    spectral_radius,
    step_jacobians,
)

T, H = 30, 4
LINEAR = Elman(H, activation="identity")
KEY = jax.random.key(0)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def draw(cell, *lead, features=3, seed=0):
    """Random parameters, inputs `[*lead, features]` and carry."""
    params = cell.init(jax.random.key(0), features, dtype=jnp.float64)
    xs = jax.ShapeDtypeStruct((*lead, features), jnp.float64)
    carry = cell.init_carry(params, lead[1:])
    return tuple(random_like(seed + i, tree) for i, tree in enumerate((params, xs, carry)))


def orthogonal(size=H):
    return np.linalg.qr(np.random.default_rng(0).standard_normal((size, size)))[0]


# Linear networks, of which everything is known.


def test_gradients_of_a_linear_network_decay_as_the_powers_of_its_spectral_radius():
    params, xs, carry = draw(LINEAR, T)
    w_h = np.random.default_rng(1).uniform(0.1, 0.3, (H, H))
    params = params._replace(w_h=jnp.asarray(w_h))
    # The longest eigenvalue of a positive matrix is real: a gradient can point along its vector.
    values, vectors = np.linalg.eig(w_h)
    g = np.real(vectors[:, abs(values).argmax()])
    run = jax.jit(partial(gradient_flow, LINEAR), static_argnums=2)
    flow = run(params, xs, lambda ys: ys[-1] @ (3 * g), carry)
    powers = spectral_radius(w_h) ** np.arange(T, 0, -1)
    assert 0.5 < spectral_radius(w_h) < 1
    np.testing.assert_allclose(flow["all"], 3 * powers, rtol=1e-11)


@pytest.mark.parametrize("radius", [0.9, 1.0, 1.1], ids=["vanishing", "constant", "exploding"])
def test_gradients_of_an_orthogonal_network(radius):
    params, xs, carry = draw(LINEAR, T)
    params = params._replace(w_h=radius * jnp.asarray(orthogonal()))
    g = np.array([1.0, -2.0, 3.0, 0.5])
    flow = gradient_flow(LINEAR, params, xs, lambda ys: ys[-1] @ g, carry)
    expected = np.linalg.norm(g) * radius ** np.arange(T, 0, -1.0)
    np.testing.assert_allclose(flow["all"], expected, rtol=1e-11)

    jacobians = step_jacobians(LINEAR, params, xs, carry)
    times = np.arange(1, T + 1)[:, None] * np.ones(H)
    np.testing.assert_allclose(jacobians, np.broadcast_to(params.w_h.T, (T, H, H)), rtol=1e-11)
    np.testing.assert_allclose(log_singular_values(jacobians), np.log(radius), atol=1e-11)
    logs = log_product_singular_values(jacobians)
    np.testing.assert_allclose(logs, np.log(radius) * times, atol=1e-11)
    exponents = lyapunov_exponents(LINEAR, params, xs, carry, key=KEY, count=2)
    np.testing.assert_allclose(exponents, np.full((T, 2), np.log(radius)), atol=1e-11)


def test_memory_of_a_linear_network():
    params, xs, carry = draw(LINEAR, T, 2)
    powers = [np.linalg.matrix_power(params.w_h, T - 1 - t) for t in range(T)]
    expected = [np.linalg.norm(params.w_x @ power) for power in powers]
    horizon = jax.jit(partial(memory_horizon, LINEAR))(params, xs, carry)
    np.testing.assert_allclose(horizon, np.stack([expected] * 2, axis=1), rtol=1e-11)


def test_nothing_overflows_or_vanishes_in_a_long_sequence():
    steps, radius = 3000, 0.975
    with jax.enable_x64(False):
        params = LINEAR.init(KEY, 3)._replace(w_h=jnp.asarray(radius * orthogonal(), jnp.float32))
        xs = jnp.ones((steps, 3))

        @jax.jit
        def run(params, xs):
            flow = gradient_flow(LINEAR, params, xs, lambda ys: ys[-1, 0])["all"]
            return step_jacobians(LINEAR, params, xs), flow, memory_horizon(LINEAR, params, xs)

        jacobians, flow, horizon = run(params, xs)
        for factor in (1, 2):  # 1e-33 and 1e+870
            logs = log_product_singular_values(factor * jacobians)[-1]
            np.testing.assert_allclose(logs, steps * np.log(factor * radius), rtol=1e-3)
    log_powers = np.log(radius) * np.arange(steps, 0, -1)
    np.testing.assert_allclose(np.log(flow), log_powers, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(np.log(horizon / horizon[-1])[:-1], log_powers[1:], rtol=1e-3)


def test_singular_values_of_products_equal_numpy():
    jacobians = np.random.default_rng(0).standard_normal((5, 2, H, H))
    products, product = [], np.eye(H)
    for jacobian in jacobians:
        product = jacobian @ product
        products.append(product)
    expected = np.log(np.linalg.svd(np.array(products), compute_uv=False))
    np.testing.assert_allclose(log_product_singular_values(jnp.asarray(jacobians)), expected)


# Eigenvalues and exponents.


def test_eigenvalues_are_those_of_each_gate():
    blocks = np.random.default_rng(0).standard_normal((3, H, H))
    expected = np.linalg.eigvals(blocks)
    w_h = np.concatenate(list(blocks), axis=1)
    moduli = np.sort(np.abs(expected))[:, ::-1]
    np.testing.assert_allclose(abs(eigenvalues(w_h)), moduli, rtol=1e-9)
    np.testing.assert_allclose(np.prod(eigenvalues(w_h), axis=-1), np.linalg.det(blocks))
    np.testing.assert_allclose(jax.jit(spectral_radius)(w_h), moduli[:, 0], rtol=1e-9)
    with pytest.raises(ValueError, match=r"expected recurrent weights \[H, G \* H\], got \[4, 6\]"):
        eigenvalues(w_h[:, :6])


def test_exponents_of_a_linear_network_are_the_logarithms_of_its_eigenvalues():
    params, xs, carry = draw(LINEAR, 400)
    moduli = np.array([0.9, 0.7, 0.4, 0.1])
    basis = np.eye(H) + 0.3 * orthogonal()
    w_h = basis @ np.diag(moduli * [1, -1, 1, -1]) @ np.linalg.inv(basis)
    params = params._replace(w_h=jnp.asarray(w_h))
    exponents = lyapunov_exponents(LINEAR, params, xs, carry, key=KEY, count=3)
    np.testing.assert_allclose(exponents[-1], np.log(moduli[:3]), atol=0.02)
    # What an estimate is wrong by is a constant divided by t.
    late = (400 * exponents[-1] - 200 * exponents[199]) / 200
    np.testing.assert_allclose(late, np.log(moduli[:3]), atol=1e-11)


def test_the_exponent_at_a_fixed_point_is_the_logarithm_of_the_slope():
    cell, h = Elman(1), 0.0
    for _ in range(200):
        h = np.tanh(1.5 * h + 0.1)
    params = cell.init(KEY, 1)._replace(w_h=jnp.array([[1.5]]), w_x=jnp.eye(1), b=jnp.zeros(1))
    exponents = lyapunov_exponents(cell, params, jnp.full((5, 1), 0.1), jnp.array([h]), key=KEY)
    np.testing.assert_allclose(exponents, np.full((5, 1), np.log(1.5 * (1 - h**2))), rtol=1e-11)


class Logistic(Cell):
    """The logistic map, in chaos, with a count and a key in its carry: its exponent is log 2."""

    output_size = property(lambda self: 1)

    def init(self, key, input_size, *, dtype=jnp.float32):
        return jnp.asarray(4.0)

    def init_carry(self, params, batch_shape=()):
        keys = jax.random.split(KEY, batch_shape)
        h = jnp.full((*batch_shape, 1), 0.3)
        return {"count": jnp.zeros(batch_shape, int), "h": h, "key": keys}

    def update(self, params, carry, x):
        h = params * carry["h"] * (1 - carry["h"]) + 0 * x
        return {"count": carry["count"] + 1, "h": h, "key": carry["key"]}

    def readout(self, params, carry, x):
        return carry["h"]


def test_the_exponent_of_a_chaotic_map():
    xs = jnp.ones((20_000, 1))
    exponents = lyapunov_exponents(Logistic(), jnp.asarray(4.0), xs, key=KEY)
    assert exponents[-1, 0] == pytest.approx(np.log(2), abs=0.01)
    with pytest.raises(ValueError, match="expected count between 1 and 1, .*, got 2"):
        lyapunov_exponents(Logistic(), jnp.asarray(4.0), xs, key=KEY, count=2)


def test_counts_and_keys_in_the_carry_are_no_directions_in_which_it_can_change():
    def slopes(start):
        h, out = start, []
        for _ in range(3):
            out.append(4 - 8 * h)
            h = 4 * h * (1 - h)
        return np.array(out)

    cell, params, xs = Logistic(), jnp.asarray(4.0), jnp.ones((3, 2, 1))
    jacobians = step_jacobians(cell, params, xs)[..., 0, 0]
    np.testing.assert_allclose(jacobians, np.stack([slopes(0.3)] * 2, 1))
    flow = jax.jit(lambda: gradient_flow(cell, params, xs, lambda ys: ys[-1].sum()))()
    expected = abs(np.cumprod(slopes(0.3)[::-1])[::-1])
    np.testing.assert_allclose(flow["h"], np.stack([expected] * 2, 1))
    np.testing.assert_array_equal(flow["all"], flow["h"])
    short = jax.jit(
        lambda n: gradient_flow(cell, params, xs, lambda ys: ys.sum(), lengths=n)["all"]
    )(jnp.array([1, 0]))
    np.testing.assert_allclose(short, [[abs(slopes(0.3)[0]), 0], [0, 0], [0, 0]])


# Names, transforms, training.


def test_the_arrays_of_a_carry_have_names():
    cell = Stack((Elman(2), LSTM(3)))
    params, xs, carry = draw(cell, 1)
    flow = jax.jit(lambda: gradient_flow(cell, params, xs, lambda ys: (ys**2).sum(), carry))()
    loss = jax.jit(jax.grad(lambda carry: (cell.step(params, carry, xs[0])[1] ** 2).sum()))
    gradient = loss(carry)
    parts = {"0": gradient[0], "1.h": gradient[1].h, "1.c": gradient[1].c}
    parts["all"] = np.concatenate(list(parts.values()))
    chex.assert_trees_all_close(flow, {k: np.linalg.norm(v)[None] for k, v in parts.items()})


def test_garbage_reaches_no_gradient_of_a_diagnostic():
    cell = Elman(2)
    params, xs, carry = draw(cell, 3, 2)
    lengths = jnp.array([3, 1])
    valid = (np.arange(3)[:, None] < lengths)[..., None]

    @jax.jit
    @partial(jax.grad, argnums=(0, 1))
    def gradients(params, xs):
        exponents = lyapunov_exponents(cell, params, xs, carry, lengths=lengths, key=KEY)
        return exponents.sum() + (step_jacobians(cell, params, xs, lengths=lengths) ** 2).sum()

    expected = gradients(params, jnp.where(valid, xs, 7.0))
    assert abs(expected[0].w_h).min() > 0
    chex.assert_trees_all_equal(gradients(params, jnp.where(valid, xs, jnp.nan)), expected)


@pytest.mark.parametrize(
    "diagnostic",
    [
        lambda cell, params, xs, carry: gradient_flow(
            cell, params, xs, lambda ys: (ys**2).sum(), carry
        ),
        step_jacobians,
        memory_horizon,
        partial(lyapunov_exponents, key=KEY, count=2),
        gate_histograms,
    ],
    ids=["flow", "jacobians", "horizon", "exponents", "gates"],
)
def test_an_ensemble_is_a_vmap(diagnostic):
    cell = LSTM(2)
    members = [draw(cell, 3, 2, seed=seed) for seed in (0, 10)]
    run = jax.jit(lambda args: diagnostic(cell, *args))
    together = jax.jit(jax.vmap(run))(stacked(members))
    for i, member in enumerate(members):
        chex.assert_trees_all_close(at(together, i), run(member), rtol=1e-9)


def test_what_does_not_fit_is_refused():
    params, xs, carry = draw(LINEAR, T, 2)
    for diagnostic in (
        step_jacobians,
        memory_horizon,
        gate_histograms,
        partial(lyapunov_exponents, key=KEY),
        lambda cell, params, xs, carry=None, **options: gradient_flow(
            cell, params, xs, jnp.sum, carry, **options
        ),
    ):
        with pytest.raises(ValueError, match="expected xs with 3 features"):
            diagnostic(LINEAR, params, xs[..., :2])
        with pytest.raises(ValueError, match="expected lengths between 0 and 30"):
            diagnostic(LINEAR, params, xs, carry, lengths=jnp.array([1, 31]))


def test_gradient_norms_have_the_names_of_the_parameters():
    gradients = {"a": (jnp.array([[3.0, 4.0]]), None), "b": LSTM(2).init(KEY, 1)}
    norms = jax.jit(gradient_norms)(gradients)
    assert set(norms) == {"a.0", "b.w_x", "b.w_h", "b.b"}
    assert norms["a.0"] == 5
    np.testing.assert_allclose(norms["b.w_x"], np.linalg.norm(gradients["b"].w_x), rtol=1e-6)
    np.testing.assert_allclose(gradient_norms(jnp.full(3, 1e-300))["all"], 3**0.5 * 1e-300)
    tenths = jnp.full(1000, 0.1, jnp.bfloat16)
    assert gradient_norms(tenths)["all"] == pytest.approx(1000**0.5 * 0.1, rel=2e-3)
    for value in (jnp.inf, jnp.nan, 0.0):
        assert np.array_equal(gradient_norms(jnp.array([value, 0]))["all"], value, equal_nan=True)


# Pictures.

CURVES = {"a": np.array([[1.0, 3.0, 2.0], [0.0, 0.0, 0.0]]), "b": np.array([0.1, 0.2])}
PICTURES = [
    (diagnostics.plot_gradient_flow, CURVES),
    (diagnostics.plot_memory_horizon, CURVES),
    (diagnostics.plot_gradient_norms, CURVES),
    (diagnostics.plot_singular_values, np.array([[1.0, -1.0], [2.0, -np.inf]])),
    (diagnostics.plot_lyapunov_exponents, np.array([[[1.0, -1.0]], [[2.0, -np.inf]]])),
    (diagnostics.plot_eigenvalues, np.array([[0.5j, -0.5j], [1, 0.1]])),
    (
        diagnostics.plot_gate_histograms,
        {"forget gate": GateHistogram(jnp.linspace(0, 1, 3), jnp.array([[0.2], [0.8]]))},
    ),
]


@pytest.mark.parametrize("plot, what", PICTURES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_picture_says_what_it_shows(plot, what):
    from matplotlib.figure import Figure

    ax = plot(what)
    assert ax.get_title() and ax.get_xlabel() and ax.get_ylabel()
    assert len(ax.get_legend().get_texts()) >= 1
    ax.figure.savefig(BytesIO())
    given = Figure().add_subplot()
    assert plot(what, ax=given) is given and len(given.get_children()) == len(ax.get_children())


def test_every_picture_is_tested():
    assert {n for n in vars(diagnostics) if n.startswith("plot_")} == {
        p.__name__ for p, _ in PICTURES
    }


def test_a_picture_shows_the_numbers():
    a, b = diagnostics.plot_gradient_norms(CURVES, steps=[10, 20]).lines
    np.testing.assert_array_equal(a.get_xydata(), [[10, 2], [20, 0]])  # the median
    np.testing.assert_array_equal(b.get_xydata(), [[10, 0.1], [20, 0.2]])
    logs = np.log(10) * np.array([[1.0, -1.0], [2.0, -2.0]])
    largest, smallest, _ = diagnostics.plot_singular_values(logs).lines
    np.testing.assert_allclose(largest.get_ydata(), [1, 2])
    np.testing.assert_allclose(smallest.get_ydata(), [-1, -2])
    gates = PICTURES[-1][1]
    (stairs,) = diagnostics.plot_gate_histograms(gates).patches
    np.testing.assert_allclose(stairs.get_data().values, [0.2, 0.8])
    assert diagnostics.plot_gate_histograms({}).get_legend() is None
