"""Normalisation over features."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._core import carry_dtype, frozen
from ._layer import Layer, Signals


class LayerNormParams(NamedTuple):
    """Parameters of `LayerNorm`.

    Attributes:
        gain: factor of every feature, `[I]`.
        bias: summand of every feature, `[I]`.

    Example:
        >>> LayerNorm().init(jax.random.key(0), 3).gain.shape
        (3,)
    """

    gain: Float[Array, "i"]
    bias: Float[Array, "i"]


@frozen
class LayerNorm(Layer[LayerNormParams]):
    """Mean zero and variance one over the features of every step, then gain and bias.

    Args:
        epsilon: added to the variance.

    Example:
        >>> layer = LayerNorm()
        >>> params = layer.init(jax.random.key(0), 3)
        >>> _, ys = layer.apply(params, jnp.array([[[1.0, 2.0, 3.0]]]))
        >>> ys.mean().round(3)
        Array(0., dtype=float32)

    Reference:
        J. Ba, J. Kiros, G. Hinton, Layer normalization, 2016.
    """

    epsilon: float = 1e-5

    @property
    def output_size(self) -> None:
        return None

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> LayerNormParams:
        del key
        return LayerNormParams(gain=jnp.ones(input_size, dtype), bias=jnp.zeros(input_size, dtype))

    def run(self, params, xs, carry, signals: Signals):
        if xs.shape[-1] != params.gain.shape[0]:
            raise ValueError(
                f"expected inputs with {params.gain.shape[0]} features, got shape {list(xs.shape)}"
            )
        xs = xs.astype(carry_dtype(xs.dtype))
        return (), jax.nn.standardize(xs, epsilon=self.epsilon) * params.gain + params.bias
