"""Elman, LSTM and GRU against stored results of PyTorch: values, states and all gradients."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import GRU, LSTM, Elman, LSTMCarry
from rnnjax.cells import ElmanParams, GRUParams, LSTMParams
from rnnjax.layers import Bidirectional, Directions, Sequential

STORED = dict(np.load(Path(__file__).with_name("torch_numbers.npz")))
LENGTHS, HIDDEN = STORED["lengths"], 4
CELLS = {"Elman": Elman(HIDDEN), "LSTM": LSTM(HIDDEN), "GRU": GRU(HIDDEN)}
PLACES = [(layer, suffix) for layer in (0, 1) for suffix in ("", "_reverse")]


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def by_layer(four):
    """Pairs of directions, from a list in PyTorch's order: the layers, each forward, backward."""
    return tuple(Directions(four[2 * layer], four[2 * layer + 1]) for layer in (0, 1))


def weights_of(torch, prefix=""):
    """For every layer and direction, what PyTorch calls weight_ih, weight_hh, bias_ih, bias_hh."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [
        [torch[f"{prefix}{name}_l{layer}{suffix}"] for name in names] for layer, suffix in PLACES
    ]


def params_from_torch(kind, torch):
    def params(w_ih, w_hh, b_ih, b_hh):
        if kind == "GRU":
            candidate = np.arange(3 * HIDDEN) >= 2 * HIDDEN
            b = b_ih + np.where(candidate, 0, b_hh)
            return GRUParams(w_ih.T, w_hh.T, b, b_hh[candidate])
        return {"Elman": ElmanParams, "LSTM": LSTMParams}[kind](w_ih.T, w_hh.T, b_ih + b_hh)

    return by_layer([params(*weights) for weights in weights_of(torch)])


def gradients_from_torch(kind, torch):
    """The gradients in our parameters; that in a sum of two biases is that in either."""

    def params(w_ih, w_hh, b_ih, b_hh):
        if kind == "GRU":
            return GRUParams(w_ih.T, w_hh.T, b_ih, b_hh[2 * HIDDEN :])
        np.testing.assert_allclose(b_ih, b_hh, rtol=1e-9)
        return {"Elman": ElmanParams, "LSTM": LSTMParams}[kind](w_ih.T, w_hh.T, b_ih)

    return by_layer([params(*weights) for weights in weights_of(torch, "d_")])


def carries_from_torch(kind, torch, name):
    if kind == "LSTM":
        h, c = torch[f"{name}_0"], torch[f"{name}_1"]
        return by_layer([LSTMCarry(*pair) for pair in zip(h, c, strict=True)])
    return by_layer(list(torch[f"{name}_0"]))


@pytest.mark.parametrize("kind", CELLS)
def test_equals_torch(kind):
    torch = {name.partition(".")[2]: a for name, a in STORED.items() if name.startswith(kind)}
    model = Sequential((Bidirectional(CELLS[kind]),) * 2)

    def run(params, xs, carry):
        return model.apply(params, xs, carry, lengths=LENGTHS)

    arguments = (
        params_from_torch(kind, torch),
        torch["xs"],
        carries_from_torch(kind, torch, "state"),
    )
    (final, ys), vjp = jax.vjp(run, *jax.tree.map(jnp.asarray, arguments))
    seeds = (carries_from_torch(kind, torch, "seed_final"), torch["seed_ys"])
    gradients = vjp(jax.tree.map(jnp.asarray, seeds))
    expected = (
        (carries_from_torch(kind, torch, "final"), torch["ys"]),
        (
            gradients_from_torch(kind, torch),
            torch["d_xs"],
            carries_from_torch(kind, torch, "d_state"),
        ),
    )
    jax.tree.map(
        lambda got, wanted: np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9),
        ((final, ys), gradients),
        expected,
    )


def test_the_stored_numbers_leave_nothing_out():
    for kind in CELLS:
        for weights in weights_of({n.partition(".")[2]: a for n, a in STORED.items() if kind in n}):
            assert all(np.abs(weight).min() > 1e-4 for weight in weights)
    assert len(set(LENGTHS)) == len(LENGTHS)
    assert not STORED["GRU.ys"][1, 1:].any()
