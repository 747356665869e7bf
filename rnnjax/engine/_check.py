"""Checks of what the user passes, made once, while JAX traces: shapes are free at run time.

Every message says what was expected, what came, and the usual cause.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._core import Cell, Shape

_LAYOUT = "scan takes [T, *batch, features], a layer [*batch, T, features]"


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
    expected, got = _init_shapes(cell, size), _shapes(params)
    if _alike(expected, got):
        return
    if isinstance(size, int):
        for other in sorted({n for leaf in jax.tree.leaves(params) for n in leaf.shape}):
            if _made_for(cell, other, got):
                raise ValueError(
                    f"expected xs with {other} features, for which the parameters of {cell} were "
                    f"made, got {size} in xs of shape {list(xs.shape)}; features are the last axis"
                )
    raise ValueError(
        f"expected parameters of {cell}: {_show(expected)}, got {_show(got)}; are they those of "
        "another cell, or of several members, which need vmap?"
    )


def carry_fits(name: str, cell: Cell, params: Any, carry: Any, batch: Shape) -> None:
    """Raises unless `carry` has the structure, shapes and dtypes of the initial one."""
    expected = jax.eval_shape(lambda params: cell.init_carry(params, batch), params)
    expected, got = _shapes(expected, dtypes=True), _shapes(carry, dtypes=True)
    if not _alike(expected, got):
        raise ValueError(
            f"expected {name} of {cell}: {_show(expected)}, got {_show(got)}; is it that of "
            f"another cell or batch size, or did you pass batch-major data? {_LAYOUT}"
        )


def check_signals(
    steps: int, batch: Shape, lengths: Any = None, mask: Any = None, resets: Any = None
) -> None:
    """Raises a `ValueError` unless the signals, time-major, go with `steps` and `batch`.

    Lengths beyond `steps` are seen where their values are known, outside `jit`.

    Example:
        >>> check_signals(5, (2,), lengths=jnp.array([3, 5]), mask=jnp.ones((5, 2), bool))
    """
    if lengths is not None:
        _lengths_fit(lengths, steps, batch)
    for name, signal in (("mask", mask), ("resets", resets)):
        if signal is not None and (signal.dtype != jnp.bool_ or signal.shape != (steps, *batch)):
            raise ValueError(
                f"expected {name} to be bool of shape {[steps, *batch]}, the axes of xs before the "
                f"last, got {_show_array(signal)}; does it need .astype(bool), or is it "
                f"batch-major? {_LAYOUT}"
            )


def _lengths_fit(lengths: Any, steps: int, batch: Shape) -> None:
    if not jnp.issubdtype(lengths.dtype, jnp.integer) or lengths.shape != batch:
        raise ValueError(
            f"expected lengths to be integers of shape {list(batch)}, the batch shape of xs, got "
            f"{_show_array(lengths)}; did you pass batch-major data? {_LAYOUT}"
        )
    if isinstance(lengths, Tracer) or not lengths.size:
        return
    known = np.asarray(lengths)  # NumPy, because under jit even an operation on constants is traced
    low, high = known.min(), known.max()
    if low < 0 or high > steps:
        raise ValueError(
            f"expected lengths between 0 and {steps}, the number of steps in xs, got {low} … "
            f"{high}; did you pass batch-major data? {_LAYOUT}"
        )


def _init_shapes(cell: Cell, size: Any) -> Any:
    return _shapes(jax.eval_shape(lambda: cell.init(jax.random.key(0), size)))


def _made_for(cell: Cell, size: int, shapes: Any) -> bool:
    """Whether parameters of these shapes are the cell's for inputs of `size` features."""
    try:
        return _alike(_init_shapes(cell, size), shapes)
    except ValueError:
        return False


def _alike(a: Any, b: Any) -> bool:
    """Equality that, unlike that of named tuples, tells `LSTMParams` from `ElmanParams`."""
    return jax.tree.structure(a) == jax.tree.structure(b) and jax.tree.leaves(a) == jax.tree.leaves(
        b
    )


def _shapes(tree: Any, dtypes: bool = False) -> Any:
    return jax.tree.map(lambda a: _show_array(a) if dtypes else str(list(a.shape)), tree)


def _show_array(a: Any) -> str:
    return f"{a.dtype}{list(a.shape)}"


def _show(shapes: Any) -> str:
    return str(shapes).replace("'", "")
