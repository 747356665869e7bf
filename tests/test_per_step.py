"""Sequences inside steps against one sequence at a time."""

# pyright: reportArgumentType=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, random_like
from draws import pull

from rnnjax import GRU
from rnnjax.layers import (
    RNN,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    PerStep,
    Pool,
    Sequential,
    summary,
)

pytestmark = pytest.mark.usefixtures("x64")

B, T, N, V = 2, 3, 4, 6
KEY = jax.random.key(0)
INSIDE = Sequential((Embedding(V, 3), Bidirectional(GRU(2), return_sequences=False)))
TOKENS = np.array(
    [[[1, 2, 0, 0], [5, 3, 3, 2], [0, 0, 0, 0]], [[4, 0, 0, 0], [9, 9, 9, 9], [2] * 4]]
)
MASK = np.array([[True, True, True], [True, False, True]])  # the 9 is no token


def test_every_step_is_a_sequence_of_its_own():
    layer = PerStep(INSIDE)
    shapes = jax.eval_shape(lambda: layer.init(KEY, N, dtype=jnp.float64))
    params = random_like(1, shapes)

    def together(params):
        return layer.apply(params, TOKENS, mask=MASK)[1]

    def alone(params):
        ys = jnp.zeros((B, T, 4))
        for b, t in zip(*np.nonzero(MASK), strict=True):
            word = TOKENS[b, t][TOKENS[b, t] != 0]
            if word.size:
                ys = ys.at[b, t].set(INSIDE.apply(params, word[None])[1][0])
        return ys

    assert_close(pull(together, params), pull(alone, params))
    assert layer.output_size == 4 and layer.causal and not layer.has_memory
    assert summary(layer, N).rows[0].output == "[B, T, 4]"


def test_another_padding_and_noise_inside():
    inside = Sequential((Embedding(V, 3), Dropout(0.5), Pool("max")))
    layer = PerStep(inside, padding=5)
    params = layer.init(KEY)
    tokens = np.where(TOKENS == 0, 5, TOKENS % V)
    one = layer.apply(params, tokens, key=KEY)[1]
    assert not np.array_equal(one, layer.apply(params, tokens)[1])
    np.testing.assert_array_equal(one, layer.apply(params, tokens, key=KEY)[1])
    assert not np.any(one[0, 2])  # a step of padding alone


@pytest.mark.parametrize(
    "inside", [Sequential((Embedding(V, 3), RNN(GRU(2)))), Dense(2), Pool("max")]
)
def test_what_makes_no_vector_of_tokens_is_refused(inside):
    with pytest.raises(ValueError, match="expected a layer that .*such as Sequential.* got"):
        PerStep(inside)
