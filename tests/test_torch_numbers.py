"""Our layers compute what PyTorch computes, in values and in every gradient."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import GRU, LSTM, Elman, LSTMCarry
from rnnjax.cells import ElmanParams, GRUParams, LSTMParams
from rnnjax.layers import Bidirectional, Directions, Sequential

HIDDEN = 4
LAYERS = (0, 1)
FILE = np.load(Path(__file__).with_name("torch_numbers.npz"))


def elman_params(w_x, w_h, b_x, b_h):
    return ElmanParams(w_x.T, w_h.T, b_x + b_h)


def lstm_params(w_x, w_h, b_x, b_h):
    return LSTMParams(w_x.T, w_h.T, b_x + b_h)


def gru_params(w_x, w_h, b_x, b_h):
    return GRUParams(w_x.T, w_h.T, b_x + b_h.at[2 * HIDDEN :].set(0), b_h[2 * HIDDEN :])


def per_direction(make):
    """What `make(layer, direction)` gives for every layer and direction, as our layers nest it."""
    return tuple(Directions(make(layer, 0), make(layer, 1)) for layer in LAYERS)


def our_params(convert, arrays):
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return per_direction(
        lambda layer, direction: convert(
            *(arrays[f"{kind}_l{layer}{direction * '_reverse'}"] for kind in kinds)
        )
    )


def our_carry(arrays):
    """PyTorch has layers and directions on one axis, in this order."""

    def make(layer, direction):
        h, *c = (arrays[name][2 * layer + direction] for name in ("h_0", "c_0") if name in arrays)
        return LSTMCarry(h, *c) if c else h

    return per_direction(make)


def torch_carry(carry):
    """Our carry in the layout of PyTorch, under its names."""
    flat = [state for layer in carry for state in layer]
    if isinstance(flat[0], LSTMCarry):
        return {"h_n": jnp.stack([s.h for s in flat]), "c_n": jnp.stack([s.c for s in flat])}
    return {"h_n": jnp.stack(flat)}


@pytest.mark.parametrize(
    ("kind", "cell", "convert"),
    [
        ("RNN", Elman(HIDDEN), elman_params),
        ("LSTM", LSTM(HIDDEN), lstm_params),
        ("GRU", GRU(HIDDEN), gru_params),
    ],
    ids=["Elman", "LSTM", "GRU"],
)
def test_layers_equal_those_of_pytorch(kind, cell, convert):
    layer = Sequential((Bidirectional(cell), Bidirectional(cell)))
    numbers = {k.removeprefix(f"{kind}/"): FILE[k] for k in FILE if k.startswith(f"{kind}/")}
    results = {name: numbers[name] for name in ("y", "h_n", "c_n") if name in numbers}
    weights = {name: numbers[f"weight of {name}"] for name in results}
    gradients = {
        name.removeprefix("gradient of "): value
        for name, value in numbers.items()
        if name.startswith("gradient of ")
    }

    @jax.jit
    def ours(arrays):
        params, carry = our_params(convert, arrays), our_carry(arrays)
        final, ys = layer.apply(params, arrays["x"], carry, lengths=FILE["lengths"])
        return {"y": ys} | torch_carry(final)

    with jax.enable_x64(True):
        got, vjp = jax.vjp(ours, {name: jnp.asarray(numbers[name]) for name in gradients})
        (got_gradients,) = vjp(jax.tree.map(jnp.asarray, weights))
    assert len(gradients) == len(numbers) - len(gradients) - 2 * len(results)
    for name, expected in (results | gradients).items():
        actual = got[name] if name in results else got_gradients[name]
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-11, err_msg=name)
