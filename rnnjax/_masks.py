"""Masks and resets: which steps count, and before which the carry starts afresh.

A masked step is computed, since a compiled loop computes every step of every row, and discarded.
It is computed at a pair of carry and input that occurs in its row, the first valid one. At a fixed
value, such as zero, the cell may have no derivative, and zero times infinity is NaN.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Bool, Int

from ._checks import LAYOUT, Shape, brief, check_array
from ._trees import is_inexact, where


def as_signals(lengths: Any, mask: Any, resets: Any) -> tuple[Any, Any, Any]:
    """The signals as arrays; `None` stays `None`.

    Raises:
        ValueError: if one is no array, or lengths are too large for an integer of JAX.

    Examples:
        >>> as_signals([3, 5], None, None)
        (Array([3, 5], dtype=int32), None, None)
    """
    named = {"lengths": lengths, "mask": mask, "resets": resets}
    with jax.ensure_compile_time_eval():  # so that values are seen in a traced function, too
        arrays = [None if a is None else check_array(name, a) for name, a in named.items()]
    return arrays[0], arrays[1], arrays[2]


def check_signals(
    steps: int,
    batch: Shape,
    lengths: Any = None,
    mask: Any = None,
    resets: Any = None,
    *,
    time_major: bool = True,
) -> None:
    """Checks the signals of sequences against their steps and batch axes.

    Lengths beyond `steps` are seen where their values are known, outside `jit`.

    Raises:
        ValueError: if a shape or a dtype does not fit, or a length is negative or above `steps`.

    Examples:
        >>> check_signals(5, (2,), lengths=jnp.array([3, 5]), mask=jnp.ones((5, 2), bool))
    """
    lead = [steps, *batch] if time_major else [*batch, steps]
    other = f"is it {'batch' if time_major else 'time'}-major? {LAYOUT}"
    for name, signal in (("mask", mask), ("resets", resets)):
        if signal is not None and (signal.dtype != jnp.bool_ or list(signal.shape) != lead):
            raise ValueError(
                f"expected {name} to be bool of shape {lead}, the axes of the inputs before the "
                f"features, got {signal.dtype}{list(signal.shape)}; does it need .astype(bool), "
                f"or {other}"
            )
    if lengths is None:
        return
    if not jnp.issubdtype(lengths.dtype, jnp.integer) or lengths.shape != batch:
        raise ValueError(
            f"expected lengths to be integers of shape {list(batch)}, one a sequence, got "
            f"{lengths.dtype}{list(lengths.shape)}; or {other}"
        )
    if isinstance(lengths, Tracer) or not lengths.size or not isinstance(steps, int):
        return
    known = np.asarray(lengths)  # NumPy, because under jit even an operation on constants is traced
    if known.min() < 0 or known.max() > steps:
        raise ValueError(
            f"expected lengths between 0 and {steps}, the number of steps, got {known.min()} … "
            f"{known.max()}; or {other}"
        )


def valid_steps(
    steps: int,
    lengths: Int[Array, "*batch"] | None = None,
    mask: Bool[Array, "time *batch"] | None = None,
) -> Bool[Array, "time *batch"] | None:
    """The mask `[T, *batch]` of `lengths` and `mask` together; `None` if every step is valid.

    Examples:
        >>> valid_steps(3, jnp.array([1, 3])).astype(int)
        Array([[1, 1],
               [0, 1],
               [0, 1]], dtype=int32)
    """
    if lengths is None:
        return mask
    # No row can be longer than all steps; without this unsigned and 64-bit lengths would wrap.
    lengths = jnp.minimum(lengths, jnp.asarray(steps, lengths.dtype)).astype(jnp.int32)
    within = jnp.arange(steps, dtype=jnp.int32).reshape(-1, *[1] * lengths.ndim) < lengths[None]
    return within if mask is None else within & mask


def first_valid(mask: Bool[Array, "time *batch"], tree: Any, reverse: bool = False) -> Any:
    """The entry of each row at its first valid step, without a gradient: `[*batch, …]`.

    A row without a valid step borrows the entry of another row.

    Args:
        mask: true where a step counts, `[T, *batch]`.
        tree: arrays `[T, *batch, …]`.
        reverse: whether time runs from the last step to the first.

    Examples:
        >>> mask = jnp.array([[False, False], [True, False]])
        >>> first_valid(mask, jnp.array([[1, 2], [3, 4]]))
        Array([3, 3], dtype=int32)
    """
    first = jnp.argmax(mask[::-1] if reverse else mask, 0)
    first = mask.shape[0] - 1 - first if reverse else first

    def take(a):
        index = jnp.expand_dims(first, (0, *range(first.ndim + 1, a.ndim)))
        return jnp.take_along_axis(a, index, 0)[0]

    return borrow(mask.any(0), jax.tree.map(take, tree))


def borrow(has: Bool[Array, "*batch"], tree: Any) -> Any:
    """The rows of `tree` where `has` is true; elsewhere the first such row.

    A masked sum finds that row, so that rows on several devices meet in one reduction.
    """
    if has.size == 0:
        return tree
    index = jnp.arange(has.size, dtype=jnp.int32).reshape(has.shape)
    donor = index == jnp.min(index, where=has, initial=has.size)

    def fill(row):
        row = lax.stop_gradient(row)
        if jnp.issubdtype(row.dtype, jax.dtypes.extended):
            return row  # a random key cannot be added up
        own = jnp.expand_dims(donor, range(donor.ndim, row.ndim))
        one = jnp.where(own, row, jnp.zeros_like(row)).sum(range(donor.ndim)).astype(row.dtype)
        return where(has, row, jnp.broadcast_to(one, row.shape))

    return jax.tree.map(fill, tree)


def clean(valid: Bool[Array, "time *batch"] | None, tree: Any, reverse: bool = False) -> Any:
    """The tree `[T, *batch, …]` with the first valid entry of each row at its masked steps."""
    if valid is None:
        return tree
    first = first_valid(valid, tree, reverse)
    return where(valid, tree, jax.tree.map(lambda a: a[None], first))


def stop_where_nothing_counts(valid: Bool[Array, "time *batch"] | None, tree: Any) -> Any:
    """The tree, without a gradient if no row has a valid step: then no safe point is known."""
    if valid is None:
        return tree
    some = valid.any()
    return jax.tree.map(
        lambda a: jnp.where(some, a, lax.stop_gradient(a)) if is_inexact(a) else a, tree
    )


def reverse_resets(
    resets: Bool[Array, "time *batch"], mask: Bool[Array, "time *batch"] | None
) -> Bool[Array, "time *batch"]:
    """The resets of the backward direction, given the resets of the forward one.

    A document that starts before step `t` ends, seen from its end, after step `t`: the
    backward direction starts afresh before the valid step that precedes `t`.

    Raises:
        ValueError: if an argument is not boolean, or their shapes differ.

    Examples:
        >>> resets = jnp.array([False, False, False, True])
        >>> reverse_resets(resets, mask=jnp.array([True, True, False, True]))
        Array([False,  True, False, False], dtype=bool)
    """
    resets = check_array("resets", resets)
    mask = jnp.ones_like(resets) if mask is None else check_array("mask", mask)
    for name, signal in (("resets", resets), ("mask", mask)):
        if signal.dtype != jnp.bool_ or signal.ndim < 1 or signal.shape != resets.shape:
            raise ValueError(
                f"expected {name} to be bool of the shape of the resets, [T, *batch], got "
                f"{brief(signal)}"
            )

    def body(later, now):
        reset, valid = now
        return jnp.where(valid, reset, later), later & valid

    return lax.scan(body, jnp.zeros_like(resets[0]), (resets, mask), reverse=True)[1]
