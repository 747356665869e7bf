"""Writes interop_numbers_peers.npz: what recurrent layers of Keras, Haiku and Equinox compute.

    python tests/make_interop_numbers_peers.py

They are needed here, and in `tests/live/`, which runs the same forms; other tests read the file.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox  # pyright: ignore[reportMissingImports]
import haiku  # pyright: ignore[reportMissingImports]
import jax
import jax.numpy as jnp
import keras  # pyright: ignore[reportMissingImports]
import numpy as np
from cases import random_like
from draws import B, F, H, T


class Form(NamedTuple):
    """A recurrent layer of a peer: `run(weights, x, states)` gives outputs and final states."""

    run: Callable
    weights: Any
    states: int
    source: Any = None


def keras_layer(kind: str, merge_mode: str | None = None, **options: Any) -> Any:
    layer = getattr(keras.layers, kind)(H, return_sequences=True, **options)
    if merge_mode:
        layer = keras.layers.Bidirectional(layer, merge_mode)
    layer.build((B, T, F))
    return layer


def keras_form(kind: str, states: int, merge_mode: str | None = None, **options: Any) -> Form:
    """A layer, or with a `merge_mode` a bidirectional one; `source` is the layer.

    Keras computes tanh of float64 in float32; it is therefore run in float32 altogether.
    """
    layer = keras_layer(kind, merge_mode, return_state=True, **options)
    weights = random_like(1, layer.get_weights())
    layer.set_weights(weights)
    rest = [variable.value for variable in layer.non_trainable_variables]

    def run(weights, x, states):
        (y, *finals), _ = layer.stateless_call(weights, rest, x, initial_state=states)
        return y, finals

    return Form(run, weights, states, layer)


def haiku_form(kind: str, states: int, **options: Any) -> Form:
    def unroll(x, states):
        core = getattr(haiku, kind)(H, **options)
        state = haiku.LSTMState(*states) if len(states) == 2 else states[0]
        y, final = haiku.dynamic_unroll(core, x, state, time_major=False)
        return y, jax.tree.leaves(final)

    function = haiku.without_apply_rng(haiku.transform(unroll))
    arguments = jnp.ones((B, T, F)), [jnp.ones((B, H))] * states
    weights = random_like(1, function.init(jax.random.key(0), *arguments))
    return Form(function.apply, weights, states)


def equinox_form(kind: str, states: int, **options: Any) -> Form:
    """`source` is the cell."""
    cell = getattr(equinox.nn, kind)(F, H, **options, key=jax.random.key(0))
    names = ("weight_ih", "weight_hh", "bias", "bias_n")
    arrays = {name: getattr(cell, name, None) for name in names}
    weights = random_like(1, {name: a for name, a in arrays.items() if a is not None})

    def with_weights(weights):
        def where(cell):
            return [getattr(cell, name) for name in weights]

        return equinox.tree_at(where, cell, [*weights.values()])

    def run(weights, x, states):
        cell = with_weights(weights)

        def step(states, x):
            state = jax.vmap(cell)(x, tuple(states) if len(states) == 2 else states[0])
            states = jax.tree.leaves(state)
            return states, states[0]

        finals, y = jax.lax.scan(step, states, jnp.swapaxes(x, 0, 1))
        return jnp.swapaxes(y, 0, 1), finals

    return Form(run, weights, states, with_weights(weights))


# To be called under `precision(name)`.
FORMS: dict[str, Callable[[], Form]] = {
    "keras LSTM": lambda: keras_form("LSTM", 2),
    "keras LSTM no-bias": lambda: keras_form("LSTM", 2, use_bias=False),
    "keras GRU": lambda: keras_form("GRU", 1),
    "keras GRU no-bias": lambda: keras_form("GRU", 1, use_bias=False),
    "keras GRU before": lambda: keras_form("GRU", 1, reset_after=False),
    "keras GRU before no-bias": lambda: keras_form("GRU", 1, reset_after=False, use_bias=False),
    "keras SimpleRNN": lambda: keras_form("SimpleRNN", 1, activation="linear"),
    "keras LSTM both": lambda: keras_form("LSTM", 4, "concat"),
    "keras GRU both": lambda: keras_form("GRU", 2, "ave"),
    "keras SimpleRNN both no-bias": lambda: keras_form("SimpleRNN", 2, "mul", use_bias=False),
    "haiku LSTM": lambda: haiku_form("LSTM", 2),
    "haiku GRU": lambda: haiku_form("GRU", 1),
    "haiku VanillaRNN": lambda: haiku_form("VanillaRNN", 1),
    "haiku VanillaRNN single": lambda: haiku_form("VanillaRNN", 1, double_bias=False),
    "equinox LSTM": lambda: equinox_form("LSTMCell", 2),
    "equinox LSTM no-bias": lambda: equinox_form("LSTMCell", 2, use_bias=False),
    "equinox GRU": lambda: equinox_form("GRUCell", 1),
    "equinox GRU no-bias": lambda: equinox_form("GRUCell", 1, use_bias=False),
}


def inputs(form: Form) -> tuple[Any, list]:
    """Random inputs and initial states."""
    dtype = jax.tree.leaves(form.weights)[0].dtype
    shapes = [np.empty((B, T, F))] + [np.empty((B, H))] * form.states
    x, *states = random_like(2, shapes, dtype)
    return x, states


def precision(name: str) -> Any:
    """A context in which that form can be made and run."""
    return jax.enable_x64(not name.startswith("keras"))


def main() -> None:
    table = {}
    for name, make in FORMS.items():
        with precision(name):
            form = make()
            x, states = inputs(form)
            y, finals = form.run(form.weights, x, states)
        numbers = {"weights": form.weights, "x": x, "states": states, "y": y, "finals": finals}
        for path, a in jax.tree.leaves_with_path(numbers):
            table[f"{name}:{jax.tree_util.keystr(path, simple=True, separator=':')}"] = a
    arrays: dict[str, Any] = {name: np.asarray(a) for name, a in table.items()}
    for name, a in arrays.items():
        assert a.dtype == ("float32" if name.startswith("keras") else "float64"), name
    np.savez_compressed(Path(__file__).with_name("interop_numbers_peers.npz"), **arrays)


if __name__ == "__main__":
    main()
