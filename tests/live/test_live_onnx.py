"""Nodes that the installed ONNX Runtime computes, both ways: values and final states."""

import chex
import jax
import numpy as np
import onnx  # pyright: ignore[reportMissingImports]
import pytest
from make_interop_numbers_onnx import FORMS, LENGTHS, draw, model_of
from make_interop_numbers_onnx import run as run_theirs
from test_interop_onnx import LAYERS, random_params
from test_interop_onnx import run as run_ours

from rnnjax.interop import from_onnx, to_onnx


def assert_equal(ours, theirs):
    for actual, (name, expected) in zip(ours, theirs.items(), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("form", FORMS)
def test_from_onnx(form):
    node, inputs = draw(form, seed=10)
    model = model_of(node)
    onnx.checker.check_model(model)
    layer, params = from_onnx(model)
    assert layer == LAYERS[form]
    assert_equal(run_ours(layer, params, LENGTHS, *inputs.values()), run_theirs(model, inputs))
    for name in (None, "the node", "Y", "Y_h"):
        chex.assert_trees_all_equal(from_onnx(model.graph, name), (layer, params))


@pytest.mark.parametrize("form", FORMS)
def test_to_onnx(form):
    _, inputs = draw(form, seed=20)
    layer = LAYERS[form]
    params = jax.tree.map(lambda a: a / 2, random_params(layer))
    model = model_of(to_onnx(layer, params))
    onnx.checker.check_model(model)
    assert_equal(run_ours(layer, params, LENGTHS, *inputs.values()), run_theirs(model, inputs))


def test_the_node_must_be_told_and_have_weights():
    model = model_of(draw("LSTM", seed=0)[0])
    with pytest.raises(ValueError, match=r"of name 'Z', got 0; .* outputs .'Y'"):
        from_onnx(model, "Z")
    model.graph.node.append(model.graph.node[0])
    with pytest.raises(ValueError, match=r"of name None, got 2; .* outputs .'Y', 'Y'"):
        from_onnx(model)
    del model.graph.node[0], model.graph.initializer[1]
    with pytest.raises(ValueError, match="expected R of the node to be an initializer, got 'R'"):
        from_onnx(model)
