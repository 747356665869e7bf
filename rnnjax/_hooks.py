"""Checks around the functions of a cell or a layer that a user calls, subclasses of others, too."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import jax

from ._checks import brief, check_dtype, check_key, check_positive, check_shape


def check_size(name: str, size: Any, num_feature_axes: int = 1) -> None:
    """Checks the number of features of an input.

    Raises:
        ValueError: unless it is a positive integer or a pytree of them; for an input of several
            feature axes a tuple of one integer for each.

    Examples:
        >>> check_size("input_size", {"u": 3, "v": 2})
    """
    if num_feature_axes > 1 and (not isinstance(size, tuple) or len(size) != num_feature_axes):
        raise ValueError(
            f"expected {name} to be a tuple of {num_feature_axes} integers, the shape of the "
            f"features, got {brief(size)}"
        )
    for each in jax.tree.leaves(size) or [size]:
        if each is not size:
            check_positive(f"every number in {name}", each)
        elif not (size is None and not num_feature_axes):
            check_positive(name, size)


def checked_init(init: Callable) -> Callable:
    """The `init` of a cell or a layer, which checks its arguments before it draws.

    Examples:
        >>> import rnnjax
        >>> rnnjax.LSTM.init.__name__
        'init'
    """
    parameters = inspect.signature(init).parameters
    optional = "input_size" in parameters and parameters["input_size"].default is None

    @wraps(init)
    def checked(self, key, *size, **options):
        check_key("key", key)
        if "dtype" in options:
            check_dtype("dtype", options["dtype"])
        for each in (*size, *(options[name] for name in ("input_size",) if name in options)):
            if each is not None or not optional:
                check_size("input_size", each, self.num_feature_axes)
        return init(self, key, *size, **options)

    return checked


def checked_init_carry(init_carry: Callable) -> Callable:
    """The `init_carry` of a cell or a layer, which checks the batch shape.

    Examples:
        >>> import rnnjax
        >>> rnnjax.LSTM.init_carry.__name__
        'init_carry'
    """

    @wraps(init_carry)
    def checked(self, *args, **options):
        check_shape("batch_shape", args[1] if len(args) > 1 else options.get("batch_shape", ()))
        return init_carry(self, *args, **options)

    return checked


def checked_hooks(cls: type) -> None:
    """Puts the checks around the functions of a class of cells or layers that a user calls."""
    for name, checked in (("init", checked_init), ("init_carry", checked_init_carry)):
        if name in vars(cls):
            setattr(cls, name, checked(vars(cls)[name]))
