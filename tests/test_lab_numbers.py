"""Numbers of the page: each equals the library's, in float64."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lab_node import close, run_scripts

import rnnjax
from rnnjax import diagnostics

SCRIPTS = ("random", "cells", "time")
STEPS, INPUTS, UNITS, COUNT = 12, 2, 5, 3
SEEDS = range(3)
CELLS = {
    "Elman tanh": rnnjax.Elman(UNITS),
    "Elman relu": rnnjax.Elman(UNITS, activation="relu"),
    "Elman identity": rnnjax.Elman(UNITS, activation="identity"),
    "LSTM": rnnjax.LSTM(UNITS),
    "GRU": rnnjax.GRU(UNITS),
}
NAMES = [(name, seed) for name in CELLS for seed in SEEDS]
GATES = {"LSTM": "ifgo", "GRU": "rzn"}


def carry_of(array: Any) -> dict[str, Any]:
    return array._asdict() if hasattr(array, "_asdict") else {"h": array}


# The cells


def numbers(cell: Any, params: Any, carry: Any, xs: Any, weights: Any, key: Any) -> dict[str, Any]:
    """What the library computes with a cell."""

    def run(params, xs, carry):
        after, ys = jax.lax.scan(lambda h, x: cell.step(params, h, x), carry, xs)
        return (weights * ys).sum(), (after, ys)

    backward = jax.value_and_grad(run, (0, 1, 2), has_aux=True)(params, xs, carry)
    (_, (after, ys)), (d_params, d_xs, d_carry) = backward
    flows = {
        "end": diagnostics.gradient_flow(cell, params, xs, lambda ys: ys[-1].sum() / UNITS**0.5),
        "everywhere": diagnostics.gradient_flow(cell, params, xs, lambda ys: ys.sum() / UNITS**0.5),
    }
    exponents = diagnostics.lyapunov_exponents(cell, params, xs, key=key, count=COUNT)
    return {
        "outputs": ys,
        "after": carry_of(after),
        "gradients": params._replace(**d_params._asdict())._asdict(),
        "d_xs": d_xs,
        "d_carry": carry_of(d_carry),
        "end": flows["end"]["all"],
        "everywhere": flows["everywhere"]["all"],
        "exponents": exponents,
    }


def draw_cases() -> tuple[list[Any], list[Any]]:
    """For every cell and seed what node is given, and what the library computes with it."""
    given, expected = [], []
    compute = jax.jit(numbers, static_argnums=0)
    for name, seed in NAMES:
        cell, rng = CELLS[name], np.random.default_rng(seed)

        def draw(a, rng=rng):
            return jnp.asarray(rng.normal(size=a.shape) * 0.8)

        params = jax.tree.map(draw, cell.init(jax.random.key(0), INPUTS))
        carry = jax.tree.map(draw, cell.init_carry(params))
        xs, weights = draw(np.zeros((STEPS, INPUTS))), draw(np.zeros((STEPS, UNITS)))
        key = jax.random.key(seed)
        expected.append(compute(cell, params, carry, xs, weights, key))
        size = sum(a.size for a in jax.tree.leaves(carry))
        frame = np.asarray(jax.random.normal(key, (size, COUNT))).T.reshape(COUNT, -1, UNITS)
        kind, _, activation = name.partition(" ")
        given.append(
            {
                "cell": kind,
                "activation": activation or "tanh",
                "params": {key: np.ravel(a) for key, a in params._asdict().items()},
                "carry": carry_of(carry),
                "xs": xs,
                "weights": weights,
                "frame": [dict(zip("hc", rows, strict=False)) for rows in frame],
            }
        )
    return given, expected


DRIVER = """
const array = (a) => Float64Array.from(a);
return given.cases.map((one) => {
  const params = mapArrays(one.params, array);
  const net = { cell: CELLS[one.cell], inputs: given.inputs, units: given.units, params };
  net.activation = one.activation;
  const xs = one.xs.map(array);
  const run = runThrough(net, xs, mapArrays(one.carry, array));
  const gradients = zeroGradients(params);
  const back = pullBack(net, xs, run, one.weights.map(array), gradients);
  const frame = one.frame.map((direction) => mapArrays(direction, array));
  return {
    outputs: run.carries.slice(1).map((carry) => carry.h), after: run.carries.at(-1),
    gates: run.records.map((record) => record.gates),
    gradients, d_xs: back.dxs, d_carry: back.dCarries[0],
    end: gradientFlow(net, xs, false), everywhere: gradientFlow(net, xs, true),
    exponents: lyapunovExponents(net, xs, frame.length, frame),
    default_exponents: lyapunovExponents(net, xs),
  };
});
"""


@pytest.fixture(scope="module")
def cases():
    """What node and the library compute, by cell and seed."""
    with jax.enable_x64(True):
        given, expected = draw_cases()
    found = run_scripts(SCRIPTS, DRIVER, {"cases": given, "inputs": INPUTS, "units": UNITS})
    return {name: results for name, *results in zip(NAMES, given, found, expected, strict=True)}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: f"{name[0]}-{name[1]}")
def test_a_cell_forward_and_backward_equals_the_library(cases, name):
    _, found, expected = cases[name]
    for what in ("outputs", "d_xs", "end", "everywhere"):
        close(found[what], expected[what])
        assert np.abs(expected[what]).max() > 0
    # With many units off, only one direction is left: the others are rounding.
    count = 1 if "relu" in name[0] else COUNT
    close(np.array(found["exponents"])[:, :count], expected["exponents"][:, :count])
    for what in ("after", "gradients", "d_carry"):
        assert found[what].keys() == expected[what].keys()
        for leaf, array in expected[what].items():
            close(found[what][leaf], np.ravel(array))
            assert np.abs(array).max() > 0


@pytest.mark.parametrize("name", [name for name in NAMES if name[0] in GATES], ids=str)
def test_gates_are_those_of_the_equations(cases, name):
    given, found, _ = cases[name]
    kind = name[0]
    params = {key: np.asarray(a) for key, a in given["params"].items()}
    hs = np.array([np.asarray(given["carry"]["h"]), *np.array(found["outputs"])[:-1]])
    blocks = len(GATES[kind])
    x = np.asarray(given["xs"]) @ params["w_x"].reshape(INPUTS, -1) + params["b"]
    h = hs @ params["w_h"].reshape(UNITS, -1)
    x, h = (np.split(a, blocks, axis=-1) for a in (x, h))

    def sigmoid(s):
        return 1 / (1 + np.exp(-s))

    if kind == "LSTM":
        i, f, g, o = (a + b for a, b in zip(x, h, strict=True))
        expected = {"i": sigmoid(i), "f": sigmoid(f), "g": np.tanh(g), "o": sigmoid(o)}
    else:
        r, z = sigmoid(x[0] + h[0]), sigmoid(x[1] + h[1])
        expected = {"r": r, "z": z, "n": np.tanh(x[2] + r * (h[2] + params["b_hn"]))}
    for gate, values in expected.items():
        close([gates[gate] for gates in found["gates"]], values)


def test_directions_that_the_page_draws_find_the_same_exponent(cases):
    """Over so few steps the estimates differ, but all lie within the range of the growth."""
    for _, found, expected in cases.values():
        estimates = np.ravel(found["default_exponents"])
        assert len(estimates) == STEPS and np.isfinite(estimates).all()
        assert estimates[-1] <= np.log(10)
        assert abs(estimates[-1] - np.asarray(expected["exponents"])[-1, 0]) < 0.7


# Drawn networks

OTHERS = """
const array = (a) => Float64Array.from(a);
const uniforms = (seed) => { const r = randomStream(seed); return [1, 2, 3].map(r.uniform); };
const stream = randomStream(7);
const drawn = given.networks.map(([cell, options]) => drawNetwork(cell, 2, 6, 3, options).params);
return {
  radii: given.matrices.map((a) => spectralRadius(array(a.flat()), a.length)),
  uniforms: [0, 1, 2, 0].map(uniforms),
  normals: Array.from({ length: 20000 }, stream.normal),
  drawn,
};
"""
NETWORKS = [
    ("Elman", {"radius": 0.5, "inputScale": 2}),
    ("LSTM", {"radius": 1.5, "gateBias": 3}),
    ("GRU", {"radius": 2, "gateBias": -1}),
]


def matrices() -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    random = [rng.normal(size=(n, n)) for n in (1, 2, 5, 16, 32)]
    rotation = 0.9 * np.array([[0.6, -0.8], [0.8, 0.6]])  # a pair of complex eigenvalues
    symmetric = np.diag([2.0, -2.0, 1.0])
    return [*random, rotation, symmetric, 1e-3 * random[3], np.zeros((3, 3))]


@pytest.fixture(scope="module")
def others():
    given = {"matrices": matrices(), "networks": NETWORKS}
    return run_scripts(SCRIPTS, OTHERS, given)


def test_spectral_radius_equals_numpys(others):
    for found, matrix in zip(others["radii"], matrices(), strict=True):
        close(found, abs(np.linalg.eigvals(matrix)).max())


def test_a_seed_repeats_and_normal_numbers_are_normal(others):
    first, second, third, again = others["uniforms"]
    assert first == again and len({*first, *second, *third}) == 9
    normals = np.array(others["normals"])
    for power, moment in enumerate((0, 1, 0, 3), 1):
        assert abs((normals**power).mean() - moment) < 0.1
    assert abs(np.corrcoef(normals[1:], normals[:-1])[0, 1]) < 0.03


def test_drawn_networks_have_the_radius_in_every_block(others):
    for (kind, options), params in zip(NETWORKS, others["drawn"], strict=True):
        w_h = np.reshape(params["w_h"], (6, -1, 6)).swapaxes(0, 1)
        for block in w_h:
            close(abs(np.linalg.eigvals(block)).max(), options["radius"])
        bias = np.reshape(params["b"], (-1, 6))
        expected = np.zeros_like(bias)
        if kind != "Elman":
            expected[1] = options["gateBias"]
        close(bias, expected)
        scale = options.get("inputScale", 1)
        assert 0.6 * scale < np.std(params["w_x"]) < 1.4 * scale
