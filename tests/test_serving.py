"""Serving: steps and chunks that amount to the whole, and artifacts that run on JAX alone.

That ONNX files compute the same is tested by onnxruntime, in `tests/live`.
"""

import os
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, assert_close, random_like

from rnnjax import GRU, LSTM, Elman, Jordan, ResetBeforeGRU, Stack
from rnnjax.cells import AttentionDecoder, AttentionMemory, MinGRU, Record
from rnnjax.decoding import generate, stream_step
from rnnjax.engine import Associative, Loop
from rnnjax.interop import export_model, save_onnx
from rnnjax.layers import (
    RNN,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    Pointwise,
    Pool,
    Sequential,
)

STREAM = Sequential(
    (
        Embedding(7, 3),
        RNN(Stack((LSTM(4), ResetBeforeGRU(3)))),
        LayerNorm(),
        Dropout(0.5),
        Dense(2),
    )
)
WHOLE = Sequential(
    (
        Embedding(7, 3),
        Bidirectional(GRU(4), merge="sum", backward=LSTM(4)),
        Sequential((RNN(Elman(5), reverse=True), Pool("mean"))),
        Dense(2),
    )
)


def random_params(model, input_size=None, dtype="float32"):
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), input_size))
    return jax.tree.map(lambda a: a / 2, random_like(3, shapes, dtype))


def tokens(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 7, shape).astype(np.int32)


def some(*shape, seed=1):
    """True here and there."""
    return np.random.default_rng(seed).random(shape) < 0.4


def carries(model, params, batch, seed=5):
    return random_like(seed, model.init_carry(params, (batch,)))


# Streaming. Steps, chunks and whole sequences are programs of their own, in which XLA fuses and
# sums otherwise: they agree up to rounding. What is said of one program holds bit for bit.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_and_chunks_amount_to_the_whole(dtype):
    with jax.enable_x64(dtype == "float64"):
        params, text, resets = random_params(STREAM, dtype=dtype), tokens(3, 15), some(3, 15)
        start, apply = carries(STREAM, params, 3), jax.jit(STREAM.apply)
        whole = apply(params, text, start, resets=resets)
        carry, ys = start, []
        for t in range(15):
            carry, y = stream_step(STREAM, params, carry, text[:, t], resets=resets[:, t])
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
        for t in range(30):
            carry, y = stream_step(
                STREAM, params, carry, text[:, t], mask=active[:, t], resets=resets[:, t]
            )
            for session in np.flatnonzero(active[:, t]):
                past = [] if resets[session, t] else seen[session]
                seen[session] = [*past, (text[session, t], y[session])]
        lengths = [len(pairs) for pairs in seen]
        assert len(set(lengths)) > 1 and max(lengths) > 3
        inputs = [[x for x, _ in pairs] + [0] * (30 - len(pairs)) for pairs in seen]
        _, expected = STREAM.apply(params, np.array(inputs), lengths=np.array(lengths))
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
    text = prompt
    for _ in range(length):
        _, logits = model.apply(params, text)
        text = np.concatenate([text, np.argmax(logits[:, -1:], -1)], 1)
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


# Artifacts.

WITHOUT_RNNJAX = """
import sys
sys.modules["rnnjax"] = None
import jax, numpy as np
from jax import export
try:
    import rnnjax
except ImportError:
    pass
else:
    sys.exit("rnnjax can be imported")
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        run = jax.jit(export.deserialize(bytearray(file.read())).call)
    stored = dict(np.load(name + ".npz"))
    calls = int(stored["calls"])
    for call in range(calls):
        mine = {k.split("/")[1]: v for k, v in stored.items() if k.startswith(f"{call}/")}
        xs, ys = mine.pop("xs"), mine.pop("ys")
        final = [mine.pop(k) for k in sorted(mine) if k.startswith("final")]
        carry = tuple(mine.pop(k) for k in sorted(mine) if k.startswith("carry"))
        found = run(xs, **mine, **({"carry": carry} if carry else {}))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-5), found,
                     (tuple(final), ys))
    print(name, calls)
"""


def extra_of(extra, model, params, batch, steps):
    lengths = np.random.default_rng(2).integers(0, steps + 1, batch).astype(np.int32)
    signals = {"lengths": lengths, "mask": some(batch, steps), "resets": some(batch, steps, seed=4)}
    given = {name: signals[name] for name in extra if name != "carry"}
    return given, carries(model, params, batch) if "carry" in extra else None


def store(path, model, params, inputs, extra=(), shapes=((2, 6),)):
    """Writes an artifact, and for every batch and length what to call it with and to expect."""
    size = None if inputs.dtype == np.int32 else inputs.shape[-1]
    exported = export_model(model, params, size, extra_inputs=extra)
    path.write_bytes(exported.serialize())
    arrays: dict[str, Any] = {"calls": len(shapes)}
    for call, (batch, steps) in enumerate(shapes):
        xs = inputs[:batch, :steps]
        given, carry = extra_of(extra, model, params, batch, steps)
        final, ys = jax.jit(model.apply)(params, xs, carry, **given)
        entries = {"xs": xs, "ys": ys, **given}
        entries |= {f"carry{k}": leaf for k, leaf in enumerate(jax.tree.leaves(carry))}
        entries |= {f"final{k}": leaf for k, leaf in enumerate(jax.tree.leaves(final))}
        arrays |= {f"{call}/{key}": np.asarray(value) for key, value in entries.items()}
    np.savez(f"{path}.npz", **arrays)


def test_artifacts_run_where_rnnjax_cannot_be_imported(tmp_path):
    numbers = np.random.default_rng(0).standard_normal((3, 16, 3)).astype(np.float32)
    plain = Sequential((RNN(GRU(4)), Dense(2)))
    half = random_params(plain, 3, "bfloat16")
    store(tmp_path / "plain", plain, random_params(plain, 3), numbers, (), ((1, 1), (3, 16)))
    store(tmp_path / "half", plain, half, numbers, ("carry",))
    store(tmp_path / "whole", WHOLE, random_params(WHOLE), tokens(3, 6), ("lengths", "resets"))
    extra = ("resets", "carry", "mask", "lengths")
    store(tmp_path / "stream", STREAM, random_params(STREAM), tokens(3, 7), extra, ((2, 1), (3, 7)))
    names = ("plain", "half", "whole", "stream")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_RNNJAX, *names],
        cwd=tmp_path,
        env=environment | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "plain 2\nhalf 1\nwhole 1\nstream 2\n", done.stderr


def test_an_artifact_of_every_cell_is_the_model():
    parts = []
    for case in CASES:
        cell = case.cell
        vectors = isinstance(case.input_size, int) and not isinstance(cell, Record)
        if vectors and cell.num_feature_axes == 1 and not cell.takes_context:
            parts += [Dense(case.input_size), cell]
    model, extra = RNN(Stack(tuple(parts)), reverse=True), ("resets", "carry", "lengths")
    with jax.enable_x64(True):
        params = random_params(model, 3, "float64")
        exported = export_model(model, params, 3, extra_inputs=extra)
        given, carry = extra_of(extra, model, params, 3, 5)
        xs = np.random.default_rng(0).standard_normal((3, 5, 3))
        final, ys = model.apply(params, xs, carry, **given)
        found = exported.call(xs, carry=tuple(jax.tree.leaves(carry)), **given)
        assert_close(found, (tuple(jax.tree.leaves(final)), ys))


METHODS = {
    "default": None,
    "unroll": Loop(unroll=4),
    "checkpoint": Loop(checkpoint=8),
    "sqrt": Loop(checkpoint="sqrt", unroll=2),
    "half": Loop(dtype="bfloat16", precision="highest"),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize(
    "make",
    [
        lambda method: RNN(LSTM(4), method=method),
        lambda method: RNN(GRU(4), return_sequences=False, method=method),
        lambda method: Sequential((Embedding(7, 3), Bidirectional(GRU(4), method=method))),
        lambda method: Sequential(body=Sequential((RNN(Elman(4), reverse=True, method=method),))),
    ],
    ids=["LSTM", "GRU", "Bidirectional of tokens", "nested"],
)
def test_any_method_is_exported_for_any_length(make, method):
    model = make(method)
    is_tokens = model.num_feature_axes == 0
    params = random_params(model, 3)
    exported = export_model(model, params, None if is_tokens else 3, extra_inputs=("lengths",))
    for batch, steps in ((1, 1), (2, 7)):
        xs = random_like(1, np.empty((batch, steps, 3), np.float32))
        xs = tokens(batch, steps) if is_tokens else xs
        lengths = np.arange(steps, steps - batch, -1, dtype=np.int32)
        final, ys = jax.jit(model.apply)(params, xs, lengths=lengths)
        found = exported.call(xs, lengths=lengths)
        assert_close(found, (tuple(jax.tree.leaves(final)), ys), "float32")


def test_a_linear_cell_is_exported_with_a_plain_loop():
    model = RNN(MinGRU(4), method=Associative())
    params, xs = random_params(model, 3), jnp.ones((2, 7, 3))
    (h,), ys = export_model(model, params, 3).call(xs)
    assert_close((h, ys), model.apply(params, xs), "float32")


def test_an_artifact_streams_from_zeros_and_a_reset():
    params, text = random_params(STREAM), tokens(2, 9)
    exported = export_model(STREAM, params, extra_inputs=("carry", "resets"))
    shapes = exported.in_avals[1:-1]
    carry = tuple(jnp.ones((2, *a.shape[1:]), a.dtype) for a in shapes)  # a reset forgets them
    run, ys = jax.jit(exported.call), []
    for t in range(9):
        carry, y = run(text[:, t : t + 1], carry=carry, resets=np.full((2, 1), t == 0))
        ys.append(y)
    assert_close(jnp.concatenate(ys, 1), STREAM.apply(params, text)[1], "float32")


def test_an_artifact_for_other_platforms_and_what_cannot_be_exported():
    model = RNN(GRU(4))
    params = random_params(model, 3)
    assert export_model(model, params, 3, platforms=("cpu", "cuda")).platforms == ("cpu", "cuda")
    with pytest.raises(ValueError, match=r"extra_inputs to name any of carry.*got \['length'\]"):
        export_model(model, params, 3, extra_inputs=("length", "carry"))
    with pytest.raises(ValueError, match="expected xs with 3 features"):
        export_model(model, params, 4)


# What ONNX files refuse; this is seen before the package onnx is needed.


class Twice(Pointwise):
    """A user's layer."""

    def init(self, key, input_size, *, dtype=jnp.float32):
        return ()

    def transform(self, params, xs):
        return 2 * xs


@pytest.mark.parametrize(
    "model, size, takes, message",
    [
        (Sequential((Dense(4), Twice())), 3, (), r"expected layers that ONNX has.*got Twice\(\)"),
        (RNN(Stack((GRU(2), Jordan(4, 2)))), 3, (), "expected an Elman, GRU or LSTM.*Jordan"),
        (RNN(Elman(4, activation="gelu")), 3, (), "expected an activation of .*gelu"),
        (Bidirectional(GRU(4), backward=LSTM(4)), 3, (), "expected cells of one kind"),
        (RNN(GRU(4)), 5, (), "expected xs with 3 features"),
        (RNN(GRU(4)), 3, ("mask",), r"takes to name any of carry, lengths, got \['mask'\]"),
    ],
)
def test_what_onnx_cannot_represent_is_refused(tmp_path, monkeypatch, model, size, takes, message):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=message):
        save_onnx(tmp_path / "m.onnx", model, random_params(model, 3), size, takes=takes)


def test_without_onnx_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    model = RNN(GRU(4))
    with pytest.raises(ImportError, match="save_onnx needs the package onnx: pip install onnx"):
        save_onnx(tmp_path / "m.onnx", model, random_params(model, 3), 3)
    assert not list(tmp_path.iterdir())
