"""Checks at the boundary; every message says what was expected, what came, and the usual cause."""

import math
import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Shape = tuple[int, ...]


def check_positive(name: str, value: Any, *, least: int = 1) -> int:
    """`value` as a Python integer.

    Raises:
        ValueError: unless it is an integer, of at least `least`; NumPy's count, booleans do not.

    Examples:
        >>> import numpy
        >>> check_positive("hidden_size", numpy.int64(8))
        8
    """
    try:
        integer = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        integer = None
    if integer is None or integer < least:
        kind = "a positive integer" if least == 1 else f"an integer of at least {least}"
        raise ValueError(f"expected {name} to be {kind}, got {value!r}")
    return integer


def check_number(name: str, value: Any) -> float:
    """`value` as a Python float.

    Raises:
        ValueError: unless it is a finite real number; NumPy's count, booleans do not.

    Examples:
        >>> check_number("forget_bias", 1)
        1.0
    """
    try:
        is_number = not isinstance(value, bool | str) and np.ndim(value) == 0
        number = float(value) if is_number else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected {name} to be a finite number, got {value!r}")
    return number


def check_rate(name: str, value: Any) -> float:
    """`value` as a Python float.

    Raises:
        ValueError: unless it is at least 0 and below 1.

    Examples:
        >>> check_rate("rate", 0.5)
        0.5
    """
    rate = check_number(name, value)
    if not 0 <= rate < 1:
        raise ValueError(f"expected {name} to be at least 0 and below 1, got {value!r}")
    return rate


def check_flag(name: str, value: Any) -> bool:
    """`value` as a Python bool.

    Raises:
        ValueError: unless it is True or False; NumPy's count.

    Examples:
        >>> check_flag("reverse", True)
        True
    """
    if not isinstance(value, bool) and getattr(value, "dtype", None) != jnp.bool_:
        raise ValueError(f"expected {name} to be True or False, got {value!r}")
    return bool(value)


def _optional(rule: Callable) -> Callable:
    return lambda name, value: value if value is None else rule(name, value)


# What the annotation of a field asks for; the names are for modules with postponed annotations.
RULES: dict[Any, Callable[..., Any]] = {
    int: check_positive,
    float: check_number,
    bool: check_flag,
    int | None: _optional(check_positive),
    float | None: _optional(check_number),
    "int": check_positive,
    "float": check_number,
    "bool": check_flag,
}


def batch_shape(num_feature_axes: int, x: Any) -> Shape:
    """The leading axes of the arrays in `x`, or in a pytree of them.

    Examples:
        >>> batch_shape(1, {"u": jnp.ones((2, 3)), "v": jnp.ones((2, 5))})
        (2,)
    """
    shape = jnp.shape(jax.tree.leaves(x)[0])
    return shape[: len(shape) - num_feature_axes]


def extra_axes(carry: Any, single: Any) -> Shape:
    """The leading axes that `carry` has and `single`, the carry of one sequence, has not.

    Examples:
        >>> extra_axes(jnp.ones((5, 2, 3)), jnp.ones(3))
        (5, 2)
    """
    pairs = zip(jax.tree.leaves(carry), jax.tree.leaves(single), strict=False)
    return next((jnp.shape(a)[: jnp.ndim(a) - jnp.ndim(b)] for a, b in pairs), ())


def check_carry(name: str, cell: Any, weights: Any, carry: Any, batch: Shape) -> None:
    """Checks the structure and the shapes of a carry against those of the initial one.

    Raises:
        ValueError: if they differ.
    """
    leaves, structure = jax.tree.flatten(weights)
    types = tuple((jnp.shape(a), jax.typeof(a).dtype) for a in leaves)
    expected, got = _carry_shapes(cell, structure, types, batch), shapes(carry)
    if not alike(expected, got):
        raise ValueError(
            f"expected {name} of {cell}: {show(expected)}, got {show(got)}; is it that of another "
            f"cell or batch size, or did you pass batch-major data? {LAYOUT}"
        )


def check_update(old: Any, new: Any) -> None:
    """Checks that `update` returned a carry like the one that it was given.

    Raises:
        ValueError: if structure, shapes or dtypes differ.
    """

    def types(tree):
        return jax.tree.map(lambda a: f"{jax.typeof(a).dtype}{list(jnp.shape(a))}", tree)

    expected, got = types(old), types(new)
    if not alike(expected, got):
        raise ValueError(
            f"expected update to return a carry like the old one, {show(expected)}, got "
            f"{show(got)}; does it return the output, too, which is what readout is for?"
        )


@lru_cache(maxsize=1024)
def _carry_shapes(cell: Any, structure: Any, types: tuple, batch: Shape) -> Any:
    """The shapes of the initial carry; kept, since those who step by hand ask at every step."""
    weights = structure.unflatten([jax.ShapeDtypeStruct(*each) for each in types])
    return shapes(jax.eval_shape(lambda weights: cell.init_carry(weights, batch), weights))


LAYOUT = "scan takes [T, *batch, features], a layer [B, T, features]"


def alike(a: Any, b: Any) -> bool:
    """Equality that, unlike that of named tuples, tells `LSTMParams` from `ElmanParams`."""
    return jax.tree.structure(a) == jax.tree.structure(b) and jax.tree.leaves(a) == jax.tree.leaves(
        b
    )


def shapes(tree: Any) -> Any:
    """The shape of every array as a text."""
    return jax.tree.map(lambda a: str(list(jnp.shape(a))), tree)


def show(shapes: Any) -> str:
    """A tree of shapes as a text."""
    return str(shapes).replace("'", "")
