"""The methods, the best known one first."""

from typing import Any, NamedTuple

import jax

from .._core import Cell
from ._associative import Associative
from ._loop import Loop
from ._method import Method, Recurrence


def methods(platform: str) -> tuple[Method, ...]:
    """The methods in the order in which they are tried on a platform.

    On a CPU the loop does less work and its arrays stay in the cache; elsewhere depth counts.

    Examples:
        >>> [type(method).__name__ for method in methods("gpu")]
        ['Associative', 'Loop']
    """
    return (Loop(), Associative()) if platform == "cpu" else (Associative(), Loop())


def candidates(method: Method | None) -> tuple[Method, ...]:
    """What `method=` asks for, then what serves every cell."""
    if method is None:
        return methods(jax.default_backend())
    if isinstance(method, Loop):
        return (method,)
    return (method, Loop(dtype=method.dtype, precision=method.precision))


class Choice(NamedTuple):
    """What runs one recurrence of a cell."""

    cell: Cell
    method: Method
    form: str  # such as "staged loop"
    why: str
    ruled_out: tuple[tuple[str, str], ...]  # methods tried before, and what stands against them


def choose(method: Method | None, cell: Cell, recurrence: Recurrence, steps: Any) -> Choice:
    """The first method that nothing stands against; nothing stands against `Loop`."""
    ruled_out = []
    for tried in candidates(method):
        obstacle = tried.obstacle(cell, recurrence, steps)
        if obstacle is None:
            break
        ruled_out.append((type(tried).__name__, obstacle))
    return Choice(cell, tried, *tried.form(cell, recurrence, steps), tuple(ruled_out))
