"""What NNX and Linen share: the names of parameters, and the options of a call."""

from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import keystr, tree_leaves_with_path

from ..layers import Layer


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


def overridden(module: Any, **call: Any) -> Any:
    """The options of a call: those that it leaves at `None` are the module's."""
    return SimpleNamespace(
        **{name: getattr(module, name) if value is None else value for name, value in call.items()}
    )


def run(
    layer: Layer,
    params: Any,
    inputs: Any,
    carry: Any,
    *,
    lengths: Any,
    mask: Any,
    resets: Any,
    time_major: bool,
    flip: bool = False,
) -> tuple[Any, Any]:
    """`layer.apply`; with `time_major` time comes first, with `flip` outputs come last first."""
    time = jax.tree.leaves(inputs)[0].ndim - 2
    if time_major:
        inputs, mask, resets = _moved(0, time, (inputs, mask, resets))
    carry, ys = layer.apply(params, inputs, carry, lengths=lengths, mask=mask, resets=resets)
    if flip:
        ys = jax.tree.map(partial(_flipped, time, lengths), ys)
    return carry, _moved(time, 0, ys) if time_major else ys


def _moved(source: int, target: int, arrays: Any) -> Any:
    return jax.tree.map(lambda a: jnp.moveaxis(a, source, target), arrays)


def _flipped(time: int, lengths: Any, ys: Any) -> Any:
    """The valid steps in reverse, the padding where it is."""
    if lengths is None:
        return jnp.flip(ys, time)
    steps = jnp.arange(ys.shape[time])
    last = jnp.minimum(jnp.asarray(lengths), ys.shape[time])[..., None] - 1
    order = jnp.where(steps <= last, last - steps, steps)
    return jnp.take_along_axis(ys, jnp.expand_dims(order, range(time + 1, ys.ndim)), time)
