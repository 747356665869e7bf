"""The methods, the best known one first."""

from typing import Any, NamedTuple

import jax

from .._core import Cell
from ._associative import Associative
from ._loop import Loop
from ._method import Method, Recurrence
from ._native_loop import NativeLoop


def methods(platform: str) -> tuple[Method, ...]:
    """The methods in the order in which they are tried on a platform.

    On a CPU a loop takes 0.2 to 0.6 of the time of `Associative` at all sizes measured; elsewhere
    depth counts.

    Examples:
        >>> [type(method).__name__ for method in methods("gpu")]
        ['Associative', 'Loop']
    """
    return (NativeLoop(), Loop(), Associative()) if platform == "cpu" else (Associative(), Loop())


def candidates(method: Method | None) -> tuple[Method, ...]:
    """The method that `method=` names, then the method that serves every cell."""
    if method is None:
        return methods(jax.default_backend())
    if isinstance(method, Loop):
        return (method,)
    checkpoint = getattr(method, "checkpoint", None)
    return method, Loop(dtype=method.dtype, precision=method.precision, checkpoint=checkpoint)


class Choice(NamedTuple):
    """The method for one recurrence of a cell."""

    cell: Cell
    method: Method
    form: str  # such as "staged loop"
    why: str
    ruled_out: tuple[tuple[str, str], ...]  # the other methods, and their obstacles


def choose(method: Method | None, cell: Cell, recurrence: Recurrence, steps: Any) -> Choice:
    """The first method without an obstacle; `Loop` never has one."""

    def obstacle(m):
        slower = m.slower(cell, recurrence, steps) if method is None else None
        return slower or m.obstacle(cell, recurrence, steps)

    obstacles = [(m, obstacle(m)) for m in candidates(method)]
    chosen = next(m for m, obstacle in obstacles if obstacle is None)
    ruled_out = tuple(
        (type(m).__name__, obstacle or f"it could, and comes after {type(chosen).__name__}")
        for m, obstacle in obstacles
        if m is not chosen
    )
    return Choice(cell, chosen, *chosen.form(cell, recurrence, steps), ruled_out)
