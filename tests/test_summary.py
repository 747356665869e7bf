"""The table of a model, against the model itself."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from mistakes import check_message, row
from rich.console import Console

import rnnjax
from rnnjax import GRU, LSTM, Elman, Stack
from rnnjax.cells import ConvLSTM
from rnnjax.layers import (
    RNN,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    Pool,
    Sequential,
    summary,
)

ENCODER = Sequential(rnn=RNN(Stack((LSTM(4), GRU(3)))), norm=LayerNorm())
MODELS = {
    "tokens": (Sequential((Embedding(7, 5), RNN(GRU(8)), Dense(7))), None),
    "nested": (Sequential(embed=Embedding(7, 5), encoder=ENCODER, head=Dense(2)), None),
    "pooled": (Sequential((Bidirectional(GRU(4)), Dropout(0.5), Pool("mean"), Dense(2))), 3),
    "last": (Sequential((RNN(LSTM(4), return_sequences=False), LayerNorm())), 3),
    "one": (RNN(Elman(4)), 3),
    "images": (RNN(ConvLSTM((4, 5), 2)), (4, 5, 1)),
}


@pytest.mark.parametrize("model, size", MODELS.values(), ids=MODELS)
def test_a_summary_has_the_shapes_and_counts_of_the_model(model, size):
    table = summary(model, size, dtype=jnp.bfloat16)
    params = model.init(jax.random.key(0), size, dtype=jnp.bfloat16)
    leaves = jax.tree.leaves(params)
    assert table.parameters == sum(a.size for a in leaves)
    assert table.size == sum(a.nbytes for a in leaves)
    features = {None: (), 3: (3,)}.get(size, size)
    xs = jax.ShapeDtypeStruct((2, 6, *features), jnp.float32 if features else jnp.int32)
    ys = jax.eval_shape(lambda p, xs: model.apply(p, xs)[1], params, xs)
    lead = "B, T" if ys.shape[:2] == (2, 6) else "B"
    expected = [lead, *map(str, ys.shape[lead.count(",") + 1 :])]
    outputs = [entry.output for entry in table.rows if entry.depth == 0]
    assert outputs[-1] == f"[{', '.join(expected)}]"
    assert table.input == f"[{', '.join(['B, T', *map(str, features)])}]"


def test_the_rows_are_the_layers():
    table = rnnjax.summary(*MODELS["nested"])
    assert [(r.name, r.depth, r.output) for r in table.rows] == [
        ("embed", 0, "[B, T, 5]"),
        ("encoder", 0, "[B, T, 3]"),
        ("encoder.rnn", 1, "[B, T, 3]"),
        ("encoder.norm", 1, "[B, T, 3]"),
        ("head", 0, "[B, T, 2]"),
    ]
    # An LSTM has four gates, a GRU three and one more bias; the norm a scale and an offset.
    lstm, gru = 4 * (5 * 4 + 4 * 4 + 4), 3 * (4 * 3 + 3 * 3 + 3) + 3
    counts = [7 * 5, lstm + gru + 6, lstm + gru, 6, 3 * 2 + 2]
    assert [r.parameters for r in table.rows] == counts
    assert (table.parameters, table.size) == (sum(counts) - counts[1], 4 * table.parameters)


def test_a_summary_prints_as_a_table():
    table = summary(*MODELS["nested"])
    lines = [line.split() for line in str(table).splitlines() if line.strip()]
    assert lines[0] == ["layer", "output", "parameters", "bytes"]
    assert lines[2] == ["input", "[B,", "T]"]
    assert lines[4] == ["encoder", "Sequential", "[B,", "T,", "3]", "241", "964"]
    assert lines[5][:2] == ["rnn", "RNN(Stack((LSTM(4),"]
    assert lines[-1] == ["total", "284", "1,136"]
    assert repr(table) == str(table) == f"{table}"
    assert max(map(len, str(table).splitlines())) <= 100


def test_a_summary_is_the_same_text_in_a_notebook(monkeypatch):
    plain = str(summary(*MODELS["nested"]))
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert Console().is_jupyter and str(summary(*MODELS["nested"])) == plain


def test_a_cell_is_summarised_as_its_layer():
    assert summary(LSTM(4), 3) == summary(RNN(LSTM(4)), 3)


WRONG: Any = 3


def test_a_summary_computes_nothing():
    huge = Sequential((Embedding(10**9, 10**6), RNN(LSTM(10**6)), Dense(10**9)))
    assert summary(huge).parameters > 10**15


@pytest.mark.parametrize(
    "call, expected, got, cause",
    [
        row("no model", lambda: summary(WRONG, 3), "to be a Layer", "3"),
        row("no size", lambda: summary(RNN(LSTM(4))), "an input_size", "None", "Embedding"),
        row("a cell without size", lambda: summary(LSTM(4)), "an input_size", "None"),
    ],
)
def test_bad_calls_of_summary(call, expected, got, cause):
    check_message(call, expected, got, cause)
