"""Conversion from and to PyTorch: exactly the same function, and a refusal of anything else."""

from pathlib import Path
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import random_like
from safetensors.numpy import save_file

from rnnjax import GRU, LSTM, Elman, Layer, ProjectedLSTM, ResetBeforeGRU, Stack
from rnnjax.interop import from_torch, to_torch
from rnnjax.layers import RNN, Bidirectional, Dense, Dropout, Sequential

FILE = dict(np.load(Path(__file__).with_name("interop_numbers_torch.npz")))

# What each of PyTorch's modules is here.
FORMS = {
    "RNN": RNN(Elman(5)),
    "RNN-relu-2": Sequential((RNN(Elman(5, activation="relu")),) * 2),
    "LSTM": RNN(LSTM(5)),
    "LSTM-2-both": Sequential((Bidirectional(LSTM(5)),) * 2),
    "LSTM-no-bias": RNN(LSTM(5, use_bias=False)),
    "LSTM-projected-3-both": Sequential((Bidirectional(ProjectedLSTM(5, 2)),) * 3),
    "GRU-both": Bidirectional(GRU(5)),
    "GRU-2": Sequential((RNN(GRU(5)),) * 2),
    "GRU-no-bias": RNN(GRU(5, use_bias=False)),
    "RNNCell-relu": Elman(5, activation="relu"),
    "LSTMCell": LSTM(5),
    "GRUCell": GRU(5),
}


def keywords(form) -> dict[str, Any]:
    """What PyTorch's arrays do not tell."""
    return {"activation": "relu"} if "relu" in form else {}


def weights_of(form):
    prefix = f"{form}/"
    return {name.removeprefix(prefix): FILE[name] for name in FILE if name.startswith(prefix)}


def run(model, params, x, *states):
    """Outputs, and final states with layers and directions on one axis as PyTorch has them.

    A cell makes one step.
    """
    layer = model if isinstance(model, Layer) else RNN(model)
    x = x.reshape(len(x), -1, x.shape[-1])
    states = [state.reshape(-1, *state.shape[-2:]) for state in states]
    start = jax.tree.structure(layer.init_carry(params, (len(x),)))
    carry = jax.tree.unflatten(start, [s for pair in zip(*states, strict=True) for s in pair])
    carry, y = layer.apply(params, x, carry)
    final = jax.tree.leaves(carry)
    parts = {name: final[k :: len(states)] for k, name in enumerate(("h_n", "c_n")[: len(states)])}
    return {"y": y} | {name: jnp.stack(part) for name, part in parts.items()}


@pytest.mark.parametrize("form", FORMS)
def test_the_function_is_that_of_pytorch(form):
    ending = f" of {form}"
    numbers = {k.removesuffix(ending): FILE[k] for k in FILE if k.endswith(ending)}
    with jax.enable_x64(True):
        model, params = from_torch(FILE, prefix=f"{form}/", **keywords(form))
        arguments = [jnp.asarray(numbers.pop(k)) for k in ("x", "h_0", "c_0") if k in numbers]
        results = run(model, params, *arguments)
    assert model == FORMS[form]
    assert len(numbers) == len(arguments) - form.endswith(("Cell", "Cell-relu"))
    for name, expected in numbers.items():
        actual = results[name].reshape(expected.shape)
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12, err_msg=name)


def with_merged_biases(weights):
    """The same module with its biases in the first of two, but for those of a GRU's candidate."""
    merged = dict(weights)
    for ending in [name.removeprefix("weight_ih") for name in weights if "weight_ih" in name]:
        rows = np.arange(len(weights[f"weight_ih{ending}"]))
        if f"bias_ih{ending}" not in weights:
            continue
        b_x, b_h = (weights[f"bias_{kind}{ending}"] for kind in ("ih", "hh"))
        apart = (len(rows) == 15) & (rows >= 10)
        merged[f"bias_ih{ending}"] = np.where(apart, b_x, b_x + b_h)
        merged[f"bias_hh{ending}"] = np.where(apart, b_h, 0)
    return merged


@pytest.mark.parametrize("form", FORMS)
def test_there_and_back_only_merges_biases(form):
    weights = weights_of(form)
    with jax.enable_x64(True):
        back = to_torch(*from_torch(weights, **keywords(form)))
    chex.assert_trees_all_equal(back, with_merged_biases(weights))


def random_params(model):
    return random_like(0, jax.eval_shape(lambda: model.init(jax.random.key(0), 3)))


@pytest.mark.parametrize("form", FORMS)
def test_back_and_there_is_the_identity(form):
    params = random_params(FORMS[form])
    model, same = from_torch(to_torch(FORMS[form], params), **keywords(form))
    assert model == FORMS[form]
    chex.assert_trees_all_equal(same, params)


def test_dropout_stands_between_layers():
    layer = Bidirectional(GRU(4))
    model = Sequential((layer, Dropout(0.5), layer, Dropout(0.5), layer))
    params = random_params(model)
    arrays = to_torch(model, params)
    again, same = from_torch(arrays, dropout=0.5)
    assert again == model
    chex.assert_trees_all_equal(same, params)
    assert from_torch(arrays)[0] == Sequential((layer,) * 3)


def test_layers_with_names():
    model = Sequential((RNN(LSTM(4)), RNN(LSTM(4))))
    named = Sequential(first=RNN(LSTM(4)), second=RNN(LSTM(4)))
    params = random_params(model)
    expected = to_torch(model, params)
    by_name = dict(zip(("first", "second"), params, strict=True))
    chex.assert_trees_all_equal(to_torch(named, by_name), expected)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_file_of_safetensors(tmp_path, dtype):
    weights = {
        k: a.astype(jnp.dtype(dtype)) for k, a in weights_of("LSTM-projected-3-both").items()
    }
    others = {"decoder.weight_ih_l0": np.ones(2, np.float32), "encoder.norm": np.ones(2)}
    save_file({f"encoder.rnn.{k}": a for k, a in weights.items()} | others, tmp_path / "model")
    model, params = from_torch(tmp_path / "model", prefix="encoder.rnn.")
    assert model == FORMS["LSTM-projected-3-both"]
    assert {a.dtype for a in jax.tree.leaves(params)} == {jnp.dtype(dtype)}
    chex.assert_trees_all_equal(params, from_torch(weights)[1])

    save_file(to_torch(model, params), tmp_path / "back")
    chex.assert_trees_all_equal(from_torch(str(tmp_path / "back"))[1], params)


def without(form, *names, **others):
    return {k: a for k, a in weights_of(form).items() if k not in names} | others


@pytest.mark.parametrize(
    "source, message",
    [
        (42, "expected a module of torch.nn, a mapping .* got <class 'int'>"),
        ({}, "expected a matrix 'weight_ih', got entries .* a prefix"),
        ({"rnn.weight_ih_l0": np.ones((4, 3))}, "got entries .'rnn.weight_ih_l0'.* a prefix"),
        (without("LSTM", "weight_hh_l0"), "got no weight_hh_l0$"),
        (without("LSTM", weight_hh_l0=np.ones(20)), "weight_hh_l0 of shape .20. instead of .20, "),
        (without("GRU-2", "weight_hh_l1"), "got no weight_hh_l1$"),
        (without("GRU-2", "bias_hh_l0"), "got no bias_hh_l0$"),
        (without("GRU-2", "weight_ih_l0"), "expected a matrix 'weight_ih_l0'"),
        (without("GRU-both", "bias_ih_l0_reverse"), "got no bias_ih_l0_reverse$"),
        (
            without("GRU-2", "bias_ih_l1", "bias_hh_l1"),
            r"GRU\(5\) of 5 inputs in 1 directions as layer 1, got GRU\(5, use_bias=False\) of 5",
        ),
        (without("GRU-2", scale=np.ones(3)), "one recurrent module, got others: .'scale'"),
        (
            without("GRUCell", weight_hr=np.ones((5, 5))),
            r"LSTM\), got weight_ih of shape .15, 3. instead of .20, 3.",
        ),
        (
            without("LSTM", weight_hh_l0=np.ones((10, 5))),
            "got weight_hh_l0 of shape .10, 5. instead of .20, 5.",
        ),
        (
            without("LSTM", weight_ih_l0=np.ones((10, 3))),
            "got weight_ih_l0 of shape .10, 3. instead of .20",
        ),
        (
            without("GRU-2", weight_ih_l1=np.ones((15, 3))),
            r"GRU\(5\) of 5 inputs .* layer 1, got GRU\(5\) of 3",
        ),
        (without("GRU-2", bias_ih_l1=np.ones(5)), "got bias_ih_l1 of shape .5. instead of .15."),
    ],
)
def test_arrays_that_are_no_module_are_refused(source, message):
    with pytest.raises(ValueError, match=message):
        from_torch(source)


LAYER = RNN(LSTM(4))


@pytest.mark.parametrize(
    "model, message",
    [
        (RNN(ResetBeforeGRU(4)), "as PyTorch has, got Reset.*its GRU resets after the"),
        (Elman(4, activation="sigmoid"), "the activation 'tanh' or 'relu' .*, got Elman"),
        (LSTM(4, activation="relu"), "the activation 'tanh' and gates with 'sigmoid', as PyTorch"),
        (ProjectedLSTM(4, 2), "PyTorch projects only in LSTM"),
        (Stack((LSTM(4),)), "expected one of Elman, GRU, LSTM, Pro.*, got Stack.*4.,..$"),
        (RNN(LSTM(4), reverse=True), "layers that run forward.*reverse=True"),
        (Bidirectional(LSTM(4), merge="sum"), "merge='concat'.* got .*merge='sum'"),
        (Bidirectional(LSTM(4), backward=LSTM(3)), "as layer 0_reverse, got LSTM.3. of 3"),
        (Sequential((LAYER, RNN(LSTM(3)))), "of 4 inputs .* as layer 1, got LSTM.3. of 4"),
        (Sequential((LAYER, RNN(GRU(4)))), "of 4 inputs .* as layer 1, got GRU.4. of 4"),
        (Sequential((LAYER, Bidirectional(LSTM(4)))), "1 direct.* as layer 1, got .* in 2 direct"),
        (Sequential((LAYER, RNN(ProjectedLSTM(4, 4)))), "as layer 1, got ProjectedLSTM"),
        (Sequential((RNN(Elman(4)), RNN(Elman(4, activation="relu")))), "as layer 1, got .*relu"),
        (Sequential((LAYER, Dense(2))), "expected an RNN or Bidirectional layer, got Dense"),
        (Sequential((LAYER, Dropout(0.1))), "Bidirectional layer, got Dropout"),
        (Sequential((Dropout(0.1), LAYER, Dropout(0.1))), "Bidirectional layer, got Dropout"),
        (Sequential((LAYER, Dropout(0.1, per_sequence=True), LAYER)), "layer, got Dropout"),
        (Sequential((LAYER, Dropout(0.1), LAYER, Dropout(0.2), LAYER)), "layer, got Dropout"),
    ],
    ids=repr,
)
def test_models_that_pytorch_has_not_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        to_torch(model, random_params(model))
