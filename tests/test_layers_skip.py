"""Gated linear units and connections past layers, against NumPy; values and gradients."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, random_like
from draws import pull
from layer_draws import GAPPY, LENGTHS, RESETS, B, F, T, draw

from rnnjax import GRU
from rnnjax.layers import GLU, RNN, Dense, Embedding, LayerNorm, Pool, Sequential, Skip

pytestmark = pytest.mark.usefixtures("x64")


def test_a_gated_linear_unit_is_a_value_times_a_gate():
    layer = GLU(3)
    params, xs = draw(layer)
    ys, (d_w, d_b, d_x) = pull(
        lambda w, b, xs: layer.apply(params._replace(w=w, b=b), xs)[1], *params, xs
    )
    w, b, x = (np.asarray(a) for a in (*params, xs))
    value, gate = x @ w[:, :3] + b[:3], 1 / (1 + np.exp(-(x @ w[:, 3:] + b[3:])))
    assert_close(ys, value * gate)
    weights = np.asarray(random_like(4, ys))  # as `pull` weighs the outputs
    d_sum = np.concatenate([weights * gate, weights * value * gate * (1 - gate)], -1)
    assert_close(d_b, d_sum.sum((0, 1)))
    assert_close(d_w, np.einsum("bti,bto->io", x, d_sum))
    assert_close(d_x, d_sum @ w.T)


BLOCK = Skip(Sequential((LayerNorm(), RNN(GRU(F)), GLU(F))))
SIGNALS: dict[str, Any] = {"lengths": LENGTHS, "mask": GAPPY, "resets": RESETS}


def test_a_skip_adds_the_input_where_a_step_is_valid():
    params, xs = draw(BLOCK)
    valid = GAPPY & (np.arange(T) < LENGTHS[:, None])

    def by_hand(params, xs):
        carry, ys = BLOCK.layer.apply(params, xs, **SIGNALS)
        return carry, jnp.where(valid[..., None], xs + ys, 0)

    got = pull(lambda params, xs: BLOCK.apply(params, xs, **SIGNALS), params, xs)
    assert_close(got, pull(by_hand, params, xs))
    bad = jnp.where(valid[..., None], xs, np.nan)  # what is masked reaches nothing
    after = Sequential((BLOCK, Dense(2), Pool("last")))
    every = (params, random_like(3, Dense(2).init(jax.random.key(0), F)), ())
    clean, spoilt = (pull(lambda p, x=x: after.apply(p, x, **SIGNALS)[1], every) for x in (xs, bad))
    assert_close(spoilt, clean)


def test_a_skip_streams_and_has_the_parameters_of_its_layer():
    params, xs = draw(BLOCK)
    carry, first = BLOCK.apply(params, xs[:, :2])
    carry, second = BLOCK.apply(params, xs[:, 2:], carry)
    whole, ys = BLOCK.apply(params, xs)
    assert_close((carry, jnp.concatenate([first, second], 1)), (whole, ys))
    assert jax.tree.structure(params) == jax.tree.structure(BLOCK.layer.init(jax.random.key(0), F))
    assert_close(BLOCK.init_carry(params, (B,)), BLOCK.layer.init_carry(params, (B,)))
    assert BLOCK.causal and BLOCK.has_memory and BLOCK.output_size == F


def test_a_skip_needs_as_many_vectors_of_the_same_size():
    for layer in (Pool("last"), Embedding(5, 3)):
        with pytest.raises(ValueError, match="expected a layer that maps sequences of vectors"):
            Skip(layer)
    with pytest.raises(ValueError, match="as many output features as the 2 of its input.*got 3"):
        Skip(Dense(3)).init(jax.random.key(0), 2)
