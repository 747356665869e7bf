"""Configurations as values: classes whose instances are hashable, comparable and hold no arrays."""

import functools
import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import KW_ONLY, MISSING, Field, dataclass, field, fields
from typing import Any, dataclass_transform

import jax

from ._checks import RULES, check_choice, check_instance, check_positive


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
    integer, or one down to a default of 0, a finite number or a flag; numbers of NumPy are
    converted. An annotation may also be a `Literal` of strings, a rate or a configuration, each or
    `None`.

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
            if rule := _rule(each.type):
                default = each.default
                small = rule is check_positive and isinstance(default, int) and default < 1
                value = rule(each.name, value, **({"least": default} if small else {}))
            object.__setattr__(self, each.name, value := by_value(value))
            try:
                hash(value)
            except TypeError:
                raise ValueError(
                    f"expected {each.name} of {type(self).__name__} to be hashable, got {value!r}; "
                    "a list becomes a tuple, and arrays are parameters"
                ) from None


def _rule(kind: Any) -> Callable | None:
    """The check of a field by its annotation; `None` where it has none."""
    if kind in RULES:
        return RULES[kind]
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        inner = [each for each in typing.get_args(kind) if each is not type(None)]
        rule = _rule(inner[0]) if len(inner) == 1 else None
        return rule and (lambda name, value: value if value is None else rule(name, value))
    if typing.get_origin(kind) is typing.Literal:
        return lambda name, value: check_choice(name, value, typing.get_args(kind))
    if inspect.isclass(kind) and issubclass(kind, Static):
        return lambda name, value: check_instance(name, value, kind)
    return None


class Bound(functools.partial):
    """A `functools.partial` that is compared by value, as long as its arguments can be.

    Examples:
        >>> Bound(round, ndigits=1) == Bound(round, ndigits=1)
        True
    """

    def _key(self) -> tuple:
        return self.func, self.args, tuple(sorted(self.keywords.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bound) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        options = [f"{name}={_show(value)}" for name, value in self.keywords.items()]
        return f"partial({', '.join([_show(self.func), *map(_show, self.args), *options])})"


def by_value(field: Any) -> Any:
    """A field, with functions of bound arguments compared by value where that is possible."""
    if type(field) is not functools.partial:
        return field
    bound = Bound(field.func, *field.args, **field.keywords)
    try:
        hash(bound)
    except TypeError:
        return field
    return bound


def _show(value: Any) -> str:
    """A field as a text, functions by their names."""
    if type(value) is tuple:
        return f"({', '.join(map(_show, value))}{',' * (len(value) == 1)})"
    return getattr(value, "__name__", None) or repr(value)
