"""Two staged cells as a user of the library writes them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import Cell, LSTMCarry, add_bias, along, matmul
from rnnjax.initializers import glorot_uniform, orthogonal, per_gate


class LayerNormLSTMParams(NamedTuple):
    """Parameters of `LayerNormLSTM`; the blocks of the last axis are the gates i, f, g, o."""

    w_x: jax.Array
    w_h: jax.Array
    gain_x: jax.Array
    gain_h: jax.Array
    b: jax.Array
    gain_c: jax.Array
    b_c: jax.Array


class LayerNormLSTM(Cell[LayerNormLSTMParams, LSTMCarry]):
    """LSTM with layer normalisation of both products and of the memory.

        i, f, g, o = split(gain_x LN(x w_x) + gain_h LN(h w_h) + b)
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = sigmoid(o) tanh(gain_c LN(c') + b_c)
        LN(a) = (a - mean(a)) / sqrt(mean((a - mean(a))²) + 1e-5)

    Variant: the biases of both normalised products are one. Every parameter is in a stage, so
    that its gradient is computed after the loop.

    Reference:
        J. Ba, J. Kiros, G. Hinton, Layer normalization, 2016, equations 20 to 22.
    """

    hidden_size: int

    num_products = 3

    def init(self, key, input_size, *, dtype=jnp.float32):
        key_x, key_h = jax.random.split(key)
        size = self.hidden_size
        return LayerNormLSTMParams(
            w_x=per_gate(glorot_uniform, 4)(key_x, (input_size, 4 * size), dtype),
            w_h=per_gate(orthogonal, 4)(key_h, (size, 4 * size), dtype),
            gain_x=jnp.ones(4 * size, dtype),
            gain_h=jnp.ones(4 * size, dtype),
            b=jnp.zeros(4 * size, dtype).at[size : 2 * size].set(1),
            gain_c=jnp.ones(size, dtype),
            b_c=jnp.zeros(size, dtype),
        )

    def init_carry(self, weights, batch_shape=()):
        h = jnp.zeros((*batch_shape, self.hidden_size))
        return LSTMCarry(h=h, c=h)

    def project(self, weights, xs):
        return add_bias(_normalized(matmul(xs, weights.w_x), weights.gain_x), weights.b)

    def recur(self, weights, carry, z, product=None, s=None):
        if product is None:
            return matmul(carry.h, weights.w_h)
        if s is None:
            return z + _normalized(product, weights.gain_h)
        i, f, g, _ = jnp.split(s, 4, axis=-1)
        c = jax.nn.sigmoid(f) * carry.c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return LSTMCarry(h=add_bias(_normalized(c, weights.gain_c), weights.b_c), c=c)

    def update(self, weights, carry, *s):
        _, gates, memory = s
        o = jnp.split(gates, 4, axis=-1)[-1]
        return LSTMCarry(h=jax.nn.sigmoid(o) * jnp.tanh(memory.h), c=memory.c)


def _normalized(a, gain):
    """Mean zero and variance one over the features, times the gain."""
    centred = a - jnp.mean(a, -1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), -1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + 1e-5) * along(gain, a)


class MinimalGatedUnitParams(NamedTuple):
    """Parameters of `MinimalGatedUnit`; the blocks of `w_x` and `b` are f, n."""

    w_x: jax.Array
    w_hf: jax.Array
    w_hn: jax.Array
    b: jax.Array


class MinimalGatedUnit(Cell[MinimalGatedUnitParams, jax.Array]):
    """Minimal gated unit: one gate, which resets and updates.

        f  = sigmoid(x w_xf + h w_hf + b_f)
        n  = tanh(x w_xn + (f h) w_hn + b_n)
        h' = (1 - f) h + f n

    Reference:
        G.-B. Zhou, J. Wu, C.-L. Zhang, Z.-H. Zhou, Minimal gated unit for recurrent neural
        networks, 2016.
    """

    hidden_size: int

    num_products = 2

    def init(self, key, input_size, *, dtype=jnp.float32):
        key_x, key_f, key_n = jax.random.split(key, 3)
        size = self.hidden_size
        return MinimalGatedUnitParams(
            w_x=per_gate(glorot_uniform, 2)(key_x, (input_size, 2 * size), dtype),
            w_hf=orthogonal(key_f, (size, size), dtype),
            w_hn=orthogonal(key_n, (size, size), dtype),
            b=jnp.zeros(2 * size, dtype),
        )

    def init_carry(self, weights, batch_shape=()):
        return jnp.zeros((*batch_shape, self.hidden_size))

    def project(self, weights, xs):
        z = add_bias(matmul(xs, weights.w_x), weights.b)
        return jnp.split(z, 2, axis=-1)

    def recur(self, weights, carry, z, f=None):
        if f is None:
            return z[0] + matmul(carry, weights.w_hf)
        return z[1] + matmul(jax.nn.sigmoid(f) * carry, weights.w_hn)

    def update(self, weights, carry, *s):
        f, n = jax.nn.sigmoid(s[0]), jnp.tanh(s[1])
        return (1 - f) * carry + f * n
