"""One step after the other, compiled from C++: the method for a CPU."""

from functools import partial
from typing import Any

import jax

from .._core import Cell
from .._trees import is_weight, leaf_names
from ._choice import NATIVE_WEIGHTS
from ._loop import Stepwise, obstacle_to_stages, staged
from ._method import Recurrence
from ._staged import bodies
from ._time import Time, batch_of, precisely
from .native._compiler import failure, obstacle, wanted
from .native._primitive import compiled


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
        found = self._compiled(cell, recurrence)
        reasons = (each if isinstance(each, str) else failure(each.source) for each in found)
        return next(filter(None, reasons), None)

    def slower(self, cell: Cell, recurrence: Recurrence, steps: Any) -> str | None:
        if wanted():
            return None
        names, arrays = (jax.tree.leaves(f(recurrence.weights)) for f in (leaf_names, lambda a: a))
        pairs = zip(names, arrays, strict=True)
        weights = sum(a.size for name, a in pairs if is_weight(name) and a.ndim > 1)
        if weights < NATIVE_WEIGHTS:
            return f"{weights} weights are too few for the time to compile it"
        return None

    def form(self, cell, recurrence, steps):
        return "native loop", "each core runs all steps of its rows; weights are packed once"

    def run(self, cell, recurrence, steps, reverse):
        time = Time(steps, reverse=reverse, precision=self.precision, native=True)
        return self.segments(partial(staged, cell), recurrence, time)

    def sources(self, cell: Cell, recurrence: Recurrence) -> tuple[str, ...]:
        """The C++ of the loop and of the loop back."""
        found = self._compiled(cell, recurrence)
        return tuple(each.source for each in found if not isinstance(each, str))

    def _compiled(self, cell, recurrence):
        batch = batch_of(cell, recurrence.xs)
        with precisely(self.precision):
            found = bodies(cell, *recurrence)
        return [compiled(jaxpr, groups, batch) for jaxpr, groups, _ in found]
