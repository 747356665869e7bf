"""The bridge from cells to layers."""

from typing import Any

import jax
import jax.numpy as jnp

from .._core import Cell, check_cell, frozen
from ..engine import Sequential, scan
from ._layer import Layer, Signals


@frozen
class Recurrent(Layer):
    """A cell run over time: `[*batch, T, I]` to `[*batch, T, output_size]`.

    Args:
        cell: the cell; its parameters are the layer's.
        reverse: whether to run from the last valid step to the first. Outputs stay in the
            order of the inputs.
        method: how the engine computes; `None` is the best known way.
        dtype: that to compute products in, such as "bfloat16"; see `scan`.
        precision: of products in float32, such as "highest"; see `scan`.

    Example:
        >>> import rnnjax
        >>> layer = Recurrent(rnnjax.LSTM(8))
        >>> params = layer.init(jax.random.key(0), 3)
        >>> carry, ys = layer.apply(params, jnp.ones((2, 5, 3)), lengths=jnp.array([5, 2]))
        >>> ys.shape, carry.h.shape
        ((2, 5, 8), (2, 8))
    """

    cell: Cell
    reverse: bool = False
    method: Sequential | None = None
    dtype: str | None = None
    precision: str | None = None

    def __post_init__(self):
        check_cell(self.cell)

    @property
    def output_size(self) -> int:
        return self.cell.output_size

    def init(self, key, input_size, *, dtype: Any = jnp.float32):
        return self.cell.init(key, input_size, dtype=dtype)

    def init_carry(self, params, batch_shape=()):
        return self.cell.init_carry(params, batch_shape)

    def run(self, params, xs, carry, signals: Signals):
        batch_axes = jax.tree.leaves(xs)[0].ndim - 2
        time_major = jax.tree.map(lambda a: jnp.moveaxis(a, batch_axes, 0), xs)
        mask, resets = (
            None if signal is None else jnp.moveaxis(signal, batch_axes, 0)
            for signal in (signals.mask, signals.resets)
        )
        carry, ys = scan(
            self.cell,
            params,
            time_major,
            carry,
            lengths=signals.lengths,
            mask=mask,
            resets=resets,
            reverse=self.reverse,
            method=self.method,
            dtype=self.dtype,
            precision=self.precision,
        )
        return carry, jax.tree.map(lambda a: jnp.moveaxis(a, 0, batch_axes), ys)
