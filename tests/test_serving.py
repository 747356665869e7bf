"""Serving: steps and chunks that amount to the whole, and generation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, random_like
from serving_models import STREAM, carries, random_params, some, tokens

from rnnjax import GRU, LSTM
from rnnjax.cells import AttentionDecoder, AttentionMemory
from rnnjax.decoding import generate, stream_step
from rnnjax.layers import (
    RNN,
    Bidirectional,
    Dense,
    Embedding,
    Pool,
    Sequential,
)

# Streaming. Steps, chunks and whole sequences are programs of their own, in which XLA fuses and
# sums otherwise: they agree up to rounding. What is said of one program holds bit for bit.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_and_chunks_amount_to_the_whole(dtype):
    with jax.enable_x64(dtype == "float64"):
        params, text, resets = random_params(STREAM, dtype=dtype), tokens(3, 15), some(3, 15)
        start, apply = carries(STREAM, params, 3), jax.jit(STREAM.apply)
        step = jax.jit(partial(stream_step, STREAM))
        whole = apply(params, text, start, resets=resets)
        carry, ys = start, []
        for t in range(15):
            carry, y = step(params, carry, text[:, t], resets=resets[:, t])
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
            carry, y = step(params, carry, text[:, t], **signals)
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


def test_an_inactive_session_keeps_its_carry_and_nobody_sees_the_others():
    model = Sequential((RNN(LSTM(4)), RNN(GRU(3))))
    params = random_params(model, 2)
    before, x = carries(model, params, 3), np.random.default_rng(0).standard_normal((3, 2))
    active, resets = np.array([True, False, True]), np.array([False, True, True])
    after, y = stream_step(model, params, before, x, mask=active, resets=resets)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[1], b[1]), after, before)
    other = random_like(6, before)
    swapped = jax.tree.map(lambda a, b: a.at[1:].set(b[1:]), before, other)
    x[1] = np.nan
    again, same = stream_step(model, params, swapped, x, mask=active, resets=resets)
    for a, b in zip(jax.tree.leaves((after, y)), jax.tree.leaves((again, same)), strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[2], b[2])  # it starts afresh, whatever was before


def test_the_carry_may_be_donated():
    model = RNN(LSTM(4))
    params = random_params(model, 2)
    x, step = jnp.ones((3, 2)), jax.jit(stream_step, donate_argnames="carry")
    carry = model.init_carry(params, (3,))
    expected = stream_step(model, params, carry, x)
    assert_close(step(model, params, carry, x), expected, "float32")
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
        stream_step(model, (), (), jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="expected a model that needs no later step"):
        generate(model, (), jnp.array([1]), jax.random.key(0), length=2)


def test_integers_need_not_be_tokens():
    """Readings of a sensor go through a layer of features, one step or many."""
    model, counts = RNN(GRU(8)), jnp.arange(48, dtype=jnp.uint8).reshape(16, 3)
    params = random_params(model, 3)
    carry, y = stream_step(model, params, None, counts)
    expected, ys = model.apply(params, counts[:, None])
    assert_close((carry, y), (expected, ys[:, 0]), "float32")


def test_a_stream_attends_to_its_context():
    cell = AttentionDecoder(GRU(4), attention_size=3, memory_size=2)
    model, memory = RNN(cell), AttentionMemory(jnp.ones((3, 6, 2)), jnp.array([6, 2, 0]))
    params, xs, carry = random_params(model, 5), jnp.ones((3, 4, 5)), None
    _, expected = model.apply(params, xs, context=memory)
    for t in range(4):
        carry, y = stream_step(model, params, carry, xs[:, t], context=memory)
        assert_close(y, expected[:, t], "float32")


# Generation.


def test_generated_tokens_are_those_of_a_loop_without_a_carry():
    model = Sequential((Embedding(7, 3), RNN(GRU(8)), Dense(7)))
    params, prompt, length = random_params(model), tokens(3, 2), 6
    greedy = generate(model, params, prompt, jax.random.key(0), length=length, temperature=0)
    text, padded = prompt, jax.jit(model.apply)
    for steps in range(2, 2 + length):
        _, logits = padded(params, np.pad(text, ((0, 0), (0, 2 + length - steps))))
        text = np.concatenate([text, np.argmax(logits[:, steps - 1, None], -1)], 1)
    np.testing.assert_array_equal(greedy, text[:, 2:])
    cold = generate(model, params, prompt, jax.random.key(0), length=length, temperature=1e-6)
    np.testing.assert_array_equal(cold, greedy)
    one = generate(model, params, prompt[1], jax.random.key(1), length=length, temperature=0.0)
    np.testing.assert_array_equal(one, greedy[1])
    for temperature in (1.0, jnp.float32(0.5)):
        first, second = (
            generate(model, params, prompt, key, length=40, temperature=temperature)
            for key in jax.random.split(jax.random.key(2))
        )
        assert first.shape == (3, 40) and (first != second).any()
    for bad in (jnp.zeros((2, 0), int), jnp.zeros((2, 2, 2), int)):
        with pytest.raises(ValueError, match="expected a prompt of at least one token"):
            generate(model, params, bad, jax.random.key(0), length=2)
