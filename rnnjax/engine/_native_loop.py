"""One step after the other, compiled from C++: the method for a CPU."""

from functools import lru_cache, partial
from math import prod
from typing import Any

import jax

from .._core import Cell
from .._trees import is_weight, leaf_names
from ._choice import slower
from ._loop import Stepwise, obstacle_to_stages, staged
from ._method import Recurrence
from ._plain import linear_carries, read
from ._staged import bodies, carry_alone, compiled_loop
from ._time import Time, batch_of, precisely
from .native._compiler import failure, obstacle, wanted
from .native._primitive import Compiled, compiled


class NativeLoop(Stepwise):
    """One step after the other, compiled by the machine's C++ compiler from the cell's own stages.

    The rows of a batch do not depend on each other, so each core runs all steps for its own rows,
    with weights that are packed once. The loops forwards and back are made of the cell's `project`,
    `recur` and `update`; none is written for a cell. `explain(..., source=True)` shows them.

    Args:
        checkpoint: as for `Loop`.

    Examples:
        >>> NativeLoop(checkpoint="sqrt").checkpoint
        'sqrt'
    """

    def obstacle(self, cell: Cell, recurrence: Recurrence, steps: Any) -> str | None:
        if jax.default_backend() != "cpu":
            return "it is for CPUs"
        if not (cell.staged or cell.linear):
            return "the cell has no stages, of which it would be made"
        if why := obstacle() or obstacle_to_stages(recurrence, steps):
            return why
        batch = batch_of(cell, recurrence.xs)
        if not all(isinstance(n, int) for n in batch):
            return "the number of rows is not known while JAX traces"
        if not prod(batch):
            return "there are no rows"
        loop, _ = self._compiled(cell, recurrence)
        return loop if isinstance(loop, str) else failure(loop.source)

    def slower(self, cell: Cell, recurrence: Recurrence, steps: Any) -> str | None:
        if wanted() or recurrence.xs is None:
            return None
        names = jax.tree.leaves(leaf_names(recurrence.weights))
        arrays = zip(names, jax.tree.leaves(recurrence.weights), strict=True)
        weights = sum(a.size for name, a in arrays if is_weight(name) and a.ndim > 1)
        return slower(weights, batch_of(cell, recurrence.xs), steps)

    def form(self, cell, recurrence, steps):
        _, back = self._compiled(cell, recurrence)
        why = "each core runs all steps of its rows; weights are packed once"
        back = back if isinstance(back, str) else failure(back.source)
        return "native loop", why if back is None else f"{why}; not the loop back: {back}"

    def run(self, cell, recurrence, steps, reverse):
        time = Time(steps, reverse=reverse, precision=self.precision, native=True)
        loop = _linear if cell.linear else staged
        return self.segments(partial(loop, cell), recurrence, time)

    def sources(self, cell: Cell, recurrence: Recurrence) -> tuple[str, ...]:
        """The C++ of the loop and of the loop back."""
        found = self._compiled(cell, recurrence)
        return tuple(each.source for each in found if not isinstance(each, str))

    def _compiled(self, cell, recurrence):
        leaves, tree = jax.tree.flatten(recurrence)
        kinds = tuple((a.shape, a.dtype) for a in leaves)
        return _both_ways(cell, self.precision, tree, kinds)


@lru_cache(maxsize=256)
def _both_ways(cell: Cell, precision: Any, tree: Any, kinds: tuple) -> list[Compiled | str]:
    """The loop and the loop back of arrays of some shapes and dtypes, or their obstacles."""
    recurrence = tree.unflatten([jax.ShapeDtypeStruct(*kind) for kind in kinds])
    with precisely(precision):
        jaxprs = bodies(cell, *recurrence)
    batch = batch_of(cell, recurrence.xs)
    found = [compiled(jaxpr, groups, batch) for jaxpr, groups, _ in jaxprs]
    if cell.linear:
        found[1] = "a linear cell is differentiated in JAX, which is faster"
    return found


def _linear(cell, time, weights, xs, noise, carry, start, masks):
    """The loop of a linear cell; JAX differentiates the form in JAX."""
    args = (weights, xs, noise, carry, start, masks)
    last, carries = compiled_loop(cell, time, carry_alone, linear_carries, *args)
    return last, read(cell, weights, carries, xs, start, masks)
