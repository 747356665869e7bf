"""Attention against NumPy float64 written from the papers, one query at a time."""

# pyright: reportArgumentType=false

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import random_like
from reference.attention_decoder import attend, product

from rnnjax import GRU
from rnnjax.attention import Additive, Attention, Dot, General, MultiHead, Source
from rnnjax.cells import Bridge
from rnnjax.engine import initial_carry
from rnnjax.layers import Attend
from rnnjax.testing import assert_close

B, T, S, Q, M = 3, 2, 4, 4, 6
ATTENTIONS = [
    pytest.param(Additive(5), M, id="additive"),
    pytest.param(Dot(), Q, id="dot"),
    pytest.param(Dot(scaled=True), Q, id="scaled"),
    pytest.param(General(), M, id="general"),
    pytest.param(MultiHead(2, 8), M, id="heads"),
]


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def drawn(memory_size):
    """Queries of several steps, and values with NaN behind their lengths; a row has none."""
    random = np.random.default_rng(1)
    queries = random.standard_normal((T, B, Q))
    values = random.standard_normal((B, S, memory_size))
    lengths = np.array([4, 2, 0])
    values[np.arange(S) >= lengths[:, None]] = np.nan
    return jnp.asarray(queries), Source(jnp.asarray(values), jnp.asarray(lengths))


@pytest.mark.parametrize(("attention", "memory_size"), ATTENTIONS)
def test_values_and_gradients(attention, memory_size):
    queries, source = drawn(memory_size)
    params = random_like(2, attention.init(jax.random.key(0), Q, memory_size, dtype=jnp.float64))

    @jax.jit
    def read(params, queries, values):
        memory = attention.prepare(params, source._replace(values=values))
        return attention.read(params, queries, memory)

    attended, p = read(params, queries, source.values)
    host = jax.tree.map(np.asarray, (params, queries, source))
    for t in range(T):
        for b in range(B - 1):
            one = jax.tree.map(lambda a, b=b: a[b], host[2])
            expected = attend(host[0], host[1][t, b], attention, one)
            np.testing.assert_allclose(attended[t, b], expected[0], rtol=1e-10)
            np.testing.assert_allclose(p[t, b], expected[1], rtol=1e-10, atol=1e-12)
    assert not np.any(attended[:, 2]) and not np.any(p[:, 2])

    def total(params, queries, values):
        attended, p = read(params, queries, values)
        return jnp.sum(attended**2) + jnp.sum(jnp.sin(3 * p))

    arguments = params, queries, source.values
    gradient = jax.grad(total, (0, 1, 2))(*arguments)
    chex.assert_tree_all_finite(gradient)
    direction = random_like(7, jax.tree.map(jnp.zeros_like, arguments))
    slope = sum(
        jnp.vdot(g, d)
        for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True)
    )
    ends = (
        total(*jax.tree.map(lambda a, d, h=h: a + h * d, arguments, direction))
        for h in (1e-5, -1e-5)
    )
    np.testing.assert_allclose(slope, (next(ends) - next(ends)) / 2e-5, rtol=1e-6)


def test_attend_reads_every_step_and_repeats_no_other():
    queries, source = drawn(M)
    layer = Attend(General(), M, 5)
    params = random_like(3, layer.init(jax.random.key(0), Q, dtype=jnp.float64))
    xs = queries.swapaxes(0, 1)
    ys = layer.apply(params, xs, context=source)[1]
    host = jax.tree.map(np.asarray, (params, xs, source))
    for b in range(B - 1):
        one = jax.tree.map(lambda a, b=b: a[b], host[2])
        for t in range(T):
            read, _ = attend(host[0].attention, host[1][b, t], layer.attention, one)
            joined = np.concatenate([host[1][b, t], read])
            expected = np.tanh(product(joined, host[0].w) + host[0].b)
            np.testing.assert_allclose(ys[b, t], expected, rtol=1e-10)
    _, p = layer.read(params, xs, source)
    np.testing.assert_allclose(p.sum(-1), [[1, 1], [1, 1], [0, 0]])


def test_a_bridge_computes_the_first_carry():
    summary = jnp.asarray(np.random.default_rng(5).standard_normal((B, 2)))
    cell = Bridge(GRU(4), 2)
    params = random_like(4, cell.init(jax.random.key(0), 3, dtype=jnp.float64))
    context = Source(jnp.ones((B, 1, 1)), summary=summary)
    carry = initial_carry(cell, cell.prepare(params, context=context, batch_shape=(B,)), (B,))
    host = jax.tree.map(np.asarray, params)
    for b in range(B):
        expected = np.tanh(product(np.asarray(summary[b]), host.w[0]) + host.b[0])
        np.testing.assert_allclose(carry[b], expected, rtol=1e-12)
    with pytest.raises(ValueError, match=r"expected a Source with a summary \[3, 2\]"):
        cell.prepare(params, context=context._replace(summary=None), batch_shape=(B,))


class Constant(Attention):
    """A user's attention: the same score for all values."""

    def init(self, key, query_size, memory_size, *, dtype=None):
        return ()

    def scores(self, params, query, keys):
        return jnp.zeros(keys.shape[:-1])


def test_an_attention_of_a_user_takes_the_mean():
    _, source = drawn(M)
    layer = Attend(Constant(), M, 5)
    params = layer.init(jax.random.key(0), Q)
    attended, _ = layer.read(params, jnp.ones((B, T, Q)), source)
    assert_close(attended[0], jnp.tile(source.values[0].mean(0), (T, 1)))
    assert_close(attended[1], jnp.tile(source.values[1, :2].mean(0), (T, 1)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Dot().init(jax.random.key(0), 3, 4), "expected queries and values of the same"),
        (lambda: MultiHead(3, 8), "expected a size that the heads divide, got size=8 and heads=3"),
        (lambda: Dot().prepare((), jnp.ones((2, 3))), "expected a Source of values and lengths"),
        (lambda: Dot().prepare((), Source(jnp.ones((2, 3), int))), "expected values .* got int"),
        (
            lambda: Dot().prepare((), Source(jnp.ones((2, 3, 4)), jnp.ones(3, int))),
            r"expected lengths to be integers of shape \[2\], one a sequence, got int64\[3\]",
        ),
        (
            lambda: Attend(Dot(), 4, 2).read(
                Attend(Dot(), 4, 2).init(jax.random.key(0), 4),
                jnp.ones((3, 1, 4)),
                Source(jnp.ones((2, 3, 4))),
            ),
            r"expected values \[3, S, 4\], one memory for each sequence, got \[2, 3, 4\]",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
