"""Elementwise functions chosen by name, so that a cell stays hashable and comparable."""

from collections.abc import Callable

import jax
from jaxtyping import Array


def activation(name: str) -> Callable[[Array], Array]:
    """The function of `jax.nn` called `name`.

    Raises:
        ValueError: if `jax.nn` has no function of that name.

    Example:
        >>> float(activation("relu")(jax.numpy.array(-1.0)))
        0.0
    """
    if not isinstance(name, str) or not callable(getattr(jax.nn, name, None)):
        raise ValueError(
            f"expected the name of an activation in jax.nn, such as 'tanh' or 'relu', got {name!r}"
        )
    return getattr(jax.nn, name)
