"""Normalization over features."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from .._checks import check_positive
from .._numerics import along, carry_dtype
from ._layer import Pointwise


class LayerNormParams(NamedTuple):
    """Parameters of `LayerNorm`."""

    gain: Float[Array, "i"]  # factor of every feature
    bias: Float[Array, "i"]  # summand of every feature


class LayerNorm(Pointwise[LayerNormParams]):
    """Mean zero and variance one over the features of every step, then gain and bias.

        d = x - mean(x),  y = gain d / sqrt(mean(d²) + epsilon) + bias

    Args:
        epsilon: added to the variance; positive, so that constant features have a gradient.

    Examples:
        >>> import jax
        >>> layer = LayerNorm()
        >>> params = layer.init(jax.random.key(0), 3)
        >>> layer.apply(params, jnp.array([[[1.0, 2.0, 3.0]]]))[1].round(2)
        Array([[[-1.22,  0.  ,  1.22]]], dtype=float32)

    Reference:
        J. Ba, J. Kiros, G. Hinton, Layer normalization, 2016.
    """

    _: KW_ONLY
    epsilon: float = 1e-5

    def __post_init__(self):
        super().__post_init__()
        if self.epsilon <= 0:
            raise ValueError(f"expected epsilon to be positive, got {self.epsilon}")

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> LayerNormParams:
        size = check_positive("input_size", input_size)
        return LayerNormParams(gain=jnp.ones(size, dtype), bias=jnp.zeros(size, dtype))

    def transform(self, params, xs):
        # In the wider of both types, and at least in float32.
        floats = [a.dtype for a in (xs, params.gain) if jnp.issubdtype(a.dtype, jnp.inexact)]
        dtype = carry_dtype(max(floats, key=lambda dtype: jnp.finfo(dtype).bits))
        xs, gain, bias = (a.astype(dtype) for a in (xs, *params))
        # Centred first: a difference of mean squares would cancel where the mean is far from 0.
        d = xs - xs.mean(-1, keepdims=True)
        variance = jnp.square(d).mean(-1, keepdims=True)
        return d * lax.rsqrt(variance + self.epsilon) * along(gain, d) + along(bias, d)
