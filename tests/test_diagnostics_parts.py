"""Diagnostics of a cell inside a model, against gradients of the model by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mistakes import check_message, row
from serving_models import random_params, some, tokens

from rnnjax import GRU, LSTM, Elman, diagnostics, scan
from rnnjax.diagnostics import gate_histograms, gradient_flow, recurrent_part
from rnnjax.layers import RNN, Bidirectional, Dense, Embedding, LayerNorm, Sequential

T, LENGTHS = 3, np.array([3, 2, 0])
MODEL = Sequential(
    embed=Embedding(7, 3),
    encoder=Sequential((RNN(GRU(4)), LayerNorm())),
    rnn=RNN(LSTM(5)),
    head=Sequential((RNN(Elman(3), return_sequences=False), Dense(2))),
)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def params():
    return random_params(MODEL, dtype="float64")


def total(ys):
    return jnp.sum(jnp.sin(ys))


def flow_of(part, rest, **options):
    cell, params, xs = part
    return gradient_flow(cell, params, xs, lambda ys: total(rest(ys)), **options)


def cut(name):
    """The layers before, the cell, and the layers after, as models."""
    layers = {"embed": Embedding(7, 3), "encoder.0": RNN(GRU(4)), "encoder.1": LayerNorm()}
    layers |= {"rnn": RNN(LSTM(5)), "head.0": RNN(Elman(3), return_sequences=False)}
    layers |= {"head.1": Dense(2)}
    at = [*layers].index(name)
    return at, [*layers.values()]


@pytest.mark.parametrize("name", ["encoder.0", "head.0"])
def test_the_gradient_flow_of_a_part_is_that_of_the_model(params, name):
    """The gradient in the carry before each step, by running the model in two pieces."""
    text = tokens(3, T)
    part, rest = recurrent_part(MODEL, params, text, name)
    flow = jax.jit(lambda part: flow_of(part, rest))(part)
    at, layers = cut(name)
    flat = (params["embed"], *params["encoder"], params["rnn"], *params["head"])
    xs = text
    for layer, own in zip(layers[:at], flat[:at], strict=True):
        xs = layer.apply(own, xs)[1]
    np.testing.assert_allclose(part.xs, xs.swapaxes(0, 1), rtol=1e-12)

    def loss(carry, t, before):
        _, ys = RNN(layers[at].cell).apply(flat[at], xs[:, t:], carry)
        ys = jnp.concatenate([before, ys], 1)
        ys = ys if layers[at].return_sequences else ys[:, -1:]
        for layer, own in zip(layers[at + 1 :], flat[at + 1 :], strict=True):
            ys = layer.apply(own, ys)[1]
            ys = ys if layer.keeps_time else ys[:, None]
        return total(ys)

    for t in range(T):
        carry, before = RNN(layers[at].cell).apply(flat[at], xs[:, :t])
        gradient = jax.tree.leaves(jax.jit(jax.grad(loss), static_argnums=1)(carry, t, before))
        expected = np.sqrt(sum(np.square(g).sum(-1) for g in gradient))
        np.testing.assert_allclose(flow["all"][t], expected, rtol=1e-9)


def test_a_part_sees_the_valid_steps(params):
    text = np.where(np.arange(T) < LENGTHS[:, None], tokens(3, T), -1)
    part, rest = recurrent_part(MODEL, params, text, "rnn", lengths=LENGTHS)
    flow = jax.jit(lambda part: flow_of(part, rest, lengths=LENGTHS)["all"])(part)
    own, after = recurrent_part(MODEL, params, text[1:2, :2], "rnn")
    alone = jax.jit(lambda own: flow_of(own, after)["all"])(own)
    np.testing.assert_allclose(flow[:2, 1], alone[:, 0], rtol=1e-9)
    assert np.isfinite(flow).all() and (flow[2:, 1] == 0).all() and (flow[:, 2] == 0).all()


def test_the_rest_of_a_model_gives_its_outputs(params):
    text = tokens(3, T)
    _, expected = MODEL.apply(params, text, lengths=LENGTHS)
    for name in ("encoder.0", "rnn", "head.0"):
        part, rest = recurrent_part(MODEL, params, text, name, lengths=LENGTHS)
        _, ys = scan(*part, lengths=LENGTHS)
        np.testing.assert_allclose(rest(ys), expected, rtol=1e-12)


def test_every_diagnostic_takes_a_part(params):
    part, _ = recurrent_part(MODEL, params, tokens(3, T), "rnn")
    names = ["input gate", "forget gate", "candidate", "output gate"]
    assert [*gate_histograms(*part)] == names
    assert diagnostics.step_jacobians(*part).shape == (T, 3, 10, 10)
    assert diagnostics.memory_horizon(*part).shape == (T, 3)
    assert diagnostics.lyapunov_exponents(*part, key=jax.random.key(0)).shape == (T, 3, 1)


def test_the_only_recurrent_part_needs_no_name():
    for model, own in ((RNN(GRU(4)), lambda p: p), (Sequential((RNN(GRU(4)),)), lambda p: p[0])):
        params, xs = random_params(model, 3, "float64"), np.ones((2, T, 3))
        for name in (None, 0) if isinstance(model, Sequential) else (None,):
            part, rest = recurrent_part(model, params, xs, name)
            assert part.cell == GRU(4) and part.params is own(params)
            assert rest(np.zeros((T, 2, 4))).shape == (2, T, 4)


WRONG: Any = GRU(3)
TWO = Sequential((RNN(GRU(3)), RNN(GRU(3), reverse=True)))


@pytest.mark.parametrize(
    "call, expected, got, cause",
    [
        row("two", lambda: recurrent_part(TWO, ((), ()), some(2, 3)), "has 0 and 1", "None"),
        row("no", lambda: recurrent_part(TWO, ((), ()), some(2, 3), "rnn"), "has 0 and 1", "'rnn'"),
        row("backwards", lambda: recurrent_part(TWO, ((), ()), some(2, 3), 1), "forwards", "RNN"),
        row("none", lambda: recurrent_part(Dense(3), (), some(2, 3)), "has none", "None"),
        row("both", lambda: recurrent_part(Bidirectional(GRU(3)), (), None), "has none", "None"),
        row(
            "params",
            lambda: recurrent_part(TWO, (1,), some(2, 3)),
            "an entry for each layer, [0, 1]",
            "[0]",
        ),
        row(
            "names", lambda: recurrent_part(MODEL, (1,), None, "rnn"), "each layer, ['embed'", "[0]"
        ),
        row("a cell", lambda: recurrent_part(WRONG, (), some(2, 3)), "a Layer", "GRU(3)"),
    ],
)
def test_bad_calls_of_a_part(call, expected, got, cause):
    check_message(call, expected, got, cause)


@pytest.mark.parametrize(
    "diagnostic",
    [
        diagnostics.step_jacobians,
        diagnostics.memory_horizon,
        gate_histograms,
        lambda *args: diagnostics.lyapunov_exponents(*args, key=jax.random.key(0)),
        lambda cell, params, xs: gradient_flow(cell, params, xs, total),
    ],
    ids=["jacobians", "horizon", "gates", "exponents", "flow"],
)
def test_a_model_in_the_place_of_a_cell_is_refused(diagnostic):
    for model in (MODEL, RNN(GRU(3))):
        args = model, (), np.ones((T, 2, 3))
        check_message(lambda args=args: diagnostic(*args), "a cell", repr(model), "recurrent_part")
