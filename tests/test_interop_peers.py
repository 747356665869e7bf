"""Conversion from and to Keras, Haiku and Equinox, against numbers that they computed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import random_like
from draws import F, H

from rnnjax import GRU, LSTM, Elman, Layer, ProjectedLSTM, ResetBeforeGRU
from rnnjax.interop import (
    from_equinox,
    from_haiku,
    from_keras,
    to_equinox,
    to_haiku,
    to_keras,
)
from rnnjax.layers import RNN, Bidirectional, Dense

FILE = np.load(Path(__file__).with_name("interop_numbers_peers.npz"))
BEFORE = ResetBeforeGRU(H)

# What each of the layers is here, and what its arrays do not tell.
FORMS = {
    "keras LSTM": (RNN(LSTM(H)), {}),
    "keras LSTM no-bias": (RNN(LSTM(H, use_bias=False)), {}),
    "keras GRU": (RNN(GRU(H)), {}),
    "keras GRU no-bias": (RNN(GRU(H, use_bias=False)), {}),
    "keras GRU before": (RNN(BEFORE), {}),
    "keras GRU before no-bias": (
        RNN(ResetBeforeGRU(H, use_bias=False)),
        {"reset_after": False},
    ),
    "keras SimpleRNN": (RNN(Elman(H, activation="identity")), {"activation": "linear"}),
    "keras LSTM both": (Bidirectional(LSTM(H)), {}),
    "keras GRU both": (Bidirectional(GRU(H), merge="mean"), {"merge_mode": "ave"}),
    "keras SimpleRNN both no-bias": (
        Bidirectional(Elman(H, use_bias=False), merge="product"),
        {"merge_mode": "mul"},
    ),
    "haiku LSTM": (LSTM(H), {}),
    "haiku GRU": (BEFORE, {}),
    "haiku VanillaRNN": (Elman(H, activation="relu"), {}),
    "haiku VanillaRNN single": (Elman(H, activation="relu"), {}),
    "equinox LSTM": (LSTM(H), {}),
    "equinox LSTM no-bias": (LSTM(H, use_bias=False), {}),
    "equinox GRU": (GRU(H), {}),
    "equinox GRU no-bias": (GRU(H, use_bias=False), {}),
}
FROM = {"keras": from_keras, "haiku": from_haiku, "equinox": from_equinox}
TO = {"keras": to_keras, "haiku": to_haiku, "equinox": to_equinox}
each_form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def stored(form, kind):
    """The arrays of that kind, by their names in the file."""
    start = f"{form}:{kind}"
    return {name.removeprefix(start)[1:]: FILE[name] for name in FILE if name.startswith(start)}


def weights_of(form) -> Any:
    """Its weights in the structure of the peer."""
    arrays = stored(form, "weights")
    if form.startswith("keras"):
        return [arrays[str(i)] for i in range(len(arrays))]
    if form.startswith("equinox"):
        return arrays
    tree = {}
    for path, a in arrays.items():
        module, name = path.split(":")
        tree.setdefault(module, {})[name] = a
    return tree


def read(form):
    return FROM[form.split()[0]](weights_of(form), **FORMS[form][1])


def write(form, model, params):
    return TO[form.split()[0]](model, params)


def run(model, params, x, states):
    """Outputs and final states, as a flat list."""
    layer = model if isinstance(model, Layer) else RNN(model)
    start = jax.tree.structure(layer.init_carry(params, (len(x),)))
    final, y = layer.apply(params, x, jax.tree.unflatten(start, states))
    return y, jax.tree.leaves(final)


def assert_same(actual, expected):
    """Equal structures and arrays, in every bit and in dtype."""
    chex.assert_trees_all_equal_shapes_and_dtypes(actual, expected)
    chex.assert_trees_all_equal(actual, expected)


@each_form
def test_the_function_is_that_of_the_peer(form):
    model, params = read(form)
    assert model == FORMS[form][0]
    states = [jnp.asarray(a) for a in stored(form, "states").values()]
    y, finals = run(model, params, jnp.asarray(stored(form, "x")[""]), states)
    expected = [stored(form, "y")[""], *stored(form, "finals").values()]
    tolerance = 1e-9 if expected[0].dtype == np.float64 else 1e-6
    for ours, theirs in zip([y, *finals], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@each_form
def test_ours_come_back_as_they_were(form):
    model, params = read(form)
    params = random_like(5, params)
    again, params_again = FROM[form.split()[0]](write(form, model, params), **FORMS[form][1])
    assert again == model
    if form == "haiku LSTM":  # the 1 that Haiku adds is taken off and put on again
        chex.assert_trees_all_close(params_again, params, rtol=0, atol=1e-15)
    else:
        assert_same(params_again, params)


@each_form
def test_theirs_come_back_with_biases_summed(form):
    weights = weights_of(form)
    written = write(form, *read(form))
    if form in ("keras GRU", "keras GRU both"):
        for bias in weights[2::3]:
            bias[0, : 2 * H] += bias[1, : 2 * H]
            bias[1, : 2 * H] = 0
    if "VanillaRNN" in form:
        both = weights["vanilla_rnn/linear"]["b"], weights["vanilla_rnn/linear_1"].get("b", 0)
        weights["vanilla_rnn/linear"]["b"] = sum(both)
        weights["vanilla_rnn/linear_1"]["b"] = np.zeros(H)
    if form == "haiku LSTM":
        chex.assert_trees_all_close(written, weights, rtol=0, atol=1e-15)
    else:
        assert_same(written, weights)


@pytest.mark.parametrize("form", ["keras GRU", "haiku LSTM", "haiku GRU", "equinox LSTM"])
def test_half_precision_stays(form):
    model, _ = FORMS[form]
    params = model.init(jax.random.key(0), F, dtype=jnp.bfloat16)
    weights = write(form, model, params)
    assert {a.dtype for a in jax.tree.leaves(weights)} == {jnp.dtype(jnp.bfloat16)}
    assert_same(FROM[form.split()[0]](weights)[1], params)


def test_a_core_of_haiku_may_stand_anywhere():
    weights = weights_of("haiku VanillaRNN")
    expected = from_haiku(weights)
    moved = {name.replace("vanilla_rnn", "model/~/rnn_1"): a for name, a in weights.items()}
    assert_same(from_haiku(moved), expected)
    assert to_haiku(*expected, name="model/~/rnn_1").keys() == moved.keys()


# Objects of the peers, played by others.


def equinox_cell(**arrays):
    return SimpleNamespace(**arrays, input_size=F, hidden_size=H, use_bias=True)


def keras_layer(kind, weights=None, **config):
    """A layer with the defaults of Keras."""
    defaults = {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True}
    defaults |= {"dropout": 0.0, "recurrent_dropout": 0.0, "stateful": False, "go_backwards": False}
    weights = weights_of("keras LSTM") if weights is None else weights
    methods = {
        "get_config": lambda self: defaults | config,
        "get_weights": lambda self: weights,
    }
    return type(kind, (), methods)()


def keras_both(form, merge_mode):
    weights = weights_of(form)
    half = len(weights) // 2
    kind = form.split()[1]
    return SimpleNamespace(
        forward_layer=keras_layer(kind, weights[:half]),
        backward_layer=keras_layer(kind, weights[half:], go_backwards=True),
        merge_mode=merge_mode,
    )


def test_cells_of_equinox_are_read_by_attribute():
    cell = equinox_cell(**weights_of("equinox LSTM no-bias"), bias=None)
    assert_same(from_equinox(cell), read("equinox LSTM no-bias"))


def test_layers_of_keras_say_what_they_are():
    simple = keras_layer("SimpleRNN", weights_of("keras SimpleRNN"), activation="linear")
    assert_same(from_keras(simple), read("keras SimpleRNN"))
    form = "keras GRU before no-bias"
    assert_same(from_keras(keras_layer("GRU", weights_of(form), reset_after=False)), read(form))
    assert_same(from_keras(keras_both("keras GRU both", "ave")), read("keras GRU both"))
    gates = keras_layer("LSTM", activation="relu", recurrent_activation="tanh")
    cell = LSTM(H, activation="relu", gate_activation="tanh")
    assert from_keras(gates)[0] == RNN(cell)


# Refusals.


@pytest.mark.parametrize(
    "config, message",
    [
        ({"activation": {"class_name": "function"}}, "expected activation to be one of .*, got {"),
        ({"activation": "gelu"}, "expected activation to be one of .*'linear'.*, got 'gelu'"),
        ({"recurrent_activation": "hard_sigmoid"}, "expected recurrent_activation to be one of"),
        ({"dropout": 0.1}, r"expected dropout=0, got 0.1; .* Dropout\(rate, per_sequence=True\)"),
        ({"recurrent_dropout": 0.1}, "expected recurrent_dropout=0, got 0.1"),
        ({"stateful": True}, "expected stateful=False, got True"),
        ({"go_backwards": True}, r"expected go_backwards=False, .* RNN\(cell, reverse=True"),
    ],
)
def test_layers_of_keras_that_have_no_equal_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        from_keras(keras_layer("LSTM", **config))


@pytest.mark.parametrize(
    "source, message",
    [
        (keras_layer("ConvLSTM1D"), "expected an LSTM, GRU or SimpleRNN of Keras"),
        (keras_layer("LSTM", []), "expected two or three arrays a direction.*got 0; has the layer"),
        ([np.ones((F, 4 * H))], "expected two or three arrays a direction"),
        ([np.ones((F, 9)), np.ones((H, 9)), np.ones(6)], r"got bias of shape \[6\] instead of \[9"),
        (
            [np.ones((F, 9)), np.ones((H, 9)), np.ones((3, 9))],
            r"GRU.*got bias of shape \[27\] instead of",
        ),
        (keras_both("keras LSTM both", None), "expected merge_mode to be 'concat', .*, got None"),
    ],
    ids=["layer", "not built", "one", "bias", "biases", "merge"],
)
def test_what_is_not_of_keras_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        from_keras(source)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"gru": {"w_i": np.ones((F, 9)), "b": np.ones(9)}}, "got no w_h$"),
        ({"lstm/linear": {"w": np.ones((5, 12)), "b": np.ones(8)}}, r"w\[:-H\] of shape \[3, 12\]"),
        ({f"lstm{i}/linear": {"w": np.ones((5, 12))} for i in "ab"}, "unknown lstma/linear/w"),
        (np.ones(3), "expected a mapping of names to arrays, got ndarray"),
        ({}, "got no "),
    ],
    ids=["missing", "shape", "two", "array", "empty"],
)
def test_what_is_not_of_haiku_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        from_haiku(params)


LSTM_CELL = {"weight_ih": np.ones((12, F)), "weight_hh": np.ones((12, H)), "bias": np.ones(12)}


@pytest.mark.parametrize(
    "source, message",
    [
        ({**LSTM_CELL, "bias_hh": np.ones(12)}, "got an unknown bias_hh$"),
        ({**LSTM_CELL, "weight_ih": None}, "got no weight_ih$"),
        (
            {**LSTM_CELL, "weight_ih": np.ones((9, F))},
            r"weight_ih of shape \[9, 2\] instead of \[12",
        ),
        (equinox_cell(), "got no weight_hh; no weight_ih"),
    ],
    ids=["unknown", "missing", "shape", "object"],
)
def test_what_is_not_of_equinox_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        from_equinox(source)


@pytest.mark.parametrize(
    "to, model, message",
    [
        (
            to_keras,
            RNN(ProjectedLSTM(H, 2)),
            "expected one of LSTM, GRU, .* as Keras has, got Proj",
        ),
        (
            to_keras,
            RNN(Elman(H, activation="gelu")),
            "the activation .*'identity' and .* Keras .* got .*gelu",
        ),
        (to_keras, RNN(LSTM(H), reverse=True), "expected a layer that runs forwards"),
        (to_keras, Dense(H), "expected an RNN or Bidirectional layer, got Dense"),
        (to_haiku, GRU(H), "ResetBeforeGRU, .* as Haiku has, .*resets before"),
        (to_haiku, Elman(H), "the activation 'relu' and .* as Haiku has them, got Elman"),
        (to_haiku, LSTM(H, activation="relu"), "expected the activation 'tanh' .* as Haiku has"),
        (to_haiku, LSTM(H, use_bias=False), "expected a cell with biases, as all of Haiku have"),
        (to_haiku, RNN(LSTM(H)), "expected one of LSTM.* as Haiku has, got RNN"),
        (to_equinox, BEFORE, "expected one of LSTM, GRU, as Equinox has"),
        (to_equinox, GRU(H, gate_activation="tanh"), "gates with 'sigmoid', as Equinox has them"),
        (to_equinox, Elman(H), "expected .* as Equinox has, got Elman"),
        (to_equinox, Bidirectional(LSTM(H)), "expected .* as Equinox has, got Bidirectional"),
    ],
)
def test_what_a_peer_has_not_is_refused(to, model, message):
    params = model.init(jax.random.key(0), F)
    with pytest.raises(ValueError, match=message):
        to(model, params)
