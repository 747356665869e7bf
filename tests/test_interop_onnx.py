"""Conversion from and to ONNX's recurrent nodes, against what ONNX Runtime computes with them."""

from pathlib import Path
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import random_like

from rnnjax import GRU, LSTM, Elman, ProjectedLSTM, ResetBeforeGRU
from rnnjax.interop import from_onnx, to_onnx
from rnnjax.layers import RNN, Bidirectional, Dense

FILE = dict(np.load(Path(__file__).with_name("interop_numbers_onnx.npz")))
LENGTHS = FILE["lengths"]
BOTH: dict[str, Any] = {"direction": "bidirectional"}

# The type and attributes of each node, and what it is here.
FORMS = {
    "RNN": ("RNN", {}, RNN(Elman(5))),
    "RNN-relu-sigmoid": (
        "RNN",
        BOTH | {"activations": ["Relu", "Sigmoid"]},
        Bidirectional(Elman(5, activation="relu"), backward=Elman(5, activation="sigmoid")),
    ),
    "GRU": ("GRU", {}, RNN(ResetBeforeGRU(5))),
    "GRU-reset-before": (
        "GRU",
        BOTH | {"linear_before_reset": 0},
        Bidirectional(ResetBeforeGRU(5)),
    ),
    "GRU-reset-after": ("GRU", BOTH | {"linear_before_reset": 1}, Bidirectional(GRU(5))),
    "GRU-reverse": (
        "GRU",
        {"direction": "reverse", "linear_before_reset": 1},
        RNN(GRU(5), reverse=True),
    ),
    "LSTM": ("LSTM", {"activations": ["Sigmoid", "Tanh", "Tanh"]}, RNN(LSTM(5))),
    "LSTM-reverse": ("LSTM", {"direction": "reverse"}, RNN(LSTM(5), reverse=True)),
    "LSTM-both": ("LSTM", BOTH, Bidirectional(LSTM(5))),
}
LAYERS = {form: layer for form, (_, _, layer) in FORMS.items()}


def node_of(form):
    op_type, attributes, _ = FORMS[form]
    weights = {name: FILE[f"{form}/{name}"] for name in ("W", "R", "B")}
    return {"op_type": op_type, "attributes": attributes} | weights


def run(layer, params, lengths, x, *states):
    """Outputs and final states in ONNX's layout: time first, directions apart."""
    x = jnp.moveaxis(x, 0, 1)
    start = jax.tree.structure(layer.init_carry(params, (len(x),)))
    carry = jax.tree.unflatten(start, [s for pair in zip(*states, strict=True) for s in pair])
    carry, y = layer.apply(params, x, carry, lengths=lengths)
    final = jax.tree.leaves(carry)
    y = y.reshape(*y.shape[:2], len(states[0]), -1).transpose(1, 2, 0, 3)
    return y, *(jnp.stack(final[k :: len(states)]) for k in range(len(states)))


@pytest.mark.parametrize("form", FORMS)
def test_the_function_is_that_of_the_node(form):
    layer, params = from_onnx(node_of(form))
    assert layer == LAYERS[form]
    names = [k for k in ("X", "initial_h", "initial_c") if f"{form}/{k}" in FILE]
    results = run(layer, params, LENGTHS, *(FILE[f"{form}/{name}"] for name in names))
    for actual, name in zip(results, ("Y", "Y_h", "Y_c"), strict=False):
        expected = FILE[f"{form}/{name}"]
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("form", FORMS)
def test_there_and_back_only_merges_biases(form):
    node = node_of(form)
    back = to_onnx(*from_onnx(node))
    assert back["op_type"] == node["op_type"]
    assert back["attributes"]["hidden_size"] == 5
    b_x, b_h = np.split(node["B"], 2, axis=1)
    rows = np.arange(b_x.shape[1])
    apart = (node["attributes"].get("linear_before_reset", 0) == 1) & (rows >= 10)
    merged = np.where(apart, b_x, b_x + b_h), np.where(apart, b_h, 0)
    expected = {"W": node["W"], "R": node["R"], "B": np.concatenate(merged, axis=1)}
    chex.assert_trees_all_equal({name: back[name] for name in expected}, expected)
    assert all(back[name].flags.c_contiguous for name in expected)


def random_params(layer):
    return random_like(0, jax.eval_shape(lambda: layer.init(jax.random.key(0), 3)))


@pytest.mark.parametrize("form", FORMS)
def test_back_and_there_is_the_identity(form):
    params = random_params(LAYERS[form])
    layer, same = from_onnx(to_onnx(LAYERS[form], params))
    assert layer == LAYERS[form]
    chex.assert_trees_all_equal(same, params)


def test_no_bias_and_no_peepholes():
    node = node_of("LSTM")
    without = {name: node[name] for name in ("op_type", "W", "R")}
    layer, params = from_onnx(without)
    assert layer == RNN(LSTM(5, use_bias=False))
    chex.assert_trees_all_equal(params, from_onnx(node)[1]._replace(b=None))
    chex.assert_trees_all_equal(from_onnx(to_onnx(layer, params)), (layer, params))
    ignored = {"layout": 1, "activation_alpha": [], "input_forget": 0}
    nothing = {"P": np.zeros((1, 15)), "attributes": ignored}
    chex.assert_trees_all_equal(from_onnx(without | nothing), (layer, params))


def test_a_node_keeps_directions_apart_whatever_merges_them():
    params = random_params(Bidirectional(LSTM(4)))
    node, same = (to_onnx(Bidirectional(LSTM(4), merge=how), params) for how in ("concat", "sum"))
    chex.assert_trees_all_equal(node, same)


def changed(form, **entries):
    return node_of(form) | entries


def with_attributes(form, **attributes):
    return changed(form, attributes=node_of(form)["attributes"] | attributes)


@pytest.mark.parametrize(
    "node, message",
    [
        ({}, "op_type of RNN, GRU or LSTM, W and R, got op_type None"),
        (changed("RNN", op_type="Loop"), "op_type of RNN, GRU or LSTM.* got op_type 'Loop'"),
        ({"op_type": "RNN", "W": np.ones((1, 4, 3))}, "W and R, got .*'W'"),
        (changed("LSTM", P=np.ones((1, 15))), "without .'P'.*peepholes"),
        (with_attributes("LSTM", clip=3.0), "without .'clip'.*3.0"),
        (with_attributes("LSTM", input_forget=1), "without .'input_forget'"),
        (with_attributes("GRU", direction="backward"), "direction to be one of .*got 'backward'"),
        (with_attributes("GRU", activations=["HardSigmoid", "Tanh"]), "got .'HardSigmoid', 'Tan"),
        (with_attributes("GRU-reverse", activations=["Tanh"]), "'Sigmoid', 'Tanh'. for GRU.* got"),
        (with_attributes("RNN", activations=["Elu"]), "of .*'Relu'.* got .'Elu'."),
        (with_attributes("RNN", activations=["Tanh", "Tanh"]), "for RNN.* got .'Tanh', 'Tanh'"),
        (with_attributes("LSTM", activations=["Sigmoid", "Relu", "Tanh"]), "of an LSTM equal, got"),
        (
            with_attributes("LSTM", direction="bidirectional"),
            "first of 2 directions, got shape .1, 20, 3.",
        ),
        (with_attributes("LSTM", hidden_size=4), "weights for hidden_size 4, got those of LSTM.5."),
        (changed("LSTM", R=np.ones((1, 15, 5))), "got R of shape .15, 5. instead of .20, 5."),
        (changed("LSTM", B=np.ones((1, 20))), "got B of shape .20. instead of .40."),
        (changed("LSTM", W=np.ones((20, 3))), "expected W of 3 axes, .* got shape .20, 3."),
    ],
)
def test_nodes_that_are_no_layer_are_refused(node, message):
    with pytest.raises(ValueError, match=message):
        from_onnx(node)


def test_activations_of_gates_are_kept():
    cell = GRU(4, activation="relu", gate_activation="tanh")
    params = random_params(RNN(cell))
    node = to_onnx(RNN(cell), params)
    assert node["attributes"]["activations"] == ["Tanh", "Relu"]
    chex.assert_trees_all_equal(from_onnx(node), (RNN(cell), params))


@pytest.mark.parametrize(
    "layer, message",
    [
        (Dense(4), "expected an RNN or Bidirectional layer, got Dense"),
        (RNN(ProjectedLSTM(4, 2)), "got ProjectedLSTM.* its LSTM has no projection"),
        (RNN(Elman(4, activation="elu")), "the activation 'tanh' or .*'elu'"),
        (Bidirectional(LSTM(4), backward=GRU(4)), "one kind in both directions, got .*LSTM.*GRU"),
        (Bidirectional(LSTM(4), backward=LSTM(3)), "one kind in both directions, got"),
        (Bidirectional(GRU(4), backward=ResetBeforeGRU(4)), "one kind in both directions, got"),
    ],
    ids=repr,
)
def test_layers_that_are_no_node_are_refused(layer, message):
    with pytest.raises(ValueError, match=message):
        to_onnx(layer, random_params(layer))
