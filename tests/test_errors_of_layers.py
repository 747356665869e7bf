"""Every mistake with layers is answered with what was expected, what came, and the usual cause."""

# pyright: reportArgumentType=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mistakes import check_message, ints, row

from rnnjax import GRU, LSTM
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

T, B, F, H = 5, 2, 3, 4
KEY = jax.random.key(0)
F32 = np.float32
CELL = LSTM(H)
XS = np.ones((T, B, F), F32)
BATCH_MAJOR = np.ones((B, T, F), F32)


def apply(layer, xs=BATCH_MAJOR, **options):
    return lambda: layer.apply(layer.init(KEY, F), xs, **options)


LAYERS = [
    row(
        "cell among layers",
        lambda: Sequential((CELL,)),
        "every entry of layers to be a Layer",
        f"{CELL}",
        "a cell becomes a layer by RNN(cell)",
    ),
    row("layer for a cell", lambda: RNN(Dense(3)), "cell to be a Cell", "Dense("),
    row("no layers", lambda: Sequential(()), "layers to be a tuple of at least one layer", "()"),
    row("list of layers", lambda: Sequential([Dense(3)]), "layers to be a tuple", "[Dense("),
    row(
        "layers by place",
        lambda: Sequential(Embedding(3, 4), Dense(3)),
        "one tuple of layers",
        "2 arguments",
        "Sequential((first, second))",
    ),
    row("class of a cell", lambda: RNN(LSTM), "cell to be a Cell", "<class", "when it is called"),
    row(
        "lists of numbers",
        lambda: Dense(2).apply(Dense(2).init(KEY, F), BATCH_MAJOR.tolist()),
        "arrays as inputs",
        "the number 1.0",
        "jnp.asarray",
    ),
    row(
        "tokens that wrap",
        lambda: Embedding(6, 2).apply(Embedding(6, 2).init(KEY), np.full((B, T), 2**32 + 1)),
        "xs within int32",
        "4294967297",
    ),
    row("both", lambda: Sequential((Dense(3),), head=Dense(2)), "layers or layers by name", "both"),
    row(
        "a carry too many",
        lambda: Sequential(head=Dense(2)).apply({"head": Dense(2).init(KEY, F)}, BATCH_MAJOR, (1,)),
        "carry with an entry for each layer with memory, []",
        "[0]",
    ),
    row(
        "last step of the backward direction",
        lambda: Sequential((Bidirectional(CELL), Pool("last"))),
        "layers that run forwards before Pool('last')",
        "one that runs backwards",
        "return_sequences=False",
    ),
    row("certain dropout", lambda: Dropout(1.0), "rate to be at least 0 and below 1", "1.0"),
    row("negative dropout", lambda: Dropout(-0.5), "rate to be at least 0 and below 1", "-0.5"),
    row("epsilon", lambda: LayerNorm(epsilon=-1.0), "epsilon to be positive", "-1.0"),
    row("pooling", lambda: Pool("median"), "how to be 'last', 'mean' or 'max'", "'median'"),
    row("merge", lambda: Bidirectional(CELL, merge="max"), "merge to be 'concat', 'sum'", "'max'"),
    row("direction", lambda: RNN(CELL, reverse="no"), "reverse to be True or False", "'no'"),
    row(
        "sum of unequal sizes",
        lambda: Bidirectional(CELL, merge="sum", backward=GRU(5)),
        "cells of equal output size for merge='sum'",
        "[4, 5]",
    ),
    row(
        "float tokens",
        lambda: Embedding(6, 2).apply(Embedding(6, 2).init(KEY), np.ones((B, T), F32)),
        "integer tokens",
        "float32[2, 5]",
    ),
    row(
        "features of a dense layer",
        lambda: Dense(2).apply(Dense(2).init(KEY, F), jnp.ones((B, T, 4))),
        "xs with 3 features",
        "4 in xs of shape [2, 5, 4]",
    ),
    row("no vocabulary", lambda: Embedding(0, 2), "vocabulary to be a positive integer", "0"),
    row("no vector", lambda: Embedding(2, 0), "size to be a positive integer", "0"),
    row("no output", lambda: Dense(0), "size to be a positive integer", "0"),
    row(
        "a single sequence",
        apply(RNN(CELL), BATCH_MAJOR[0]),
        "inputs [B, T, features]",
        "[5, 3]",
        "needs a batch axis",
    ),
    row("context of a layer", apply(RNN(CELL), context=XS), "no context, since nothing", "Array"),
    row(
        "mask of a layer",
        apply(RNN(CELL), mask=np.ones((B, T), F32)),
        "mask to be bool of shape [2, 5]",
        "float32[2, 5]",
        "astype(bool)",
    ),
    row("mask of every layer", apply(Dense(2), mask=np.ones((B, T))), "mask to be bool", "float32"),
    row(
        "lengths of a layer",
        apply(LayerNorm(), lengths=ints(6, 2)),
        "lengths between 0 and 5",
        "2 … 6",
    ),
]


@pytest.mark.parametrize(("call", "expected", "got", "cause"), LAYERS)
def test_message(call, expected, got, cause):
    check_message(call, expected, got, cause)
