"""Layers of the installed Keras, Haiku and Equinox, both ways: values and gradients."""

import jax
import numpy as np
import pytest
from cases import assert_close, random_like
from draws import B, F, H, T, pull
from make_interop_numbers_peers import FORMS, inputs, keras, keras_layer, precision
from test_interop_peers import FORMS as OURS
from test_interop_peers import FROM, TO, run

from rnnjax import LSTM, Elman
from rnnjax.interop import from_keras, to_keras
from rnnjax.layers import RNN, Bidirectional

# Keras's own, in `get_weights` with a new NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def converted(name, form):
    """From the object of the peer, where there is one that has weights."""
    options = {} if form.source else OURS[name][1]
    return FROM[name.split()[0]](form.source or form.weights, **options)


def assert_equal(name, actual, expected):
    assert_close(actual, expected, "float32" if name.startswith("keras") else "float64")


@pytest.mark.parametrize("name", FORMS)
def test_values_and_gradients(name):
    to = TO[name.split()[0]]
    with precision(name):
        form = FORMS[name]()
        model, params = converted(name, form)
        assert model == OURS[name][0]
        theirs, (of_weights, *of_inputs) = pull(form.run, form.weights, *inputs(form))
        ours = pull(lambda *args: run(model, *args), params, *inputs(form))
        values, (of_params, *of_our_inputs) = ours
        assert_equal(name, (values, of_our_inputs), (theirs, of_inputs))

        # A step along the gradient is one along theirs.
        moved = to(model, jax.tree.map(np.add, params, of_params))
        step = jax.tree.map(np.subtract, moved, to(model, params))
        assert_equal(name, common(name, step), common(name, of_weights))


def common(name, gradients):
    """What both sides have: of two biases that are summed the first, and none of none."""
    if name.startswith("equinox"):
        return {k: a for k, a in gradients.items() if "bias" not in k or "no-bias" not in name}
    if name.startswith("haiku"):
        flat = {f"{m}/{k}": a for m, arrays in gradients.items() for k, a in arrays.items()}
        return {k: a for k, a in flat.items() if k != "vanilla_rnn/linear_1/b"}
    count = len(gradients) // (2 if "both" in name else 1)
    kernels = [a for i, a in enumerate(gradients) if i % count < 2]
    biases = [] if "no-bias" in name else [np.array(a) for a in gradients[2::3]]
    for bias in biases if name in ("keras GRU", "keras GRU both") else []:
        bias[1, : 2 * H] = 0
    return kernels, biases


@pytest.mark.parametrize("name", FORMS)
def test_ours_run_in_theirs(name):
    with precision(name):
        form = FORMS[name]()
        model, params = converted(name, form)
        params = random_like(5, params)
        weights = TO[name.split()[0]](model, params)
        if "single" in name:
            assert not weights["vanilla_rnn/linear_1"].pop("b").any()
        x, states = inputs(form)
        expected = run(model, params, x, states)
        assert_equal(name, form.run(weights, x, states), expected)
        if form.source is not None and name.startswith("keras"):
            form.source.set_weights(weights)
            y, *finals = form.source(x, initial_state=states)
            assert_equal(name, (y, finals), expected)


@pytest.mark.parametrize("merge_mode", [None, "sum"])
def test_masks_of_keras(merge_mode):
    layer = keras_layer("GRU", merge_mode, zero_output_for_mask=True)
    layer.set_weights(random_like(1, layer.get_weights()))
    x, lengths = random_like(2, np.empty((B, T, F), np.float32)), np.array([2, T, 3])
    model, params = from_keras(layer)
    _, ys = model.apply(params, x, lengths=lengths)
    assert_close(ys, layer(x, mask=np.arange(T) < lengths[:, None]), "float32")


@pytest.mark.parametrize(
    "name, ours",
    [("relu", "relu"), ("tanh", "tanh"), ("sigmoid", "sigmoid"), (None, "identity")],
)
def test_activations_of_keras(name, ours):
    layer = keras_layer("SimpleRNN", activation=name)
    model, params = from_keras(layer)
    assert model == RNN(Elman(H, activation=ours))
    x = random_like(2, np.empty((B, T, F), np.float32))
    assert_close(model.apply(params, x)[1], layer(x), "float32")


def test_two_kinds_in_a_bidirectional_layer_of_keras():
    backward = keras_layer("SimpleRNN", go_backwards=True)
    layer = keras.layers.Bidirectional(keras_layer("LSTM"), backward_layer=backward)
    layer.build((B, T, F))
    x = random_like(2, np.empty((B, T, F), np.float32))
    model, params = from_keras(layer)
    assert model == Bidirectional(LSTM(H), backward=Elman(H))
    assert_close(model.apply(params, x)[1], layer(x), "float32")
    params = random_like(5, params)
    layer.set_weights(to_keras(model, params))
    assert_close(model.apply(params, x)[1], layer(x), "float32")


@pytest.mark.parametrize(
    "kind, options, message",
    [
        ("LSTM", {"dropout": 0.2}, "dropout=0, got 0.2"),
        ("GRU", {"recurrent_dropout": 0.2}, "recurrent_dropout=0, got 0.2"),
        ("GRU", {"stateful": True}, "stateful=False, got True"),
        ("GRU", {"go_backwards": True}, "go_backwards=False, got True"),
        ("LSTM", {"activation": abs}, "activation to be one of"),
        ("LSTM", {"recurrent_activation": "elu"}, "recurrent_activation to be one of .* 'elu'"),
        ("ConvLSTM1D", {"kernel_size": 2}, "LSTM, GRU or SimpleRNN .* got <ConvLSTM1D"),
    ],
)
def test_layers_of_keras_that_have_no_equal_are_refused(kind, options, message):
    shape = (B, T, F) if kind != "ConvLSTM1D" else (B, T, F, 4)
    layer = getattr(keras.layers, kind)(H, **options)
    layer.build(shape)
    with pytest.raises(ValueError, match=message):
        from_keras(layer)


def test_a_layer_of_keras_that_is_not_built_is_refused():
    with pytest.raises(ValueError, match="got 0; has the layer been built"):
        from_keras(keras.layers.LSTM(H))
