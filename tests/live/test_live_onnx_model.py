"""Whole models as ONNX files, run by onnxruntime: values, final states, lengths, streaming."""

import jax
import numpy as np
import onnxruntime  # pyright: ignore[reportMissingImports]
import pytest
from cases import random_like

from rnnjax import GRU, LSTM, Elman, ResetBeforeGRU, Stack
from rnnjax.interop import save_onnx
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

MODELS = {
    "Elman-relu": RNN(Elman(5, activation="relu"), reverse=True),
    "GRU": Sequential((RNN(GRU(5)), Dense(2))),
    "GRU-reset-before": RNN(ResetBeforeGRU(5)),
    "LSTM": RNN(LSTM(5)),
    "stack": RNN(Stack((LSTM(4), Dense(3), GRU(3), Elman(2))), reverse=True),
    "deep": Sequential(
        (
            Bidirectional(LSTM(4)),
            Dropout(0.5),
            Sequential((LayerNorm(epsilon=1e-3), Bidirectional(GRU(3), merge="mean"))),
            Bidirectional(Elman(3, activation="sigmoid"), merge="product", backward=Elman(3)),
            Bidirectional(ResetBeforeGRU(3), merge="sum"),
        )
    ),
    "last": Sequential((RNN(GRU(5)), Dense(4), Pool("last"), Dense(2))),
    "mean": Sequential((RNN(GRU(5)), Dense(4), Pool("mean"))),
    "max": Sequential((RNN(GRU(5)), Dense(4), Pool("max"))),
    "tokens": Sequential(embed=Embedding(7, 3), rnn=RNN(LSTM(4)), head=Dense(7)),
    "no bias": Sequential((RNN(LSTM(4, use_bias=False)), Dense(2, use_bias=False))),
    "gates": RNN(GRU(4, activation="relu", gate_activation="tanh")),
}
SHAPES = ((1, 1), (3, 7))


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def flat(carry):
    """The states in the order of the layers, each with an axis of directions."""
    if isinstance(carry, tuple) and hasattr(carry, "backward"):
        pairs = zip(*(jax.tree.leaves(side) for side in carry), strict=True)
        return [np.stack(pair) for pair in pairs]
    if isinstance(carry, dict):
        carry = tuple(carry.values())
    if isinstance(carry, tuple):
        return [state for part in carry for state in flat(part)]
    return [np.asarray(carry)[None]]


class Exported:
    """A model with random parameters, and what onnxruntime makes of it."""

    def __init__(self, path, name, extra_inputs=()):
        self.model, self.size = MODELS[name], None if name == "tokens" else 3
        shapes = jax.eval_shape(lambda: self.model.init(jax.random.key(0), self.size))
        self.params = jax.tree.map(lambda a: a / 2, random_like(3, shapes))
        save_onnx(path, self.model, self.params, self.size, extra_inputs=extra_inputs)
        self.session = onnxruntime.InferenceSession(path)

    def inputs(self, batch, steps):
        draw = np.random.default_rng(steps)
        if self.size is None:
            return draw.integers(0, 7, (batch, steps)).astype(np.int32)
        return draw.standard_normal((batch, steps, self.size)).astype(np.float32)

    def names(self, start):
        names = [i.name for i in [*self.session.get_inputs(), *self.session.get_outputs()]]
        return [name for name in names if name.startswith(start)]

    def run(self, xs, **given):
        ys, *final = (np.asarray(a) for a in self.session.run(None, {"xs": xs, **given}))
        return final, ys


@pytest.mark.parametrize("name", MODELS)
def test_outputs_and_final_states_are_the_models(tmp_path, name):
    ours = Exported(tmp_path / "model.onnx", name)
    for shape in SHAPES:
        xs = ours.inputs(*shape)
        carry, ys = ours.model.apply(ours.params, xs)
        found, outputs = ours.run(xs)
        close(outputs, ys)
        for mine, theirs in zip(flat(carry), found, strict=True):
            close(theirs, mine)


@pytest.mark.parametrize("name", MODELS)
def test_lengths_and_initial_states_are_taken(tmp_path, name):
    ours = Exported(tmp_path / "model.onnx", name, ("lengths", "carry"))
    xs, lengths = ours.inputs(3, 7), np.array([7, 2, 5], np.int32)
    carry = random_like(4, ours.model.init_carry(ours.params, (3,)))
    final, ys = jax.jit(ours.model.apply)(ours.params, xs, carry, lengths=lengths)
    initial = dict(zip(ours.names("initial"), flat(carry), strict=True))
    found, outputs = ours.run(xs, lengths=lengths, **initial)
    if outputs.ndim == 3:
        valid = (np.arange(7) < lengths[:, None])[..., None]
        outputs, ys = outputs * valid, ys * valid
    close(outputs, ys)
    for mine, theirs in zip(flat(final), found, strict=True):
        close(theirs, mine)


def test_an_onnx_file_streams(tmp_path):
    ours = Exported(tmp_path / "model.onnx", "tokens", ("carry",))
    xs = ours.inputs(2, 9)
    names, ys = ours.names("initial"), []
    assert names == ["initial.rnn.h", "initial.rnn.c"]
    assert ours.names("final") == ["final.rnn.h", "final.rnn.c"]
    states = [np.zeros((1, 2, 4), np.float32)] * 2
    for t in range(9):
        states, y = ours.run(xs[:, t : t + 1], **dict(zip(names, states, strict=True)))
        ys.append(y)
    close(np.concatenate(ys, 1), ours.model.apply(ours.params, xs)[1])


def test_a_sequence_of_no_steps_keeps_its_state_and_is_pooled_to_zeros(tmp_path):
    lengths = np.array([4, 0], np.int32)
    for name in ("LSTM", "stack", "deep", "last", "mean", "max"):
        ours = Exported(tmp_path / "model.onnx", name, ("lengths", "carry"))
        xs, carry = ours.inputs(2, 4), random_like(4, ours.model.init_carry(ours.params, (2,)))
        final, ys = jax.jit(ours.model.apply)(ours.params, xs, carry, lengths=lengths)
        initial = dict(zip(ours.names("initial"), flat(carry), strict=True))
        found, outputs = ours.run(xs, lengths=lengths, **initial)
        close(outputs, ys)
        for mine, theirs in zip(flat(final), found, strict=True):
            close(theirs, mine)
