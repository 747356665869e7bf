"""Half precision of single steps, and parameters that are NumPy arrays."""

from typing import Any

import flax.linen as nn
import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import Gated, random_like
from draws import total
from flax import nnx

from rnnjax import GRU, LSTM, Elman, scan
from rnnjax.engine import Loop
from rnnjax.flax import linen as rln
from rnnjax.flax import nnx as rnx
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

B, T, F, H = 3, 5, 2, 4
XS = random_like(2, np.empty((B, T, F), np.float32))
TOKENS = np.arange(B * T).reshape(B, T) % 7
KEY = jax.random.key(0)


def drawn(core: Any, size: Any = F) -> Any:
    return random_like(1, jax.eval_shape(lambda: core.init(KEY, size)))


def in_nnx(module, params):
    nnx.update(module.params, nnx.state(params))
    return module


def stepped(cell, **options):
    """Flax's own `RNN` around a step of ours, of both kinds, as functions of parameters."""
    linen: Any = nn.RNN(rln.Cell(cell, **options))
    graph, _ = nnx.split(rnx.Cell(cell, F, rngs=nnx.Rngs(0), **options))

    def of_linen(params):
        return linen.apply({"params": {"cell": rln.named(params)}}, XS)

    def of_nnx(params):
        return nnx.RNN(nnx.merge(graph, nnx.state({"params": params})))(XS)

    return of_linen, of_nnx


@pytest.mark.parametrize("cell", [LSTM(H), Gated(H)], ids=["LSTM", "Gated"])
def test_half_precision_of_a_step_is_that_of_the_loop(cell):
    params = drawn(cell)

    def by_scan(params):
        return scan(cell, params, XS.swapaxes(0, 1), method=Loop(dtype="bfloat16"))[1]

    def pull(function):
        def loss(params):
            ys = function(params)
            return total(ys), ys

        return jax.grad(loss, has_aux=True)(params)

    gradient, ys = pull(lambda params: by_scan(params).swapaxes(0, 1))
    _, full = RNN(cell).apply(params, XS)
    assert abs(full - ys).max() > 1e-3
    for function in stepped(cell, dtype=jnp.bfloat16):
        found_gradient, found = pull(function)
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, ys, rtol=0, atol=1e-5)
        for a, b in zip(*map(jax.tree.leaves, (found_gradient, gradient)), strict=True):
            assert a.dtype == jnp.float32
            np.testing.assert_allclose(a, b, rtol=0, atol=0.02 * abs(b).max())


def test_a_carry_stays_wide():
    ours = rnx.Cell(LSTM(H), F, dtype="bfloat16", param_dtype="bfloat16", rngs=nnx.Rngs(0))
    linen = rln.Cell(LSTM(H), dtype="bfloat16", param_dtype="bfloat16")
    carry = ours.initialize_carry((B, F))
    variables = {"params": rln.named(nnx.as_pure(ours.params))}
    stepped = ours(carry, XS[:, 0]), linen.apply(variables, carry, XS[:, 0])
    for tree in (carry, linen.initialize_carry(None, (B, F)), *stepped):
        assert {a.dtype for a in jax.tree.leaves(tree)} == {jnp.dtype(jnp.float32)}
    with pytest.raises(ValueError, match="expected dtype to be a float type"):
        linen.clone(dtype=jnp.int8).apply(variables, carry, XS[:, 0])


LAYERS = {
    "RNN": RNN(LSTM(H)),
    "Bidirectional": Bidirectional(GRU(H), merge="mean", backward=Elman(H)),
    "Embedding": Embedding(7, H),
    "Dense": Dense(2),
    "LayerNorm": LayerNorm(),
    "Dropout": Dropout("param"),
    "Pool": Pool("max"),
    "Sequential": Sequential((Embedding(7, F), RNN(GRU(H)), Dropout(0.5), Dense(2))),
}


@pytest.mark.parametrize("name", LAYERS)
def test_restored_layers_have_numpy_parameters(name):
    """`from_bytes` of Flax gives NumPy arrays."""
    layer = LAYERS[name]
    xs = TOKENS if layer.num_feature_axes == 0 else XS
    params = drawn(layer, F if layer.num_feature_axes else None)
    variables = {"params": rln.named(params)} if jax.tree.leaves(params) else {}
    restored = flax.serialization.from_bytes(variables, flax.serialization.to_bytes(variables))
    assert all(type(a) is np.ndarray for a in jax.tree.leaves(restored))
    _, expected = layer.apply(jax.tree.map(jnp.asarray, params), xs)
    np.testing.assert_array_equal(rln.Layer(layer).apply(restored, xs), expected)
    ours = rnx.Layer(layer, F, deterministic=True, rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(in_nnx(ours, jax.device_get(params))(xs), expected)


@pytest.mark.parametrize("cell", [LSTM(H), Gated(H)], ids=["LSTM", "Gated"])
def test_restored_cells_have_numpy_parameters(cell):
    params = jax.device_get(drawn(cell))
    variables: Any = {"params": rln.named(params)}
    _, expected = RNN(cell).apply(jax.tree.map(jnp.asarray, params), XS)
    ours = in_nnx(rnx.RNN(cell, F, rngs=nnx.Rngs(0)), params)
    np.testing.assert_array_equal(rln.RNN(cell).apply(variables, XS), expected)
    np.testing.assert_array_equal(ours(XS), expected)

    step = in_nnx(rnx.Cell(cell, F, rngs=nnx.Rngs(0)), params)
    carry = step.initialize_carry((B, F))
    initial = rln.Cell(cell).apply(variables, None, (B, F), method="initialize_carry")
    linen: Any = rln.Cell(cell).apply(variables, initial, XS[:, 0])
    for _, y in (step(carry, XS[:, 0]), linen):
        np.testing.assert_allclose(y, expected[:, 0], 1e-5, 1e-6)
