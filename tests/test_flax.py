"""Modules of both kinds, NNX and Linen, equal the functional call to the last bit."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import each_case, random_carry, random_inputs, random_like, random_params
from draws import T, draw_signals
from flax import nnx

from rnnjax import GRU, LSTM, Elman
from rnnjax.flax import linen as rln
from rnnjax.flax import nnx as rnx
from rnnjax.layers import (
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    Pool,
    Recurrent,
    Sequential,
)

B, F, H = 3, 3, 4
SIGNALS = {
    name: np.moveaxis(signal, 0, -1) if name != "lengths" else signal  # layers are batch-major
    for name, signal in draw_signals(B).items()
}
CALL = {name.replace("lengths", "seq_lengths"): signal for name, signal in SIGNALS.items()}
BOTH = Bidirectional(GRU(H), "mean", Elman(H))
MODEL = Sequential((Dropout(None), LayerNorm(), Recurrent(GRU(H)), Dropout(0.5), Dense(2)))


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def of_nnx(kind, *args, **options):
    """An NNX module as a function of parameters, inputs and carry."""
    abstract = nnx.eval_shape(lambda: kind(*args, return_carry=True, rngs=nnx.Rngs(0), **options))
    graph, _ = nnx.split(abstract)

    def function(params, xs, carry, noise=None):
        module = nnx.merge(graph, nnx.state({"params": params}))
        noisy = (
            {"deterministic": False, "rngs": nnx.Rngs(dropout=noise)} if noise is not None else {}
        )
        return module(xs, initial_carry=carry, **CALL, **noisy)

    return function


def of_linen(kind, *args, **options):
    """A Linen module as a function of parameters, inputs and carry."""
    module = kind(*args, return_carry=True, **options)

    def function(params, xs, carry, rngs=None):
        variables = {"params": rln.named(params)}
        return module.apply(variables, xs, initial_carry=carry, rngs=rngs, **CALL)

    return function


def pull(function, *args):
    """What it returns, and the gradients of a random weighting of all of it.

    Nothing is compiled but the engine's loop, which is the same for every `function` here.
    """
    out, vjp = jax.vjp(function, *args)
    return out, vjp(random_like(4, out))


def random_params_of(layer):
    shapes = jax.eval_shape(lambda: layer.init(jax.random.key(0), F, dtype=jnp.float64))
    return random_like(1, shapes)


@each_case
def test_a_cell_over_time(case):
    params, xs = random_params(case), random_inputs(case, B, T)
    carry = random_carry(case, params, B)
    layer = Recurrent(case.cell, reverse=True)
    expected = pull(lambda *args: layer.apply(*args, **SIGNALS), params, xs, carry)
    options = {"reverse": True, "keep_order": True}
    for function in (
        of_nnx(rnx.RNN, case.cell, case.input_size, **options),
        of_linen(rln.RNN, case.cell, **options),
    ):
        chex.assert_trees_all_equal(pull(function, params, xs, carry), expected)


@each_case
def test_a_step_of_a_cell(case):
    params, xs = random_params(case), random_inputs(case, B)
    carry = random_carry(case, params, B)
    expected = case.cell.init_carry(params, (B,)), case.cell.step(params, carry, xs)

    abstract = nnx.eval_shape(lambda: rnx.Cell(case.cell, case.input_size, rngs=nnx.Rngs(0)))
    cell = nnx.merge(nnx.split(abstract)[0], nnx.state({"params": params}))
    shape = (B, case.input_size)
    chex.assert_trees_all_equal((cell.initialize_carry(shape), cell(carry, xs)), expected)

    linen, variables = rln.Cell(case.cell), {"params": rln.named(params)}
    initial = linen.apply(variables, None, shape, method="initialize_carry")
    chex.assert_trees_all_equal((initial, linen.apply(variables, carry, xs)), expected)


@pytest.mark.parametrize(
    "layer",
    [
        Recurrent(LSTM(H), reverse=True),
        BOTH,
        Embedding(6, H),
        Dense(2),
        LayerNorm(1e-3),
        Dropout(0.3, per_sequence=True),
        Pool("max"),
        MODEL,
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer(layer):
    params = random_params_of(layer)
    params = (params[0]._replace(rate=jnp.array(0.4)), *params[1:]) if layer == MODEL else params
    carry = random_like(3, layer.init_carry(params, (B,)))
    tokens = isinstance(layer, Embedding)
    xs = np.arange(B * T).reshape(B, T) % 6 if tokens else random_like(2, np.empty((B, T, F)))

    def compare(functions, key=None, **call):
        def of(function, **call):
            return pull(lambda *args: function(*args, **call), params, xs, carry)

        expected = of(layer.apply, key=key, **SIGNALS)
        for function in functions:
            chex.assert_trees_all_equal(of(function, **call), expected)

    ours, linen = of_nnx(rnx.Layer, layer, F, deterministic=True), of_linen(rln.Layer, layer)
    quiet = [ours, linen]
    if layer == BOTH:
        options: dict = {"merge": "mean", "backward": Elman(H)}
        quiet.append(of_nnx(rnx.Bidirectional, GRU(H), F, **options))
        quiet.append(of_linen(rln.Bidirectional, GRU(H), **options))
    compare(quiet)
    if layer == MODEL or isinstance(layer, Dropout):
        key = jax.random.key(5)
        compare([ours], nnx.Rngs(dropout=key).dropout(), noise=key)
        compare([linen], FirstKey().apply({}, rngs={"dropout": key}), rngs={"dropout": key})


class FirstKey(nn.Module):
    """The key that Linen makes for the first who asks for one."""

    def __call__(self):
        return self.make_rng("dropout")


def test_time_may_come_first():
    layer, xs = Bidirectional(Elman(H)), random_like(2, np.empty((T, 2, B, F)))
    signals = draw_signals(2, B)

    def moved(a):
        return np.moveaxis(a, 0, 2)

    later = {n: a if n == "lengths" else moved(a) for n, a in signals.items()}
    params = random_params_of(layer)
    carry, ys = layer.apply(params, moved(xs), **later)
    ours = rnx.Bidirectional(Elman(H), F, time_major=True, rngs=nnx.Rngs(0))
    nnx.update(ours.params, nnx.state(params))
    linen = rln.Bidirectional(Elman(H), time_major=True)
    call = {n.replace("lengths", "seq_lengths"): a for n, a in signals.items()}
    call["return_carry"] = True
    for found in (ours(xs, **call), linen.apply({"params": rln.named(params)}, xs, **call)):
        chex.assert_trees_all_equal(found, (carry, np.moveaxis(ys, 2, 0)))
