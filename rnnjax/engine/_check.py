"""Checks of what the user passes, made once, while JAX traces: shapes are free at run time.

Every message says what was expected, what came, and the usual cause.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._core import Cell, Shape


def steps_and_batch(xs: Any) -> tuple[int, Shape]:
    """The number of steps T and the batch shape of `xs`, a pytree of `[T, *batch, features]`."""
    leaves = jax.tree.leaves(xs)
    if not leaves:
        raise ValueError(f"expected xs to hold at least one array, got {xs!r}")
    for leaf in leaves:
        if leaf.ndim < 2:
            raise ValueError(
                f"expected xs of shape [T, *batch, features], got {list(leaf.shape)}; a sequence "
                "of scalars needs a feature axis: xs[..., None]"
            )
        if leaf.shape[:-1] != leaves[0].shape[:-1]:
            raise ValueError(
                "expected all arrays in xs to have the same axes before the last, "
                f"got {[list(leaf.shape) for leaf in leaves]}"
            )
    steps, *batch = leaves[0].shape[:-1]
    return steps, tuple(batch)


def params_fit(cell: Cell, params: Any, xs: Any) -> None:
    """Raises unless `params` are what `cell.init` gives for inputs like `xs`."""
    size = jax.tree.map(lambda x: x.shape[-1], xs)
    got = _shapes(params)
    for features in (size, *_sizes_in(params)):
        try:
            expected = _shapes(jax.eval_shape(lambda size=features: cell.init(_key(), size)))
        except ValueError:
            if features is size or not isinstance(size, int):
                raise
            continue
        if features is size:
            wanted = expected
            if got == wanted:
                return
            if jax.tree.structure(got) != jax.tree.structure(wanted) or not isinstance(size, int):
                break
        elif got == expected:
            raise ValueError(
                f"expected xs with {features} features, for which the parameters of {cell} were "
                f"made, got {size} in xs of shape {list(xs.shape)}; features are the last axis"
            )
    raise ValueError(
        f"expected parameters of {cell}: {_show(wanted)}, got {_show(got)}; are they those of "
        "another cell, or of several members, which need vmap?"
    )


def carry_fits(name: str, cell: Cell, params: Any, carry: Any, batch: Shape) -> None:
    """Raises unless `carry` has the structure, shapes and dtypes of the initial one."""
    expected = jax.eval_shape(lambda params: cell.init_carry(params, batch), params)
    wanted, got = _shapes(expected, dtypes=True), _shapes(carry, dtypes=True)
    if got != wanted:
        raise ValueError(
            f"expected {name} of {cell}: {_show(wanted)}, got {_show(got)}; is it that of another "
            "cell, or of another batch size, or did you pass batch-major data? xs are "
            "[T, *batch, features]"
        )


def lengths_fit(lengths: Any, steps: int, batch: Shape) -> None:
    """Raises unless `lengths` are integers `[*batch]` in `0 … T`, as far as can be seen."""
    if not jnp.issubdtype(lengths.dtype, jnp.integer) or lengths.shape != batch:
        raise ValueError(
            f"expected lengths to be integers of shape {list(batch)}, the batch shape of xs, got "
            f"{_show_array(lengths)}; did you pass batch-major data? xs are [T, *batch, features]"
        )
    if isinstance(lengths, Tracer) or not lengths.size:
        return
    low, high = int(np.min(lengths)), int(np.max(lengths))
    if low < 0 or high > steps:
        raise ValueError(
            f"expected lengths between 0 and {steps}, the number of steps in xs, got {low} … "
            f"{high}; did you pass batch-major data? xs are [T, *batch, features]"
        )


def signal_fits(name: str, signal: Any, steps: int, batch: Shape) -> None:
    """Raises unless `signal` is boolean of shape `[T, *batch]`."""
    shape = (steps, *batch)
    if signal.dtype != jnp.bool_ or signal.shape != shape:
        raise ValueError(
            f"expected {name} to be bool of shape {list(shape)}, the axes of xs before the last, "
            f"got {_show_array(signal)}; is it batch-major, or does it need .astype(bool)?"
        )


def _key() -> Any:
    return jax.random.key(0)


def _sizes_in(params: Any) -> list[int]:
    return sorted({size for leaf in jax.tree.leaves(params) for size in leaf.shape})


def _shapes(tree: Any, dtypes: bool = False) -> Any:
    return jax.tree.map(lambda a: _show_array(a) if dtypes else str(list(a.shape)), tree)


def _show_array(a: Any) -> str:
    return f"{a.dtype}{list(a.shape)}"


def _show(shapes: Any) -> str:
    return str(shapes).replace("'", "")
