"""What `method=None` means, and which loop runs a cell: two tables, read from the top."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._core import Cell, StagedCell
from ._loop import plain_loop
from ._methods import Sequential
from ._staged import staged_loop


class Choice(NamedTuple):
    """A row of the table of methods.

    Attributes:
        platform: where it applies, as `jax.default_backend()` names it; "" is everywhere else.
        method: the method.
        why: what speaks for it.

    Example:
        >>> chosen("cpu").method
        Sequential(unroll=1, checkpoint=None, forward_mode=False)
    """

    platform: str
    method: Sequential
    why: str


CHOICES = (
    Choice(
        "cpu", Sequential(), "unrolling gained under 10 % at every size measured, and lost up to 5x"
    ),
    Choice("", Sequential(), "nothing has been measured on this platform yet"),
)


class Route(NamedTuple):
    """A row of the table of loops.

    Attributes:
        name: what it is called.
        loop: the function that runs it.
        why: what speaks for it.
        obstacle: given `(cell, carry, steps, method)`, what stands against it, or `None`.

    Example:
        >>> import rnnjax
        >>> cell = rnnjax.GRU(4)
        >>> route(cell, cell.init_carry(cell.init(jax.random.key(0), 3)), 10, Sequential()).name
        'staged loop'
    """

    name: str
    loop: Callable[..., Any]
    why: str
    obstacle: Callable[[Cell, Any, int, Sequential], str | None]


def _obstacle_to_stages(cell, carry, steps, method):
    if not isinstance(cell, StagedCell):
        return f"{type(cell).__name__} is not a StagedCell"
    if not isinstance(steps, int):
        return "the number of steps is not known while JAX traces, and chunks are made of it"
    if method.forward_mode:
        return "forward mode was asked for, and its gradient is a rule for reverse mode"
    if not all(jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in jax.tree.leaves(carry)):
        return "an integer in the carry has no gradient for a backward loop to hand on"
    return None if steps else "there are no steps"


ROUTES = (
    Route(
        "staged loop",
        staged_loop,
        "weight gradients are large products, and so are projections of inputs where that pays",
        _obstacle_to_stages,
    ),
    Route("plain loop", plain_loop, "it serves every cell", lambda *_: None),
)


def chosen(platform: str) -> Choice:
    """The choice for a platform.

    Example:
        >>> chosen("tpu").why
        'nothing has been measured on this platform yet'
    """
    return next(choice for choice in CHOICES if choice.platform in (platform, ""))


def route(cell: Cell, carry: Any, steps: int, method: Sequential) -> Route:
    """The first loop that nothing stands against."""
    return next(route for route in ROUTES if not route.obstacle(cell, carry, steps, method))
