"""A cell with its carries among the outputs."""

import jax

from ..._static import derived
from ..._wrapper import Wrapper


class Record(Wrapper):
    """A cell that also puts out the carry after each step: `(y, carry)`.

    At masked steps both are zeros. The carries of all steps are kept in memory.

    Args:
        cell: the cell inside.

    Examples:
        >>> import jax.numpy as jnp, rnnjax
        >>> cell = rnnjax.Record(rnnjax.LSTM(8))
        >>> params = cell.init(jax.random.key(0), 3)
        >>> carry, (ys, carries) = rnnjax.scan(cell, params, jnp.ones((10, 3)))
        >>> carries.c.shape
        (10, 8)
    """

    output_size = derived(lambda self: (self.cell.output_size, None))

    def readout(self, weights, carry, x):
        return super().readout(weights, carry, x), carry

    def unroll(self, run, weights, carry, xs, *noise):
        recorded = []

        def run_and_record(part, weights, carry, xs, *noise):
            carry, (ys, carries) = run(Record(part), weights, carry, xs, *noise)
            recorded.append(carries)
            return carry, ys

        carry, ys = self.cell.unroll(run_and_record, self.inner(weights), carry, xs, *noise)
        # Parts run in the order of their carries in the whole one.
        structure = jax.tree.structure(carry)
        return carry, (ys, jax.tree.unflatten(structure, jax.tree.leaves(recorded)))
