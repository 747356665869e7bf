"""Checks at the boundary. Every message names what was expected, what came, and the usual cause."""

import inspect
import math
import operator
from collections.abc import Callable
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

Shape = tuple[int, ...]
Rate = Annotated[float, "at least 0 and below 1"]
LAYOUT = "scan takes [T, *batch, features], a layer [B, T, features]"


def check_positive(name: str, value: Any, *, least: int = 1) -> int:
    """`value` as a Python integer.

    Raises:
        ValueError: unless it is an integer of at least `least`, of Python or NumPy, no boolean.

    Examples:
        >>> import numpy
        >>> check_positive("hidden_size", numpy.int64(8))
        8
    """
    try:
        integer = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        integer = None
    if integer is None or integer < least:
        kind = "a positive integer" if least == 1 else f"an integer of at least {least}"
        raise ValueError(f"expected {name} to be {kind}, got {brief(value)}")
    return integer


def check_class(name: str, value: Any, classes: int) -> int:
    """A class counted from the first; a negative one counts from the last.

    Raises:
        ValueError: unless it is an integer, one of so many classes.

    Examples:
        >>> check_class("blank", -1, 5)
        4
    """
    index = check_positive(name, value, least=-classes)
    if index >= classes:
        raise ValueError(f"expected {name} to be one of {classes} classes, got {index}")
    return index % classes


def check_number(name: str, value: Any) -> float:
    """`value` as a Python float.

    Raises:
        ValueError: unless it is a finite real number, of Python or NumPy, no boolean.

    Examples:
        >>> check_number("forget_bias", 1)
        1.0
    """
    try:
        is_number = not isinstance(value, bool | np.bool_ | str) and np.ndim(value) == 0
        number = float(value) if is_number else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected {name} to be a finite number, got {brief(value)}")
    return number


def check_above(name: str, value: Any, bound: float = 0.0) -> float:
    """`value` as a Python float.

    Raises:
        ValueError: unless it is a finite number above `bound`.

    Examples:
        >>> check_above("learning_rate", 1e-3)
        0.001
    """
    if not (number := check_number(name, value)) > bound:
        raise ValueError(f"expected {name} to be above {bound:g}, got {value!r}")
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
        ValueError: unless it is True or False, of Python or NumPy.

    Examples:
        >>> check_flag("reverse", True)
        True
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"expected {name} to be True or False, got {brief(value)}")
    return bool(value)


def check_choice(name: str, value: Any, choices: tuple) -> Any:
    """`value` as it is.

    Raises:
        ValueError: unless it is one of `choices`, all of which are strings.

    Examples:
        >>> check_choice("how", "last", ("last", "mean"))
        'last'
    """
    if not isinstance(value, str) or value not in choices:
        *most, last = map(repr, choices)
        listed = f"{', '.join(most)} or {last}" if most else last
        raise ValueError(f"expected {name} to be {listed}, got {brief(value)}")
    return value


def check_instance(name: str, value: Any, kind: type, example: str = "") -> Any:
    """`value` as it is.

    Raises:
        ValueError: unless it is an instance of `kind`.

    Examples:
        >>> check_instance("text", "abc", str)
        'abc'
    """
    if not isinstance(value, kind):
        is_class = inspect.isclass(value) and issubclass(value, kind)
        cause = "; a class makes one when it is called with its arguments" * is_class
        example = f", such as {example}" if example else ""
        raise ValueError(
            f"expected {name} to be a {kind.__name__}{example}, got {brief(value)}{cause}"
        )
    return value


def check_function(name: str, value: Any, example: str = "") -> Any:
    """`value` as it is.

    Raises:
        ValueError: unless it can be called.

    Examples:
        >>> check_function("watch", abs, "gradient_norms")
        <built-in function abs>
    """
    if not callable(value):
        example = f", such as {example}" if example else ""
        raise ValueError(f"expected {name} to be a function{example}, got {brief(value)}")
    return value


def check_dtype(name: str, dtype: Any, kind: Any = jnp.floating) -> str:
    """The name of a dtype.

    Raises:
        ValueError: unless it is one of `kind`, by default a float type.

    Examples:
        >>> check_dtype("dtype", jnp.bfloat16)
        'bfloat16'
    """
    try:
        found = None if dtype is None else jnp.dtype(dtype)
    except TypeError:
        found = None
    if found is None or not jnp.issubdtype(found, kind):
        wanted = "a float type, such as 'bfloat16'" if kind is jnp.floating else "a number type"
        raise ValueError(f"expected {name} to be {wanted}, got {brief(dtype)}")
    return found.name


def check_array(name: str, value: Any) -> Array:
    """`value` as an array of JAX.

    Raises:
        ValueError: unless it holds numbers, in rows of equal length, that JAX can represent.

    Examples:
        >>> check_array("lengths", [3, 5]).dtype
        dtype('int32')
    """
    if isinstance(value, jax.Array):
        return value
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"expected {name} to be an array of numbers, got {brief(value)}; rows of unequal "
            "length are padded first, and numbers in strings converted"
        ) from error
    known = isinstance(value, np.ndarray | np.generic) and value.size
    if known and jnp.issubdtype(array.dtype, jnp.integer) and value.dtype != array.dtype:
        limits = jnp.iinfo(array.dtype)
        if value.min() < limits.min or value.max() > limits.max:
            raise ValueError(
                f"expected {name} within {array.dtype}, got {value.min()} … {value.max()}; JAX "
                "has no wider integers unless jax_enable_x64 is set"
            )
    return array


def check_arrays(name: str, tree: Any) -> Any:
    """The tree with arrays of JAX; see `check_array`."""
    return jax.tree.map(lambda leaf: check_array(name, leaf), tree)


def check_key(name: str, key: Any) -> Any:
    """A PRNG key as it is.

    Raises:
        ValueError: unless it is one key, typed or raw.

    Examples:
        >>> check_key("key", jax.random.key(0)).shape
        ()
    """
    dtype, shape = getattr(key, "dtype", None), getattr(key, "shape", None)
    typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
    raw = dtype == jnp.uint32 and shape in ((2,), (4,))
    if not (typed and shape == ()) and not raw:
        raise ValueError(
            f"expected {name} to be one key, such as jax.random.key(0), got {brief(key)}"
        )
    return key


def check_shape(name: str, shape: Any, least_axes: int = 0) -> None:
    """Checks a shape; numbers that are only known when it runs are let through.

    Raises:
        ValueError: unless it is a tuple of integers, of at least `least_axes`.

    Examples:
        >>> check_shape("batch_shape", (2, 5))
    """
    wrong = not isinstance(shape, tuple | list) or len(shape) < least_axes
    if wrong or any(isinstance(n, bool | float | str | tuple | dict | None) for n in shape):
        axes = f" of at least {least_axes}" if least_axes else ""
        raise ValueError(
            f"expected {name} to be a tuple of integers{axes}, got {brief(shape)}; is a size a "
            "tuple or a number that was divided?"
        )
    if any(isinstance(n, int) and n < 0 for n in shape):
        raise ValueError(f"expected {name} without negative numbers, got {brief(shape)}")


def brief(value: Any) -> str:
    """A value as a short text: an array by its type, anything else by the start of its `repr`.

    Examples:
        >>> brief(jnp.ones((2, 3))), brief("abc")
        ('float32[2, 3]', "'abc'")
    """
    if isinstance(value, jax.Array | np.ndarray) and value.ndim:
        return f"{value.dtype}{list(value.shape)}"
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


# The rule of a field by its annotation; the names are for modules with postponed annotations.
RULES: dict[Any, Callable[..., Any]] = {
    int: check_positive,
    float: check_number,
    bool: check_flag,
    Rate: check_rate,
    "int": check_positive,
    "float": check_number,
    "bool": check_flag,
}
