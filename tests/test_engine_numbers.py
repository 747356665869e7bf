"""Integers, absent parameters, narrow and wide floats, and complex numbers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close
from draws import STAGED, B, F, H, draw, total

import rnnjax
from rnnjax import LSTM, Cell, Elman, explain, scan
from rnnjax._trees import inexact, pullback
from rnnjax.engine import Associative, Loop, initial_carry

pytestmark = pytest.mark.usefixtures("x64")


class Sparse(Elman):
    """A staged cell among whose parameters are integers, booleans and an absent one."""

    def init(self, key, input_size, *, dtype=jnp.float32):
        params = super().init(key, input_size, dtype=dtype)
        wired = jax.random.bernoulli(key, 0.5, params.w_h.shape)
        positive = jax.random.bernoulli(key, 0.5, (self.hidden_size,))
        signs = jnp.where(positive, 1, -1).astype(jnp.int8)
        return {**params._asdict(), "wired": wired, "signs": signs, "absent": None}

    def project(self, weights, xs):
        return xs @ weights["w_x"] + weights["b"] * weights["signs"]

    def recur(self, weights, carry, z):
        return z + carry @ (weights["w_h"] * weights["wired"])


def test_integers_and_absent_parameters():
    cell = Sparse(H)
    params = cell.init(jax.random.key(0), F, dtype=jnp.float64)
    _, xs, carry = draw(Elman(H), B)

    def gradient(method):
        def loss(floats):
            return total(scan(cell, params | floats, xs, carry, method=method))

        return jax.jit(jax.grad(loss))({name: params[name] for name in ("w_x", "w_h", "b")})

    assert explain(cell, params, xs).recurrences[0].form in ("staged loop", "native loop")
    assert_close(gradient(None), gradient(Loop(forward_mode=True)))

    @jax.jit
    def whole(params):
        def run(params):
            return scan(cell, params, xs, carry)

        everything = jax.grad(lambda params: total(run(params)), allow_int=True)(params)
        return pullback(run, params)(inexact(run(params))), everything

    (pulled,), everything = jax.eval_shape(whole, params)
    assert len(pulled) == 3
    assert everything["absent"] is None and everything["wired"].dtype == jax.dtypes.float0


class Trace(Cell):
    """A slow trace, `h' = decay h + x w_x`, from a start that is a parameter."""

    hidden_size: int

    def init(self, key, input_size, *, dtype=jnp.float32):
        w = jax.random.normal(key, (input_size, self.hidden_size), dtype)
        decay = jnp.full(self.hidden_size, 0.999, dtype)
        return {"w_x": w, "decay": decay, "start": jnp.ones(self.hidden_size, dtype)}

    def init_carry(self, weights, batch_shape=()):
        return jnp.broadcast_to(weights["start"], (*batch_shape, self.hidden_size))

    def project(self, weights, xs):
        return rnnjax.matmul(xs, weights["w_x"])

    def update(self, weights, carry, z):
        return z + weights["decay"] * carry


@pytest.mark.parametrize("kind", [Loop, Associative])
def test_only_factors_of_products_are_narrowed(kind):
    """Decays, starts and biases keep float32, and so do carries and outputs."""
    with jax.enable_x64(False):
        cell, xs = Trace(1), jnp.zeros((3000, 1, 3))
        params = cell.init(jax.random.key(0), 3)
        final, ys = jax.jit(partial(scan, cell, method=kind(dtype="bfloat16")))(params, xs)
        assert final.dtype == ys.dtype == jnp.float32
        np.testing.assert_allclose(final, 0.999**3000, rtol=1e-4)
        lstm = LSTM(8)
        params = lstm.init(jax.random.key(0), 3)
        xs = jax.random.normal(jax.random.key(1), (5, 2, 3))

        @jax.jit
        def run(params):
            return scan(lstm, params, xs, method=kind(dtype="bfloat16"))[1]

        gradient = jax.eval_shape(jax.grad(lambda params: run(params).sum()), params)
        assert {a.dtype for a in gradient} == {jnp.dtype("float32")}
        rounded = params._replace(w_x=_round(params.w_x), w_h=_round(params.w_h))
        assert abs(run(params) - run(params._replace(b=_round(params.b)))).max() == 0  # no loss
        assert 0 < abs(run(params) - scan(lstm, params, xs)[1]).max() < 0.05
        assert abs(run(params) - run(rounded)).max() == 0


def _round(a):
    return a.astype(jnp.bfloat16).astype(a.dtype)


@pytest.mark.parametrize("dtype", ["int8", "bool", "complex64"])
def test_a_method_refuses_a_dtype_that_is_no_float(dtype):
    with pytest.raises(ValueError, match="expected dtype to be a float type"):
        Loop(dtype=dtype)


def test_carries_are_widened_but_not_narrowed():
    params, xs, carry = draw(STAGED, B)
    assert initial_carry(STAGED, params, (B,)).c.dtype == jnp.float64
    narrow = jax.tree.map(lambda a: a.astype(jnp.bfloat16), carry)
    wide = jax.tree.map(lambda a: a.astype(jnp.float64), narrow)
    assert_close(scan(STAGED, params, xs, narrow), scan(STAGED, params, xs, wide))
    params, xs = jax.tree.map(lambda a: a.astype(jnp.float32), (params, xs))
    with pytest.raises(ValueError, match="expected a carry of LSTM.* in float32, got float64"):
        scan(STAGED, params, xs, carry)


def test_complex_inputs_need_complex_parameters():
    params, xs, _ = draw(STAGED, B)
    with pytest.raises(ValueError, match="expected real inputs for real parameters, got complex"):
        scan(STAGED, params, xs * (1 + 1j))
    weights = jax.tree.map(lambda a: a * (1 + 1j), draw(Elman(H), B)[0])
    with pytest.raises(ValueError, match="expected a parameter of Elman.* like float"):
        scan(Elman(H), weights, xs)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "bool"])
def test_weights_of_the_wrong_kind_are_refused(dtype):
    params, xs, _ = draw(STAGED, B)
    wrong = params._replace(w_h=jnp.sign(params.w_h).astype(dtype))
    with pytest.raises(ValueError, match=f"like float.*, got {dtype}"):
        scan(STAGED, wrong, xs)
