"""Modules of both kinds, NNX and Linen, equal the functional call to the last bit."""

from functools import partial
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import each_of, random_inputs, random_like, random_params
from draws import T, draw_signals
from flax import nnx

from rnnjax import GRU, LSTM, Elman, scan
from rnnjax.attention import Additive, Source
from rnnjax.cells import AttentionDecoder, ConvLSTM, VariationalDropout
from rnnjax.engine import initial_carry
from rnnjax.flax import linen as rln
from rnnjax.flax import nnx as rnx
from rnnjax.layers import (
    RNN,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    Pool,
    Sequential,
)

B, F, H = 3, 3, 4
SIGNALS = {
    name: np.moveaxis(signal, 0, -1) if name != "lengths" else signal  # layers are batch-major
    for name, signal in draw_signals(B).items()
}
CALL = {name.replace("lengths", "seq_lengths"): signal for name, signal in SIGNALS.items()}
BOTH = Bidirectional(GRU(H), merge="mean", backward=Elman(H))
MODEL = Sequential((Dropout("param"), LayerNorm(), RNN(GRU(H)), Dropout(0.5), Dense(2)))


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def of_nnx(kind, *args, call=CALL, **options):
    """An NNX module as a function of parameters, inputs and carry."""
    abstract = nnx.eval_shape(lambda: kind(*args, return_carry=True, rngs=nnx.Rngs(0), **options))
    graph, _ = nnx.split(abstract)

    def function(params, xs, carry, noise=None):
        module = nnx.merge(graph, nnx.state({"params": params}))
        noisy = (
            {"deterministic": False, "rngs": nnx.Rngs(dropout=noise)} if noise is not None else {}
        )
        return module(xs, initial_carry=carry, **call, **noisy)

    return function


def of_linen(kind, *args, call=CALL, **options):
    """A Linen module as a function of parameters, inputs and carry."""
    module = kind(*args, return_carry=True, **options)

    def function(params, xs, carry, rngs=None):
        variables = {"params": rln.named(params)}
        return module.apply(variables, xs, initial_carry=carry, rngs=rngs, **call)

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


FEW = "Clocks AttentionDecoder LearnedCarry"
MORE = "Elman LRU EchoState Stack Record Zoneout WeightDrop Gated"


@each_of(FEW, slow=MORE)
def test_a_cell_over_time(case):
    params, xs = random_params(case), random_inputs(case, T, B)
    weights = case.cell.prepare(params, context=case.context, batch_shape=(B,))
    carry = random_like(2, initial_carry(case.cell, weights, (B,)))
    signals = draw_signals(B) | {"context": case.context}

    def by_scan(params, xs, carry):
        return scan(case.cell, params, xs, carry, reverse=True, **signals)

    expected = pull(by_scan, params, xs, carry)
    options = {"reverse": True, "keep_order": True, "time_major": True}
    call = {n.replace("lengths", "seq_lengths"): signal for n, signal in signals.items()}
    for function in (
        of_nnx(rnx.RNN, case.cell, case.input_size, call=call, **options),
        of_linen(rln.RNN, case.cell, call=call, **options),
    ):
        chex.assert_trees_all_equal(pull(function, params, xs, carry), expected)


@each_of("Clocks LSTM LearnedCarry", slow="EchoState Stack WeightDrop Gated")
def test_a_step_of_a_cell(case):
    params, xs = random_params(case), random_inputs(case, B)
    weights = case.cell.prepare(params, batch_shape=(B,))
    carry = random_like(2, initial_carry(case.cell, weights, (B,)))
    expected = initial_carry(case.cell, weights, (B,)), case.cell.step(weights, carry, xs)

    abstract = nnx.eval_shape(lambda: rnx.Cell(case.cell, case.input_size, rngs=nnx.Rngs(0)))
    cell = nnx.merge(nnx.split(abstract)[0], nnx.state({"params": params}))
    linen, variables = rln.Cell(case.cell), {"params": rln.named(params)}
    chex.assert_trees_all_equal(cell(carry, xs), expected[1])
    chex.assert_trees_all_equal(linen.apply(variables, carry, xs), expected[1])
    if isinstance(case.input_size, int):  # Flax asks with one shape
        shape = (B, case.input_size)
        chex.assert_trees_all_equal(cell.initialize_carry(shape), expected[0])
        initial = linen.apply(variables, None, shape, method="initialize_carry")
        chex.assert_trees_all_equal(initial, expected[0])


@pytest.mark.parametrize(
    "layer",
    [
        RNN(LSTM(H), reverse=True),
        BOTH,
        Embedding(6, H),
        Dense(2),
        LayerNorm(epsilon=1e-3),
        Dropout(0.3, per_sequence=True),
        Pool("max"),
        MODEL,
        Sequential(rnn=RNN(LSTM(H)), head=Dense(2)),
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
    compare([ours, linen])
    if layer == MODEL or isinstance(layer, Dropout):
        key = jax.random.key(5)
        compare([ours], nnx.Rngs(dropout=key).dropout(), noise=key)
        compare([linen], FirstKey().apply({}, rngs={"dropout": key}), rngs={"dropout": key})


class FirstKey(nn.Module):
    """The key that Linen makes for the first who asks for one."""

    def __call__(self):
        return self.make_rng("dropout")


def test_time_may_come_first_and_batches_have_any_axes():
    cell, xs = Elman(H), random_like(2, np.empty((T, 2, B, F)))
    signals = draw_signals(2, B)
    params = random_params_of(RNN(cell))
    carry, ys = scan(cell, params, xs, **signals)

    def modules(**options):
        ours = rnx.RNN(cell, F, return_carry=True, rngs=nnx.Rngs(0), **options)
        nnx.update(ours.params, nnx.state(params))
        linen = rln.RNN(cell, return_carry=True, **options)
        return ours, partial(linen.apply, {"params": rln.named(params)})

    def call(move):
        given = {n: a if n == "lengths" else move(a) for n, a in signals.items()}
        return {n.replace("lengths", "seq_lengths"): a for n, a in given.items()}

    for module in modules(time_major=True):
        chex.assert_trees_all_equal(module(xs, **call(lambda a: a)), (carry, ys))

    def moved(a):
        return np.moveaxis(a, 0, 2)

    for module in modules():
        chex.assert_trees_all_equal(module(moved(xs), **call(moved)), (carry, moved(ys)))


@pytest.mark.parametrize("case", ["lengths", "mask", "gaps"])
def test_a_reverse_run_turns_the_valid_steps_round(case):
    """Whoever tells the padding, it stays where it is."""
    rng, lengths = np.random.default_rng(0), np.array([T, 0, 2])
    mask = rng.random((B, T)) < 0.6 if case == "gaps" else np.arange(T) < lengths[:, None]
    call: dict[str, Any] = {"seq_lengths": lengths} if case == "lengths" else {"mask": mask}
    params, xs = random_params_of(RNN(LSTM(H))), random_like(2, np.empty((B, T, F)))
    _, in_order = RNN(LSTM(H), reverse=True).apply(params, xs, mask=mask)
    expected = np.zeros(in_order.shape)
    for row in range(B):
        steps = np.flatnonzero(mask[row])
        expected[row, steps] = in_order[row, steps[::-1]]
    ours = rnx.RNN(LSTM(H), F, reverse=True, rngs=nnx.Rngs(0))
    nnx.update(ours.params, nnx.state(params))
    linen = rln.RNN(LSTM(H), reverse=True)
    variables = {"params": rln.named(params)}
    np.testing.assert_array_equal(ours(xs, **call), expected)
    np.testing.assert_array_equal(linen.apply(variables, xs, **call), expected)


def test_images_tokens_and_contexts():
    """What is no vector a step: the cell says how many axes its features have."""
    conv, frames = ConvLSTM((4, 3), 2), jnp.ones((B, T, 4, 3, 1))
    ours = rnx.RNN(conv, (4, 3, 1), rngs=nnx.Rngs(0))
    linen = rln.RNN(conv)
    tree = {"params": rln.named(nnx.as_pure(ours.params))}
    chex.assert_trees_all_equal(ours(frames), linen.apply(tree, frames))
    assert ours(frames).shape == (B, T, 4, 3, 2)
    steps = rln.Cell(conv), rnx.Cell(conv, (4, 3, 1), rngs=nnx.Rngs(0))
    assert [step.num_feature_axes for step in steps] == [3, 3]
    assert steps[0].initialize_carry(None, (B, 4, 3, 1)).h.shape == (B, 4, 3, 2)

    decoder = AttentionDecoder(GRU(H), Additive(3), memory_size=2)
    memory = Source(jnp.ones((B, 6, 2)), jnp.array([6, 2, 0]))
    layer, xs = RNN(decoder), random_like(2, np.empty((B, T, F)))
    params = random_params_of(layer)
    _, expected = layer.apply(params, xs, context=memory)
    for module in (rln.RNN(decoder), rln.Layer(layer)):
        found = module.apply({"params": rln.named(params)}, xs, context=memory)
        chex.assert_trees_all_equal(found, expected)
    options: dict[str, Any] = {"deterministic": True, "rngs": nnx.Rngs(0)}
    for module in (rnx.RNN(decoder, F, **options), rnx.Layer(layer, F, **options)):
        nnx.update(module.params, nnx.state(params))
        chex.assert_trees_all_equal(module(xs, context=memory), expected)


def test_noise_reaches_the_cell():
    cell = VariationalDropout(GRU(H), rate=0.5)
    params, xs = random_params_of(RNN(cell)), random_like(2, np.empty((B, T, F)))
    _, quiet = RNN(cell).apply(params, xs)
    linen, tree = rln.RNN(cell), {"params": rln.named(params)}
    chex.assert_trees_all_equal(linen.apply(tree, xs), quiet)
    first, second = (
        np.asarray(linen.apply(tree, xs, rngs={"dropout": jax.random.key(k)})) for k in (0, 1)
    )
    assert abs(first - second).max() > 1e-3 and abs(first - quiet).max() > 1e-3

    kept = rnx.RNN(cell, F, keep_rngs=True, rngs=nnx.Rngs(0))
    bare = rnx.RNN(cell, F, rngs=nnx.Rngs(0))
    for module in (kept, bare):
        nnx.update(module.params, nnx.state(params))
    assert abs(kept(xs) - kept(xs)).max() > 1e-3
    chex.assert_trees_all_equal(kept(xs, deterministic=True), quiet)
    kept.eval()
    chex.assert_trees_all_equal(kept(xs), quiet)
    bare.train()
    chex.assert_trees_all_equal(bare(xs), quiet)
    chex.assert_trees_all_equal(bare(xs, rngs=nnx.Rngs(carry=1)), quiet)
    assert abs(bare(xs, rngs=nnx.Rngs(dropout=1)) - quiet).max() > 1e-3
