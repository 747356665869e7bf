"""A connection past a cell."""

from typing import Any

import jax.numpy as jnp

from ..._wrapper import Wrapper


class Residual(Wrapper):
    """A cell whose input is added to its output: `y = x + cell(x)`.

    Gradients reach the lower cells of a deep stack past the gates of the upper ones.

    Args:
        cell: a cell with as many output features as it has input features.

    Examples:
        >>> import jax, rnnjax
        >>> cell = rnnjax.Stack((rnnjax.GRU(4), rnnjax.Residual(rnnjax.GRU(4))))
        >>> params = cell.init(jax.random.key(0), 3)
        >>> carry, ys = rnnjax.scan(cell, params, jnp.ones((10, 3)))
        >>> ys.shape
        (10, 4)

    Reference:
        Y. Wu et al., Google's neural machine translation system, 2016, section 3.1.
    """

    def init(self, key, input_size, *, dtype: Any = jnp.float32):
        if input_size != self.output_size:
            raise ValueError(
                f"expected inputs of {self.output_size} features, as many as {self.cell} puts "
                f"out, got {input_size}; a residual connection needs equal sizes"
            )
        return super().init(key, input_size, dtype=dtype)

    def readout(self, weights, carry, x):
        y = super().readout(weights, carry, x)
        return x.astype(y.dtype) + y

    def unroll(self, run, weights, carry, xs, *noise):
        carry, ys = self.cell.unroll(run, self.inner(weights), carry, xs, *noise)
        return carry, xs.astype(ys.dtype) + ys
