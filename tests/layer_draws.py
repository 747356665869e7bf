"""A layer of every kind, random arguments for them, and signals."""

import jax
import jax.numpy as jnp
import numpy as np
from cases import random_like

from rnnjax import GRU, LSTM, Elman
from rnnjax.engine import Loop
from rnnjax.layers import (
    CRF,
    GLU,
    RNN,
    AttentionPool,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    Pointwise,
    Pool,
    Sequential,
    Skip,
    SpecAugment,
)

B, T, F, H = 4, 5, 2, 3
KEY = jax.random.key(0)
LENGTHS = np.array([5, 0, 2, 3])
PADDING = np.arange(T) >= LENGTHS[:, None]
GAPPY = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 1, 1, 0, 1], [1, 1, 1, 1, 1]], bool)
RESETS = np.array([[0, 1, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]], bool)

MODEL = Sequential((RNN(GRU(H)), LayerNorm(), Dropout(0.5), RNN(LSTM(H)), Dense(2)))

LAYERS = [
    RNN(LSTM(H), reverse=True, method=Loop(checkpoint=3)),
    Bidirectional(GRU(H), merge="mean", backward=Elman(H)),
    Embedding(6, H),
    Dense(2, use_bias=False),
    LayerNorm(epsilon=1e-3),
    Dropout(0.3, per_sequence=True),
    Pool("max"),
    AttentionPool(2),
    MODEL,
    Sequential(body=MODEL, pool=Pool("mean")),
    CRF(F),
    SpecAugment(time_width=3, frequency_width=1),
    Skip(Sequential((RNN(GRU(F)), GLU(F)))),
]


def draw(layer, features=F):
    """Random parameters and inputs."""
    shapes = jax.eval_shape(lambda: layer.init(KEY, features, dtype=jnp.float64))
    return random_like(1, shapes), random_like(2, np.empty((B, T, features)))


def inputs_of(layer, lead=(B, T)):
    tokens = layer.num_feature_axes == 0
    return np.ones(lead, int) if tokens else np.array(random_like(2, np.empty((*lead, F))))


class Inverse(Pointwise):
    """A user's layer, without a derivative at zero."""

    def init(self, key, input_size, *, dtype=jnp.float32):
        return ()

    def transform(self, params, xs):
        return 1 / xs
