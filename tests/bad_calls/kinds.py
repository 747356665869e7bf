"""Kinds of arguments: a valid value, and the values that every argument of the kind refuses."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

import rnnjax
from rnnjax.layers import Dense

OBJECTS = np.array([1.0, None], object)
TEXTS = np.array(["a", "b"])


class Argument(NamedTuple):
    """A valid value of an argument, and values that must be refused."""

    good: Any
    bad: tuple


class Call(NamedTuple):
    """A valid call of a public callable; arguments that are no `Argument` are not replaced."""

    name: str  # as in "rnnjax.cells.LSTM"
    function: Callable
    arguments: dict[str, Any]


def call(name: str, function: Callable, /, **arguments: Any) -> Call:
    return Call(name, function, arguments)


def array(good: Any, *more: Any) -> Argument:
    """An array, or a pytree of arrays that is not optional."""
    return Argument(good, (None, "text", TEXTS, OBJECTS, [[1.0, 2.0], [3.0]], *more))


def tree(good: Any, *more: Any) -> Argument:
    """An optional pytree of arrays."""
    return Argument(good, ("text", TEXTS, OBJECTS, object(), *more))


def key(good: Any = None) -> Argument:
    good = jax.random.key(0) if good is None else good
    return Argument(good, (None, *optional_key(good).bad))


def optional_key(good: Any = None) -> Argument:
    return Argument(good, (0, 1.5, "key", np.zeros(2), jax.random.split(jax.random.key(0))))


def size(good: int, *, least: int = 1) -> Argument:
    bad = (None, "3", 1.5, True, np.nan, [3], np.ones(2), least - 1, -3)
    return Argument(good, bad)


def optional_size(good: int | None) -> Argument:
    return Argument(good, size(1).bad[1:])


def features(good: Any = 3) -> Argument:
    """A number of features where a vector is the input."""
    return Argument(good, (None, "3", 1.5, True, 0, -1, (16, 50, 3), np.nan, {"a": "b"}))


def image(good: Any) -> Argument:
    """The shape of an image."""
    return Argument(good, (None, "3", 3, (4, 5), (1.5, *good[1:]), list(good), (-1, *good[1:])))


def shape(good: tuple, *more: Any) -> Argument:
    return Argument(good, (None, "3", 3, (None,), (1.5,), ((2, 3), 4), (-1,), *more))


def flag(good: bool) -> Argument:
    return Argument(good, (None, "no", 1, 0.0, np.array([True, False]), [True]))


def number(good: float, *more: float) -> Argument:
    """A finite number, with the values that are out of its range."""
    return Argument(good, (None, "1", np.nan, np.inf, [1.0], 1j, np.ones(2), *more))


def rate(good: float) -> Argument:
    return number(good, -0.1, 1.0, 2.0)


def choice(good: Any, *more: Any) -> Argument:
    return Argument(good, ("nonsense", "", 3, [good], *more))


def dtype(good: Any = "float32") -> Argument:
    return Argument(good, (None, "nonsense", "int8", "complex64", bool, 3, "float32,int8"))


def cell(good: Any) -> Argument:
    return Argument(good, (None, "LSTM", 3, rnnjax.LSTM, Dense(3), (good,)))


def layer(good: Any) -> Argument:
    return Argument(good, (None, "Dense", 3, Dense, (good,)))


def method(good: Any = None) -> Argument:
    return Argument(good, ("loop", 3, rnnjax.engine.Loop, (good,)))


def function(good: Any) -> Argument:
    return Argument(good, (None, 3, "nonsense", 1.5))


def params(good: Any) -> Argument:
    """Parameters: other structures, shapes and kinds."""
    leaves, structure = jax.tree.flatten(good)

    def cast(kind):
        return structure.unflatten([np.ones(a.shape, kind) for a in leaves])

    kinds = map(cast, ("int8", "int32", "uint8", "bool", "complex64", "object"))
    bad = (None, "text", (), {"w": leaves[0]}, leaves[0], *kinds)
    return Argument(good, (*bad, structure.unflatten([a[None] for a in leaves])))


def weights(good: Any) -> Argument:
    """Weights of a single step, which may be prepared."""
    return Argument(good, (None, "text", {"w": 1.0}, (), params(good).bad[-2]))


def lengths(good: Any, steps: int) -> Argument:
    count = len(good)
    bad = (np.full(count, steps + 1), np.full(count, -1), np.full(count, np.nan))
    kinds = tuple(np.ones(count, kind) for kind in ("float32", "bool", "object", "complex64"))
    wide = np.full(count, 2**32 + 1), np.full(count, 2**32 - 1, "uint32"), np.full(count, 2**63)
    return Argument(good, ("text", 1.5, TEXTS, np.ones(count + 1, int), *bad, *kinds, *wide))


def signal(good: np.ndarray) -> Argument:
    """A mask, or resets."""
    kinds = tuple(np.ones(good.shape, kind) for kind in ("int32", "float32", "object"))
    nan = np.full(good.shape, np.nan)
    return Argument(good, ("text", True, TEXTS, nan, good.T, good[:-1], *kinds))
