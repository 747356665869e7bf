"""Models that are served, and random arguments for them."""

import jax
import numpy as np
from cases import random_like

from rnnjax import GRU, LSTM, Elman, ResetBeforeGRU, Stack
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
