"""The bridge from cells to layers."""

from dataclasses import KW_ONLY
from typing import Any

import jax
import jax.numpy as jnp

from .._arguments import cast_params, initial_carry
from .._core import Cell
from ..engine import Method, scan
from ._layer import Layer
from ._pool import end
from ._signals import Signals


class RNN(Layer):
    """A cell run over time: `[B, T, I]` to `[B, T, O]`.

    Args:
        cell: the cell; its parameters are the layer's.
        reverse: whether to run from the last valid step to the first. Outputs stay in the
            order of the inputs.
        return_sequences: whether to give the outputs of all steps; otherwise only the
            output of the last step processed, `[B, O]`, and zeros for a sequence without a valid
            step.
        method: how the engine computes; `None` is the best known way.

    Examples:
        >>> import rnnjax
        >>> layer = RNN(rnnjax.LSTM(8))
        >>> params = layer.init(jax.random.key(0), 3)
        >>> carry, ys = layer.apply(params, jnp.ones((2, 5, 3)), lengths=jnp.array([5, 2]))
        >>> ys.shape, carry.h.shape
        ((2, 5, 8), (2, 8))
    """

    cell: Cell
    _: KW_ONLY
    reverse: bool = False
    return_sequences: bool = True
    method: Method | None = None

    has_memory = True
    output_size = property(lambda self: self.cell.output_size)
    num_feature_axes = property(lambda self: self.cell.num_feature_axes)
    takes_context = property(lambda self: self.cell.takes_context)
    keeps_time = property(lambda self: self.return_sequences)
    causal = property(lambda self: self.return_sequences and not self.reverse)
    runs_backward = property(lambda self: self.reverse)

    def init(self, key, input_size, *, dtype: Any = jnp.float32):
        return self.cell.init(key, input_size, dtype=dtype)

    def init_carry(self, params, batch_shape=()):
        if self.takes_context:
            raise ValueError(
                f"expected a cell whose carry depends on no context, got {self.cell}; start with "
                "carry=None and the context"
            )
        weights = self.cell.prepare(cast_params(params), batch_shape=batch_shape)
        return initial_carry(self.cell, weights, batch_shape)

    def check(self, params, xs, carry):
        """The parameters; `scan` checks the carry, and cells of tokens."""
        if self.num_feature_axes:
            super().check(params, xs, carry)

    def run(self, params, xs, carry, signals: Signals):
        carry, ys = scan(
            self.cell,
            params,
            _swap(xs),
            carry,
            context=signals.context if self.takes_context else None,
            key=signals.key,
            lengths=signals.lengths,
            mask=_swap(signals.mask),
            resets=_swap(signals.resets),
            reverse=self.reverse,
            method=self.method,
        )
        ys = _swap(ys)
        if self.return_sequences:
            return carry, ys
        return carry, jax.tree.map(lambda y: end(y, signals, first=self.reverse), ys)


def _swap(tree: Any) -> Any:
    """Batch-major to time-major, and back."""
    return jax.tree.map(lambda a: a.swapaxes(0, 1), tree)
