"""An autoregressive readout of truth values: each depends on those before it in the same step."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import brief
from .._numerics import add_bias, along, carry_dtype, matmul
from ..cells import Initializer, initializer
from ._layer import Layer
from ._signals import Signals


class NADEParams(NamedTuple):
    """Parameters of `NADE`."""

    w_x: Float[Array, "i d"]  # of the inputs, to the hidden units
    w_k: Float[Array, "k d"]  # of the keys before, to the hidden units
    b: Float[Array, "d"]  # bias of the hidden units
    w_o: Float[Array, "i k"]  # of the inputs, to the logits
    w_u: Float[Array, "k d"]  # of the hidden units, to the logits
    b_o: Float[Array, "k"]  # bias of the logits


class NADE(Layer[NADEParams]):
    """Logits of the K keys of a frame, each given the keys before it: `[B, T, I]` to `[B, T, K]`.

        d[k] = sigmoid(x w_x + b + sum(frame[j] w_k[j] for j < k))
        y[k] = (x w_o + b_o)[k] + w_u[k] · d[k]

    The probability of a frame, a vector of K truth values, is the product of those of its keys, so
    it sums to 1 over all `2^K` frames: `losses.frame_loss` is exact. Independent keys, as of
    `Dense`, cannot represent which notes make a chord. The context of the layer, `Batch.context`,
    is the frames to score, `[B, T, K]`; for the next frame that is the targets. All steps are
    computed at once; `decoding.generate_frames` samples key by key.

    Args:
        size: number of keys K.
        hidden: number of hidden units D.
        w_init: initializer of the weights.
        b_init: initializer of the biases.

    Raises:
        ValueError: if the context is not frames of K keys for every step.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN, Sequential
        >>> model = Sequential((RNN(rnnjax.LSTM(8)), NADE(88, 16)))
        >>> params = model.init(jax.random.key(0), 88)
        >>> frames = jnp.zeros((2, 5, 88))
        >>> model.apply(params, frames[:, :-1], context=frames[:, 1:])[1].shape
        (2, 4, 88)

    Reference:
        H. Larochelle, I. Murray, The neural autoregressive distribution estimator, AISTATS 2011;
        behind a recurrent network: N. Boulanger-Lewandowski, Y. Bengio, P. Vincent, Modeling
        temporal dependencies in high-dimensional sequences, ICML 2012.
    """

    size: int
    hidden: int
    _: KW_ONLY
    w_init: Initializer = "glorot_uniform"
    b_init: Initializer = "zeros"

    output_size = property(lambda self: self.size)
    takes_context = True

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> NADEParams:
        inputs, keys, units = input_size, self.size, self.hidden
        w, b = initializer(self.w_init), initializer(self.b_init)
        draws = jax.random.split(key, 6)
        return NADEParams(
            w(draws[0], (inputs, units), dtype),
            w(draws[1], (keys, units), dtype),
            b(draws[2], (units,), dtype),
            w(draws[3], (inputs, keys), dtype),
            w(draws[4], (keys, units), dtype),
            b(draws[5], (keys,), dtype),
        )

    def run(self, params, xs, carry, signals: Signals):
        frames = self._frames(xs, signals)
        start, logits = matmul(xs, params.w_x), matmul(xs, params.w_o)
        dtype = carry_dtype(start.dtype)
        start = add_bias(start.astype(dtype), params.b.astype(dtype))
        logits = add_bias(logits.astype(dtype), params.b_o.astype(dtype))
        w_k, w_u = params.w_k.astype(dtype), params.w_u.astype(dtype)

        # All steps at once, key by key. A cumulative sum over an array [B, T, K, D] took ten times
        # as long on a CPU, whose cache it leaves; on a GPU 0.3 ms instead of 2.
        def add(before, key):
            sounds, w_k, w_u = key
            logit = (jax.nn.sigmoid(before) * along(w_u, before)).sum(-1)
            return before + sounds[..., None] * along(w_k, before), logit

        keys = jnp.moveaxis(frames.astype(dtype), -1, 0), w_k, w_u
        _, dependent = jax.lax.scan(add, start, keys)
        return (), logits + jnp.moveaxis(dependent, 0, -1)

    def _frames(self, xs: Array, signals: Signals) -> Array:
        frames, shape = signals.context, (*xs.shape[:2], self.size)
        real = isinstance(frames, jax.Array) and not jnp.iscomplexobj(frames)
        if not real or frames.shape != shape:
            raise ValueError(
                f"expected a context of shape {list(shape)}, the frames to score, got "
                f"{brief(frames)}; for the next frame it is the targets"
            )
        return signals.clean(frames)
