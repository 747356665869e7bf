"""From images to vectors."""

from math import prod
from typing import Any

import jax.numpy as jnp

from ._layer import Pointwise


class Flatten(Pointwise[tuple]):
    """The pixels of every step in one vector: `[B, T, height, width, C]` to `[B, T, I]`.

    It stands between convolutions and recurrent layers of vectors.

    Examples:
        >>> Flatten().apply((), jnp.ones((2, 5, 4, 3, 2)))[1].shape
        (2, 5, 24)
    """

    num_feature_axes = 3

    def output_size_of(self, input_size):
        return None if input_size is None else prod(input_size)

    def init(self, key, input_size=None, *, dtype: Any = jnp.float32) -> tuple:
        return ()

    def transform(self, params, xs):
        return xs.reshape(*xs.shape[:-3], prod(xs.shape[-3:]))
