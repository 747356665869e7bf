"""The base of cells that change one thing about another cell."""

from typing import Any

import jax.numpy as jnp

from ._checks import check_instance
from ._core import Cell
from ._static import derived


def check_cell(cell: Any) -> None:
    """Raises a `ValueError` unless `cell` is an instance of a cell.

    Examples:
        >>> import rnnjax
        >>> check_cell(rnnjax.LSTM(8))
    """
    check_instance("cell", cell, Cell, "LSTM(8)")


class Wrapper(Cell):
    """Forwards every hook to `cell`. A subclass overrides the hooks that it changes.

    A wrapper that adds to the weights in `prepare` also gives `inner`, which takes them apart. A
    wrapper of the carry changes real and complex arrays only. A wrapper without an effect on a cell
    refuses it.

    Args:
        cell: the cell inside.

    Examples:
        >>> import rnnjax
        >>> class Halved(Wrapper):
        ...     def readout(self, weights, carry, x):
        ...         return super().readout(weights, carry, x) / 2
        >>> Halved(rnnjax.LSTM(8)).staged
        True
    """

    cell: Cell

    _linear = True
    output_size = derived(lambda self: self.cell.output_size)
    num_feature_axes = derived(lambda self: self.cell.num_feature_axes)
    num_products = derived(lambda self: self.cell.num_products)
    takes_context = derived(lambda self: self.cell.takes_context)
    linear = derived(lambda self: self._linear and self.cell.linear)
    staged = derived(lambda self: self.cell.staged or (self.cell.linear and not self.linear))

    def inner(self, weights: Any) -> Any:
        """The weights of the cell inside."""
        return weights

    def init(self, key, input_size, *, dtype: Any = jnp.float32):
        return self.cell.init(key, input_size, dtype=dtype)

    def prepare(self, params, *, context=None, key=None, batch_shape=()):
        return self.cell.prepare(params, context=context, key=key, batch_shape=batch_shape)

    def init_carry(self, weights, batch_shape=()):
        return self.cell.init_carry(self.inner(weights), batch_shape)

    def noise(self, weights, key, lead):
        return self.cell.noise(self.inner(weights), key, lead)

    def project(self, weights, xs, *noise):
        return self.cell.project(self.inner(weights), xs, *noise)

    def recur(self, weights, carry, z, *s):
        return self.cell.recur(self.inner(weights), carry, z, *s)

    def update(self, weights, carry, *s):
        return self.cell.update(self.inner(weights), carry, *s)

    def elements(self, weights, xs, *noise):
        return self.cell.elements(self.inner(weights), xs, *noise)

    def readout(self, weights, carry, x):
        return self.cell.readout(self.inner(weights), carry, x)

    def unroll(self, run, weights, carry, xs, *noise):
        kept = ("init_carry", "noise", "project", "recur", "update", "elements", "readout")
        if any(getattr(type(self), hook) is not getattr(Wrapper, hook) for hook in kept):
            return run(self, weights, carry, xs, *noise)
        return self.cell.unroll(run, self.inner(weights), carry, xs, *noise)
