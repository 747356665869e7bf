"""Values that a function names with `checkpoint_name`, changed from outside."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import jaxpr_as_fun


def with_named(function: Callable, name: str, change: Callable) -> Callable:
    """The function with `change(value)` in the place of the value that it names `name`.

    The traced function is cut there in two: what leads to the value, and the rest, to which the
    changed value is a constant.

    Raises:
        ValueError: when called, unless the function names one such value.

    Examples:
        >>> from jax.ad_checkpoint import checkpoint_name
        >>> def cube(x):
        ...     return x * checkpoint_name(x * x, "square")
        >>> float(with_named(cube, "square", lambda square: 10 * square)(2.0))
        80.0
    """

    def changed(*args: Any) -> Any:
        closed, result = jax.make_jaxpr(function, return_shape=True)(*args)
        jaxpr, arrays = closed.jaxpr, jax.tree.leaves(args)
        named = [each for each in jaxpr.eqns if _name_of(each) == name]
        if len(named) != 1:
            raise ValueError(
                f"expected a cell that names one value {name!r} in its equations, with "
                f"jax.ad_checkpoint.checkpoint_name, got {len(named)}"
            )
        (value,), rest = named[0].outvars, [each for each in jaxpr.eqns if each is not named[0]]
        # XLA drops what the value does not need.
        (found,) = jaxpr_as_fun(closed.replace(jaxpr=jaxpr.replace(outvars=[value])))(*arrays)
        after = jaxpr.replace(constvars=[*jaxpr.constvars, value], eqns=rest)
        after = closed.replace(jaxpr=after, consts=[*closed.consts, change(found)])
        return jax.tree.unflatten(jax.tree.structure(result), jaxpr_as_fun(after)(*arrays))

    return changed


def _name_of(equation: Any) -> str | None:
    return equation.params["name"] if equation.primitive.name == "name" else None
