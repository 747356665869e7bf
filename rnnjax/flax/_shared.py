"""What NNX and Linen share: the names of parameters, and the options of a call."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import keystr, tree_leaves_with_path

from .._core import Cell
from .._masks import valid_steps
from .._trees import where, zeros_like
from ..engine import scan


def paths(params: Any) -> list[tuple[str, ...]]:
    """Where each array stands in a tree of parameters: names of fields, numbers of entries."""
    return [
        tuple(keystr((key,), simple=True) for key in path)
        for path, _ in tree_leaves_with_path(params)
    ]


def entries(by_name: Mapping[str, Any] | None, params: Any) -> list[Any]:
    """For each array what `by_name` has under its path, "0.w_x", or else its name, "w_x"."""
    by_name, places = by_name or {}, paths(params)
    known = {name for path in places for name in (".".join(path), *path[-1:])}
    if unknown := sorted(set(by_name) - known):
        raise ValueError(
            f"expected names of parameters, which are {', '.join(sorted(known))}, got {unknown}"
        )
    return [
        next((by_name[name] for name in (".".join(path), *path[-1:]) if name in by_name), None)
        for path in places
    ]


def features(num_feature_axes: int, shapes: Any) -> Any:
    """The `input_size` of `init` for inputs of these shapes; `None` for tokens."""

    def size(shape):
        last = tuple(shape[len(shape) - num_feature_axes :])
        return last[0] if num_feature_axes == 1 else last

    if num_feature_axes == 0:
        return None
    return jax.tree.map(size, shapes, is_leaf=lambda a: isinstance(a, tuple))


def overridden(module: Any, **call: Any) -> Any:
    """The options of a call: those that it leaves at `None` are the module's."""
    return SimpleNamespace(
        **{name: getattr(module, name) if value is None else value for name, value in call.items()}
    )


def run(cell: Cell, params: Any, inputs: Any, carry: Any, call: Any, **options: Any) -> Any:
    """`scan` as Flax's `RNN` is called: the outputs, or the final carry and the outputs.

    `options` are those of `scan`; `call` has `time_major`, `reverse`, `keep_order` and
    `return_carry`.
    """
    first = jax.tree.leaves(inputs)[0]
    time = 0 if call.time_major else jnp.ndim(first) - 1 - cell.num_feature_axes
    for name in ("mask", "resets"):
        options[name] = _move(time, 0, options[name])
    carry, ys = scan(cell, params, _move(time, 0, inputs), carry, reverse=call.reverse, **options)
    if call.reverse and not call.keep_order:
        lengths, mask = options["lengths"], options["mask"]
        lengths = None if lengths is None else jnp.asarray(lengths)
        ys = _turned(valid_steps(jnp.shape(first)[time], lengths, mask), ys)
    ys = _move(0, time, ys)
    return (carry, ys) if call.return_carry else ys


def _move(source: int, target: int, arrays: Any) -> Any:
    return jax.tree.map(lambda a: jnp.moveaxis(a, source, target), arrays)


def _turned(valid: Any, ys: Any) -> Any:
    """The outputs at valid steps turned round among themselves; zeros elsewhere."""
    if valid is None:
        return jax.tree.map(lambda y: y[::-1], ys)
    rank = jnp.cumsum(valid, 0)
    valid_first = jnp.argsort(~valid, 0, stable=True)
    source = jnp.take_along_axis(valid_first, jnp.maximum(rank[-1:] - rank, 0), 0)

    def turn(y):
        return jnp.take_along_axis(y, jnp.expand_dims(source, range(source.ndim, y.ndim)), 0)

    return where(valid, jax.tree.map(turn, ys), zeros_like(ys))
