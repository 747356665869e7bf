"""Serving: steps and chunks that amount to the whole."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, random_like
from mistakes import check_message, row
from serving_models import STREAM, carries, random_params, some, tokens

from rnnjax import GRU, LSTM, Cell
from rnnjax.attention import Additive, Source
from rnnjax.cells import AttentionDecoder
from rnnjax.decoding import generate, stream_step
from rnnjax.layers import (
    RNN,
    Bidirectional,
    Dense,
    Pool,
    Sequential,
)

# Steps, chunks and whole sequences are programs of their own, in which XLA fuses and
# sums otherwise: they agree up to rounding. Within one program equality holds bit for bit.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_and_chunks_amount_to_the_whole(dtype):
    with jax.enable_x64(dtype == "float64"):
        params, text, resets = random_params(STREAM, dtype=dtype), tokens(3, 15), some(3, 15)
        start, apply = carries(STREAM, params, 3), jax.jit(STREAM.apply)
        step = jax.jit(partial(stream_step, STREAM))
        whole = apply(params, text, start, resets=resets)
        carry, ys = start, []
        for t in range(15):
            carry, y = step(params, text[:, t], carry, resets=resets[:, t])
            ys.append(y)
        assert_close((carry, jnp.stack(ys, 1)), whole, dtype)
        carry, ys = start, []
        for now in (slice(0, 1), slice(1, 8), slice(8, 15)):
            carry, y = apply(params, text[:, now], carry, resets=resets[:, now])
            ys.append(y)
        assert_close((carry, jnp.concatenate(ys, 1)), whole, dtype)


def test_sessions_come_and_go():
    """A session's outputs are those of its own inputs, from where it last started afresh."""
    with jax.enable_x64(True):
        params = random_params(STREAM, dtype="float64")
        text, active, resets = tokens(4, 30), some(4, 30), some(4, 30, seed=2) & some(4, 30, seed=3)
        carry, seen = STREAM.init_carry(params, (4,)), [[] for _ in range(4)]
        step = jax.jit(partial(stream_step, STREAM))
        for t in range(30):
            signals = {"mask": active[:, t], "resets": resets[:, t]}
            carry, y = step(params, text[:, t], carry, **signals)
            y = np.asarray(y)
            for session in np.flatnonzero(active[:, t]):
                past = [] if resets[session, t] else seen[session]
                seen[session] = [*past, (text[session, t], y[session])]
        lengths = [len(pairs) for pairs in seen]
        assert len(set(lengths)) > 1 and max(lengths) > 3
        inputs = [[x for x, _ in pairs] + [0] * (30 - len(pairs)) for pairs in seen]
        run = jax.jit(STREAM.apply)
        _, expected = run(params, np.array(inputs), lengths=np.array(lengths))
        for pairs, ys in zip(seen, expected, strict=True):
            assert_close(np.stack([y for _, y in pairs]), ys[: len(pairs)])


def test_an_inactive_session_keeps_its_carry_and_sessions_do_not_meet():
    model = Sequential((RNN(LSTM(4)), RNN(GRU(3))))
    params = random_params(model, 2)
    before, x = carries(model, params, 3), np.random.default_rng(0).standard_normal((3, 2))
    active, resets = np.array([True, False, True]), np.array([False, True, True])
    after, y = stream_step(model, params, x, before, mask=active, resets=resets)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[1], b[1]), after, before)
    other = random_like(6, before)
    swapped = jax.tree.map(lambda a, b: a.at[1:].set(b[1:]), before, other)
    x[1] = np.nan
    again, same = stream_step(model, params, x, swapped, mask=active, resets=resets)
    for a, b in zip(jax.tree.leaves((after, y)), jax.tree.leaves((again, same)), strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[2], b[2])  # it starts afresh, whatever was before


def test_the_carry_may_be_donated():
    model = RNN(LSTM(4))
    params = random_params(model, 2)
    x, step = jnp.ones((3, 2)), jax.jit(stream_step, donate_argnames="carry")
    carry = model.init_carry(params, (3,))
    expected = stream_step(model, params, x, carry)
    assert_close(step(model, params, x, carry), expected, "float32")
    assert carry.h.is_deleted() and carry.c.is_deleted()


@pytest.mark.parametrize(
    "layer",
    [
        RNN(GRU(3), reverse=True),
        RNN(GRU(3), return_sequences=False),
        Bidirectional(GRU(3)),
        Pool("last"),
    ],
)
def test_a_layer_that_needs_later_steps_does_not_stream(layer):
    model = Sequential((Sequential((layer,)), Dense(2)))
    with pytest.raises(ValueError, match="expected a model that needs no later step"):
        stream_step(model, (), jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="expected a model that needs no later step"):
        generate(model, (), jnp.array([1]), jax.random.key(0), length=2)


def test_integers_need_not_be_tokens():
    """Readings of a sensor go through a layer of features, one step or many."""
    model, counts = RNN(GRU(8)), jnp.arange(48, dtype=jnp.uint8).reshape(16, 3)
    params = random_params(model, 3)
    carry, y = stream_step(model, params, counts)
    expected, ys = model.apply(params, counts[:, None])
    assert_close((carry, y), (expected, ys[:, 0]), "float32")


class Sum(Cell):
    """A cell whose inputs are a tree: counts `[B, 2]` and a level `[B, 1]`."""

    output_size = 1

    def init(self, key, input_size, *, dtype=jnp.float32):
        return {"w_x": jax.random.normal(key, (2, 1), dtype)}

    def init_carry(self, weights, batch_shape=()):
        return jnp.zeros((*batch_shape, 1))

    def update(self, weights, carry, x):
        return carry / 2 + x["counts"] @ weights["w_x"] + x["level"]


def test_the_inputs_of_a_stream_may_be_a_tree():
    model = RNN(Sum())
    params = random_params(model, {"counts": 2, "level": 1})
    xs = {"counts": tokens(3, 4, 2), "level": np.ones((3, 4, 1), np.float32)}
    _, expected = model.apply(params, xs)
    carry = None
    for t in range(4):
        carry, y = stream_step(model, params, jax.tree.map(lambda x, t=t: x[:, t], xs), carry)
        assert_close(y, expected[:, t], "float32")


STREAMS: Any = partial(stream_step, RNN(GRU(3)), ())
X = np.ones((2, 5), np.float32)


@pytest.mark.parametrize(
    "call, expected, got, cause",
    [
        row("no batch", lambda: STREAMS(X[0]), "of one step, [B, features]", "[5]", "x[None]"),
        row("many steps", lambda: STREAMS(X[:, None]), "of one step", "[2, 1, 5]", "model.apply"),
        row("a list", lambda: STREAMS([1.0, 2.0]), "[B, features]", "[], []"),
        row("nothing", lambda: STREAMS(None), "[B, features]", "None"),
        row("one mask", lambda: STREAMS(X, mask=True), "mask to be bool of shape [2]", "bool[]"),
        row("resets", lambda: STREAMS(X, resets=some(2, 1)), "resets to be bool", "bool[2, 1]"),
        row("ints", lambda: STREAMS(X, mask=tokens(2)), "mask to be bool of shape", "int32[2"),
        row("a cell", lambda: STREAMS.func(GRU(3), (), X), "a Layer", "GRU(3)", "RNN(cell)"),
        row("a carry first", lambda: STREAMS(X[:, :3], X), "parameters", "()"),
    ],
)
def test_bad_calls_of_a_stream(call, expected, got, cause):
    check_message(call, expected, got, cause)


def test_a_stream_attends_to_its_context():
    cell = AttentionDecoder(GRU(4), Additive(3), memory_size=2)
    model, memory = RNN(cell), Source(jnp.ones((3, 6, 2)), jnp.array([6, 2, 0]))
    params, xs, carry = random_params(model, 5), jnp.ones((3, 4, 5)), None
    _, expected = model.apply(params, xs, context=memory)
    for t in range(4):
        carry, y = stream_step(model, params, xs[:, t], carry, context=memory)
        assert_close(y, expected[:, t], "float32")
