"""Artifacts that run on JAX alone, and what ONNX files cannot hold.

That ONNX files compute the same is tested by onnxruntime, in `tests/live`.
"""

import os
import subprocess
import sys
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, Clocks, assert_close, random_like
from serving_models import STREAM, WHOLE, carries, random_params, some, tokens

from rnnjax import GRU, LSTM, Elman, Jordan, Stack
from rnnjax.attention import Additive
from rnnjax.cells import AttentionDecoder, MinGRU, Record
from rnnjax.engine import Associative, Loop
from rnnjax.interop import export_model, save_onnx
from rnnjax.layers import (
    RNN,
    Bidirectional,
    Dense,
    Embedding,
    Pointwise,
    Sequential,
)

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


def is_of_vectors(case):
    cell = case.cell
    vectors = isinstance(case.input_size, int) and not isinstance(cell, Record)
    return vectors and cell.num_feature_axes == 1 and not cell.takes_context


@pytest.mark.parametrize(
    "kinds",
    [
        ("Jordan", "LRU", "ResetBeforeGRU", "Leaky"),
        pytest.param([case.id for case in CASES if is_of_vectors(case)], marks=pytest.mark.slow),
    ],
    ids=["few", "all"],
)
def test_an_artifact_of_every_cell_is_the_model(kinds):
    chosen = [case for case in CASES if case.id in kinds]
    parts = [part for case in chosen for part in (Dense(case.input_size), case.cell)]
    model, extra = RNN(Stack(tuple(parts)), reverse=True), ("resets", "carry", "lengths")
    with jax.enable_x64(True):
        params = random_params(model, 3, "float64")
        exported = export_model(model, params, 3, extra_inputs=extra)
        given, carry = extra_of(extra, model, params, 3, 5)
        xs = np.random.default_rng(0).standard_normal((3, 5, 3))
        final, ys = jax.jit(model.apply)(params, xs, carry, **given)
        found = exported.call(xs, carry=tuple(jax.tree.leaves(carry)), **given)
        assert_close(found, (tuple(jax.tree.leaves(final)), ys))


METHODS = {
    "default": None,
    "unroll": Loop(unroll=4),
    "checkpoint": Loop(checkpoint=8),
    "sqrt": Loop(checkpoint="sqrt", unroll=2),
    "half": Loop(dtype="bfloat16", precision="highest"),
}


MODELS = {
    "LSTM": lambda method: RNN(LSTM(4), method=method),
    "GRU": lambda method: RNN(GRU(4), return_sequences=False, method=method),
    "tokens": lambda method: Sequential((Embedding(7, 3), Bidirectional(GRU(4), method=method))),
    "nested": lambda method: Sequential(
        body=Sequential((RNN(Elman(4), reverse=True, method=method),))
    ),
}
FEW = {("LSTM", "half"), ("GRU", "checkpoint"), ("tokens", "default"), ("nested", "sqrt")}


@pytest.mark.parametrize(
    ("make", "method"),
    [
        pytest.param(
            MODELS[model],
            METHODS[method],
            id=f"{model}-{method}",
            marks=[] if (model, method) in FEW else pytest.mark.slow,
        )
        for model in MODELS
        for method in METHODS
    ],
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


def test_an_artifact_of_named_inputs_and_outputs():
    model, sizes = RNN(Clocks(4)), {"u": 3, "v": 2}
    params = random_params(model, sizes)
    exported = export_model(model, params, sizes, extra_inputs=("lengths",))
    exported = jax.export.deserialize(exported.serialize())
    xs = random_like(1, {name: np.empty((2, 5, size)) for name, size in sizes.items()}, "float32")
    lengths = np.array([5, 2], np.int32)
    carry, ys = model.apply(params, xs, lengths=lengths)
    found = exported.call(xs, lengths=lengths)
    assert_close(found, (tuple(jax.tree.leaves(carry)), ys), "float32")


@pytest.mark.parametrize("size", [0, 2.5, "3", (3, -1), {"u": 3, "v": [2]}])
def test_a_size_that_is_none_is_refused(tmp_path, size):
    for export in (export_model, partial(save_onnx, tmp_path / "m.onnx")):
        with pytest.raises(ValueError, match="expected input_size to be a positive integer, got"):
            export(RNN(Elman(4)), random_params(RNN(Elman(4)), 3), size)


def test_a_model_with_a_context_is_not_exported():
    model = RNN(AttentionDecoder(GRU(4), Additive(3), memory_size=2))
    with pytest.raises(ValueError, match="expected a model without a context, .* got RNN.Attent"):
        export_model(model, random_params(model, 3), 3)


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
    with pytest.raises(ValueError, match=r"expected model to be a Layer, got GRU\(4\); a cell"):
        export_model(model.cell, params, 3)  # pyright: ignore[reportArgumentType]


# What ONNX files refuse; this is seen before the package onnx is needed.


class Twice(Pointwise):
    """A user's layer."""

    def init(self, key, input_size, *, dtype=jnp.float32):
        return ()

    def transform(self, params, xs):
        return 2 * xs


@pytest.mark.parametrize(
    "model, size, extra, message",
    [
        (Sequential((Dense(4), Twice())), 3, (), r"expected layers that ONNX has.*got Twice\(\)"),
        (
            RNN(Stack((GRU(2), Jordan(4, 2)))),
            3,
            (),
            "expected one of Elman, GRU, .*got Jordan",
        ),
        (RNN(Elman(4, activation="gelu")), 3, (), "expected the activation .*gelu"),
        (Bidirectional(GRU(4), backward=LSTM(4)), 3, (), "expected cells of one kind"),
        (RNN(GRU(4)), 5, (), "expected xs with 3 features"),
        (GRU(4), 3, (), r"expected model to be a Layer, got GRU\(4\)"),
        (RNN(GRU(4)), 3, ("mask",), r"extra_inputs to name any of carry, lengths, got \['mask'\]"),
    ],
)
def test_what_onnx_cannot_represent_is_refused(tmp_path, monkeypatch, model, size, extra, message):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=message):
        save_onnx(tmp_path / "m.onnx", model, random_params(model, 3), size, extra_inputs=extra)


def test_without_onnx_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    model = RNN(GRU(4))
    with pytest.raises(ImportError, match="save_onnx needs the package onnx: pip install onnx"):
        save_onnx(tmp_path / "m.onnx", model, random_params(model, 3), 3)
    assert not list(tmp_path.iterdir())
