"""Configurations as values: classes whose instances are hashable, comparable and hold no arrays."""

import inspect
import typing
from collections.abc import Callable
from dataclasses import KW_ONLY, MISSING, Field, dataclass, field, fields
from typing import Any, dataclass_transform

import jax

from ._checks import RULES, check_positive


class _Derived:
    """A non-data descriptor, so that a field of the same name may replace it."""

    def __init__(self, get: Callable[[Any], Any]):
        self.get = get

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self.get(instance)


def derived(get: Callable[[Any], Any]) -> Any:
    """A property that a subclass may replace by a class attribute, a property or a field.

    Examples:
        >>> class Square(Static):
        ...     side: float
        ...     area = derived(lambda self: self.side**2)
        >>> Square(3.0).area
        9.0
    """
    return _Derived(get)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Static:
    """Base of every configuration: each subclass is a frozen dataclass without array leaves.

    Instances are compared, hashed and pickled by value, and pass through `jit`, `vmap` and
    `grad` as part of the compilation key: equal configurations share one compilation. A field
    with a default is keyword-only. A field annotated `int`, `float` or `bool` takes a positive
    integer, or one down to a default of 0, a finite number or a flag; NumPy's are converted.

    Raises:
        ValueError: if a field breaks its rule or is not hashable.

    Examples:
        >>> class Scale(Static):
        ...     factor: float
        >>> jax.jit(lambda scale, x: scale.factor * x)(Scale(2.0), 3.0)
        Array(6., dtype=float32, weak_type=True)
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name, kind in inspect.get_annotations(cls).items():
            if kind is KW_ONLY or typing.get_origin(kind) is typing.ClassVar:
                continue
            # `vars`, since an inherited property is no default.
            default = vars(cls).get(name, MISSING)
            if not isinstance(default, Field):
                setattr(cls, name, field(default=default, kw_only=default is not MISSING))
        jax.tree_util.register_static(dataclass(frozen=True, repr=False)(cls))

    def __repr__(self) -> str:
        pairs = [(each, getattr(self, each.name)) for each in fields(self)]  # pyright: ignore[reportArgumentType]
        given = [_show(value) for each, value in pairs if not each.kw_only]
        changed = [(each, v) for each, v in pairs if each.kw_only and v != each.default]
        given += [f"{each.name}={_show(value)}" for each, value in changed]
        return f"{type(self).__name__}({', '.join(given)})"

    def __post_init__(self):
        for each in fields(self):  # pyright: ignore[reportArgumentType]
            value = getattr(self, each.name)
            if rule := RULES.get(each.type):
                default = each.default
                small = rule is check_positive and isinstance(default, int) and default < 1
                value = rule(each.name, value, **({"least": default} if small else {}))
                object.__setattr__(self, each.name, value)
            try:
                hash(value)
            except TypeError:
                raise ValueError(
                    f"expected {each.name} of {type(self).__name__} to be hashable, got {value!r}; "
                    "a tuple can stand for a list, and arrays belong into the parameters"
                ) from None


def _show(value: Any) -> str:
    """A field as a text, functions by their names."""
    if type(value) is tuple:
        return f"({', '.join(map(_show, value))}{',' * (len(value) == 1)})"
    return getattr(value, "__name__", None) or repr(value)
