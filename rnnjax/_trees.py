"""Names and kinds of the arrays in a tree."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp


def leaf_names(tree: Any) -> Any:
    """The name of every array: the last field or key on its path, or "" where there is none.

    Examples:
        >>> leaf_names({"rnn": ({"w_x": 1.0}, 2.0)})
        {'rnn': ({'w_x': 'w_x'}, 'rnn')}
    """

    def name(path, _):
        keys = [getattr(key, "name", getattr(key, "key", None)) for key in path]
        return next((key for key in reversed(keys) if isinstance(key, str)), "")

    return jax.tree_util.tree_map_with_path(name, tree)


def leaf_paths(tree: Any) -> list[tuple[str, ...]]:
    """The path of every leaf: names of fields, keys, and numbers of entries.

    Examples:
        >>> leaf_paths({"rnn": ({"w_x": 1.0}, 2.0)})
        [('rnn', '0', 'w_x'), ('rnn', '1')]
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [tuple(jax.tree_util.keystr((key,), simple=True) for key in path) for path, _ in leaves]


def named_leaves(tree: Any, *, alone: str = "", separator: str = ".") -> dict[str, Any]:
    """The leaves of a tree by their paths, joined to readable names.

    Args:
        tree: the tree.
        alone: the name of a tree that is a single leaf.
        separator: the text between the parts of a path.

    Raises:
        ValueError: if two leaves would have one name.

    Examples:
        >>> named_leaves({"rnn": ({"w_x": 1.0}, 2.0)})
        {'rnn.0.w_x': 1.0, 'rnn.1': 2.0}
    """
    leaves, names = jax.tree.leaves(tree), [separator.join(path) for path in leaf_paths(tree)]
    named = {name or alone: leaf for name, leaf in zip(names, leaves, strict=True)}
    if len(named) < len(leaves):
        raise ValueError(f"expected arrays of different names, got one name twice in {names}")
    return named


def is_weight(name: str) -> bool:
    """Whether an array of this name is a factor of products.

    Examples:
        >>> is_weight("w_h"), is_weight("b"), is_weight("decay")
        (True, False, False)
    """
    return name.startswith("w")


def is_inexact(a: Any) -> bool:
    """Whether an array has a derivative: real or complex, not integer, boolean or a key."""
    return jnp.issubdtype(jax.typeof(a).dtype, jnp.inexact)


def inexact(tree: Any) -> list:
    """The arrays of a tree that have a derivative."""
    return [a for a in jax.tree.leaves(tree) if is_inexact(a)]


def exact(tree: Any) -> list:
    """The arrays of a tree that have none."""
    return [a for a in jax.tree.leaves(tree) if not is_inexact(a)]


def replace_inexact(tree: Any, arrays: Iterable, others: Iterable | None = None) -> Any:
    """The tree with other arrays in the place of those that have a derivative.

    Args:
        tree: the tree.
        arrays: what to put there, in order.
        others: what to put in the place of the rest; `None` leaves it.

    Examples:
        >>> replace_inexact((1, 2.0, 3.0), ["a", "b"])
        (1, 'a', 'b')
    """
    arrays, others = iter(arrays), None if others is None else iter(others)

    def choose(a):
        if is_inexact(a):
            return next(arrays)
        return a if others is None else next(others)

    return jax.tree.map(choose, tree)


def pullback(function: Callable, *trees: Any) -> Callable[[list], tuple[list, ...]]:
    """`jax.vjp` over the arrays that have a derivative, given and returned as lists.

    Integers, booleans and keys stay what they are, in arguments and results.

    Examples:
        >>> pull = pullback(lambda a: {"n": a["n"], "y": 3.0 * a["x"]}, {"n": 1, "x": 2.0})
        >>> float(pull([1.0])[0][0])
        3.0
    """

    def of_inexact(*arrays):
        return inexact(function(*map(replace_inexact, trees, arrays)))

    return jax.vjp(of_inexact, *map(inexact, trees))[1]


def where(condition: Any, chosen: Any, other: Any) -> Any:
    """`jnp.where` leaf by leaf, the condition standing for the leading axes of each."""

    def choose(a, b):
        return jnp.where(jnp.expand_dims(condition, range(condition.ndim, a.ndim)), a, b)

    return jax.tree.map(choose, chosen, other)


def zeros_like(tree: Any) -> Any:
    """A tree of zeros."""
    return jax.tree.map(jnp.zeros_like, tree)


def add(a: Any, b: Any) -> Any:
    """The sum of two trees."""
    return jax.tree.map(jnp.add, a, b)
