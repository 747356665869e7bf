"""Conversions: every converter checks its arrays, and the tables give back the blocks."""

import pickle

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import random_like

from rnnjax import GRU, LSTM, Elman, interop
from rnnjax.interop._layout import pack, unpack
from rnnjax.layers import RNN, Bidirectional, Sequential

TO = {name: getattr(interop, f"to_{name}") for name in ("torch", "linen", "nnx")} | {
    "optimized": lambda *pair: interop.to_nnx(*pair, optimized=True),
    "torch layer": lambda cell, params: interop.to_torch(RNN(cell), params),
    "keras": lambda cell, params: interop.to_keras(RNN(cell), params),
    "onnx": lambda cell, params: interop.to_onnx(RNN(cell), params),
    "haiku": interop.to_haiku,
    "equinox": interop.to_equinox,
}
FROM = {
    name: getattr(interop, f"from_{name.split()[0]}")
    for name in ("torch", "torch layer", "linen", "nnx", "keras", "onnx", "haiku", "equinox")
} | {"optimized": interop.from_nnx}
each_peer = pytest.mark.parametrize("peer", TO)


def random_params(model):
    return random_like(0, jax.eval_shape(lambda: model.init(jax.random.key(0), 3)))


@each_peer
@pytest.mark.parametrize(
    "params",
    [
        random_params(GRU(4)),
        random_params(LSTM(5)),
        random_params(LSTM(4))._replace(b=np.ones(15)),
        random_params(LSTM(4))._replace(w_h=None),
        jax.tree.map(lambda a: jnp.stack([a, a]), random_params(LSTM(4))),
        tuple(random_params(LSTM(4))),
        {},
        None,
    ],
    ids=["other", "size", "shape", "none", "ensemble", "tuple", "dict", "nothing"],
)
def test_parameters_of_another_cell_are_refused(peer, params):
    with pytest.raises(
        ValueError, match=r"expected parameters of LSTM\(4\): LSTMParams\(w_x=.*got"
    ):
        TO[peer](LSTM(4), params)


@each_peer
@pytest.mark.parametrize("dtype", ["int32", "bool", "complex64"])
def test_arrays_that_are_not_real_are_refused(peer, dtype):
    params = random_params(LSTM(4))
    with pytest.raises(ValueError, match="were weights rounded to integers"):
        TO[peer](LSTM(4), params._replace(b=params.b.astype(dtype)))
    arrays = jax.tree.map(
        lambda a: a.astype(dtype) if isinstance(a, np.ndarray) else a, TO[peer](LSTM(4), params)
    )
    with pytest.raises(ValueError, match=f" of {dtype} instead of real numbers"):
        FROM[peer](arrays)


@pytest.mark.parametrize(
    "to", [interop.to_torch, interop.to_linen, interop.to_nnx, interop.to_keras, interop.to_onnx]
)
def test_parameters_of_another_layer_are_refused(to):
    one, both = random_params(RNN(LSTM(4))), random_params(Bidirectional(LSTM(4)))
    with pytest.raises(ValueError, match="expected parameters of LSTM.* got Directions"):
        to(RNN(LSTM(4)), both)
    with pytest.raises(ValueError, match="expected parameters of two directions.* got LSTMParams"):
        to(Bidirectional(LSTM(4)), one)


@pytest.mark.parametrize("count", [1, 3])
def test_parameters_of_another_number_of_layers_are_refused(count):
    params = (random_params(RNN(LSTM(4))),) * count
    with pytest.raises(ValueError, match="expected parameters with an entry for each layer"):
        interop.to_torch(Sequential((RNN(LSTM(4)),) * 2), params)


@pytest.mark.parametrize(
    "kind, activation", [(LSTM, "relu"), (GRU, "relu"), (Elman, "sigmoid")], ids=repr
)
def test_activations_that_pytorch_has_not_are_refused(kind, activation):
    arrays = interop.to_torch(kind(4), random_params(kind(4)))
    with pytest.raises(ValueError, match=f"as PyTorch has them, got {kind.__name__}.*{activation}"):
        interop.from_torch(arrays, activation=activation)


def test_a_file_that_pytorch_pickled_says_how_to_read_it(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({"weight_ih_l0": np.ones((16, 3))}))
    with pytest.raises(ValueError, match=r"a file of safetensors, got .*model.pt: .*torch.load"):
        interop.from_torch(path)
    with pytest.raises(ValueError, match="expected a file of safetensors, got a folder: "):
        interop.from_torch(str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match="expected a file of safetensors, got no file: .*x$"
    ):
        interop.from_torch(tmp_path / "x")


def test_a_table_is_read_and_written():
    """Two gates of one weight, one of the other sign; two biases, and their sum."""
    w, b, c = np.arange(6.0).reshape(1, 6), np.array([1.0, 2.0, 3.0]), np.array([5.0, 7.0, 11.0])
    apart = {"w": "w_h zR", "b": "b_x z", "c": "b_h z"}
    blocks = unpack({"w": w, "b": b, "c": c}, apart)
    np.testing.assert_array_equal(blocks["w_h", "z"], [[0, 1, 2]])
    np.testing.assert_array_equal(blocks["w_h", "r"], [[-3, -4, -5]])
    chex.assert_trees_all_equal(pack(blocks, apart), {"w": w, "b": b, "c": c})
    summed = pack(blocks, {"w": "w_h rz", "b": "b Zr"})
    np.testing.assert_array_equal(summed["w"], [[-3, -4, -5, 0, 1, 2]])
    np.testing.assert_array_equal(summed["b"], [-6, -9, -14, 0, 0, 0])
    assert pack({("w_h", "z"): w}, {"w": "w_h z", "b": "b z"}).keys() == {"w"}
