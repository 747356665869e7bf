"""Modules of the installed PyTorch, both ways: values, final states and gradients."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.torch
import torch  # pyright: ignore[reportMissingImports]
from cases import random_like
from make_interop_numbers_torch import FORMS, draw
from make_interop_numbers_torch import run as run_theirs
from test_interop_torch import FORMS as OURS
from test_interop_torch import run as run_ours

from rnnjax.interop import from_torch, to_torch
from rnnjax.layers import RNN, Dropout, Sequential

WITH_BIAS = [form for form in FORMS if "no-bias" not in form]


def random_weights_like(seed, arrays):
    torch.manual_seed(seed)
    return {name: torch.randn_like(array) for name, array in arrays.items()}


@pytest.mark.parametrize("form", FORMS)
def test_from_torch(form):
    module, arguments = draw(form, seed=10)
    tensors = [tensor.requires_grad_() for tensor in arguments.values()]
    theirs = run_theirs(module, arguments)
    weights = random_weights_like(11, theirs)
    loss = sum((theirs[name] * weights[name]).sum() for name in theirs)
    parameters = dict(module.named_parameters())
    gradients = torch.autograd.grad(loss, [*tensors, *parameters.values()])

    with jax.enable_x64(True):
        model, params = from_torch(module)

        def our_loss(params, arguments):
            ours = run_ours(model, params, *arguments)
            ours = {name: ours[name].reshape(theirs[name].shape) for name in theirs}
            return sum((ours[k] * weights[k].numpy()).sum() for k in ours), ours

        inputs = [jnp.asarray(tensor.detach().numpy()) for tensor in tensors]
        step = jax.value_and_grad(our_loss, (0, 1), has_aux=True)
        (_, ours), (of_params, of_inputs) = step(params, inputs)
        named = to_torch(model, of_params)  # a gradient is laid out as what it belongs to

    assert model == OURS[form]
    for name in theirs:
        assert_close(ours[name], theirs[name])
    for ours, gradient in zip(of_inputs, gradients, strict=False):
        assert_close(ours, gradient)
    for name, gradient in zip(parameters, gradients[len(tensors) :], strict=True):
        rows = slice(10, None) if "GRU" in form else slice(0)
        rows = rows if name.startswith("bias_hh") else slice(None)
        assert_close(named[name][rows], gradient[rows])


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected.detach().numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("form", WITH_BIAS)
def test_to_torch(form):
    module, arguments = draw(form, seed=20)
    with jax.enable_x64(True):
        model = OURS[form]
        shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), 3))
        params = random_like(0, shapes, jnp.float64)
        inputs = [jnp.asarray(tensor.numpy()) for tensor in arguments.values()]
        ours = run_ours(model, params, *inputs)
        arrays = to_torch(model, params)
    module.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    for name, expected in run_theirs(module, arguments).items():
        assert_close(ours[name].reshape(expected.shape), expected)


def test_a_module_within_a_model_tells_activation_and_dropout():
    inner = torch.nn.RNN(3, 5, 2, nonlinearity="relu", dropout=0.25)
    outer = torch.nn.ModuleDict({"encoder": torch.nn.ModuleDict({"rnn": inner})})
    model, params = from_torch(outer, prefix="encoder.rnn.")
    layer = RNN(OURS["RNNCell-relu"])
    assert model == Sequential((layer, Dropout(0.25), layer))
    chex.assert_trees_all_equal((model, params), from_torch(inner))
    by_name = from_torch(outer.state_dict(), prefix="encoder.rnn.", activation="relu", dropout=0.25)
    chex.assert_trees_all_equal((model, params), by_name)
    with pytest.raises(ValueError, match=r"'encoder.rnn.bias_hh_l0'.* a prefix"):
        from_torch(outer)


def test_a_model_does_not_follow_the_module():
    module = torch.nn.LSTM(3, 2, proj_size=1)
    _, params = from_torch(module)
    before = jax.tree.map(np.array, params)
    for parameter in module.parameters():
        parameter.data.add_(1)
    chex.assert_trees_all_equal(params, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_dtypes_and_files(tmp_path, dtype):
    module = torch.nn.LSTM(3, 5, proj_size=2).to(dtype)
    layer, params = from_torch(module)
    name = str(dtype).removeprefix("torch.")
    assert {leaf.dtype.name for leaf in jax.tree.leaves(params)} == {name}
    weight = module.weight_ih_l0.detach().float().numpy()
    np.testing.assert_array_equal(params.w_x.astype(jnp.float32), weight.T)

    safetensors.torch.save_file(module.state_dict(), tmp_path / "model")
    chex.assert_trees_all_equal(from_torch(tmp_path / "model"), (layer, params))

    arrays = {k: a.astype(np.float32) for k, a in to_torch(layer, params).items()}
    module.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    chex.assert_trees_all_equal(from_torch(module), (layer, params))


def test_a_module_that_is_not_recurrent_is_refused():
    with pytest.raises(ValueError, match="expected a matrix 'weight_ih', got entries .'bias'"):
        from_torch(torch.nn.Linear(3, 4))
