"""Nested mappings of modules to arrays, as flat ones by path."""

import posixpath
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._checks import brief
from .._trees import named_leaves


def flat(tree: Any) -> dict[str, Any]:
    """The arrays of nested mappings, by their paths.

    Raises:
        ValueError: if it is not a mapping, or a key is no text.
    """
    if not isinstance(tree, Mapping):
        raise ValueError(
            f"expected a mapping of names to arrays, got {type(tree).__name__}; "
            "did you pass a module without its parameters?"
        )
    if unknown := [key for key in _keys(tree) if not isinstance(key, str)]:
        raise ValueError(f"expected a mapping of names to arrays, got the names {unknown}")
    return named_leaves(dict(tree), separator="/")


def _keys(tree: Any) -> list[Any]:
    """The keys of nested mappings."""
    if not isinstance(tree, Mapping):
        return []
    return [*tree, *(key for entry in tree.values() for key in _keys(entry))]


def as_numpy(name: Any, value: Any) -> np.ndarray:
    """An array of NumPy.

    Raises:
        ValueError: if the name is no text, or rows are of unequal length.
    """
    try:
        array = np.asarray(value) if isinstance(name, str) else None
    except (TypeError, ValueError):
        array = None
    if array is None:
        raise ValueError(
            f"expected arrays by their names, which are texts, got {brief(value)} by {name!r}"
        )
    return array


def nested(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Arrays by module, the part of their path before the last "/", and name."""
    tree: dict[str, dict[str, np.ndarray]] = {}
    for path, a in arrays.items():
        module, name = posixpath.split(path)
        tree.setdefault(module, {})[name] = a
    return tree
