"""Checks a cell against the laws."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from .._checks import check_function
from .._core import Cell
from .._hooks import check_size
from .._wrapper import check_cell as check_is_cell
from ._laws import LAWS, equals_reference
from ._trial import Trial


class _Noted(AbstractContextManager):
    """A context that adds a note to every error, one of the user's code, too."""

    def __init__(self, note: str):
        self.note = note

    def __exit__(self, kind, error, trace):
        if error is not None:
            error.add_note(self.note)


def check_cell(
    cell: Cell,
    input_size: Any,
    *,
    context: PyTree = None,
    reference: Callable | None = None,
    draw: Callable[[np.random.Generator, tuple[int, ...]], Any] | None = None,
) -> None:
    """Asserts that a cell obeys the laws.

    * The engine equals a Python loop over `step`, in both directions, with gaps, resets and NaN in
      the padding, in values and in gradients; with noise, too; and for a linear cell all at once.
    * A batch equals its rows.
    * A step equals `reference`; its derivatives equal finite differences.
    * No stage but `recur` and `project` of a staged cell holds a product.
    * Parameters of bfloat16, float32 and float64 work; a carry keeps its structure and types.
    * Equal cells are equal, hash equal, pickle, and share one compilation.
    * Parameters are named by their role, and only sizes are positional.

    Args:
        cell: the cell.
        input_size: number of input features, as for `cell.init`.
        context: for a cell with `takes_context`, in float64, with a batch of 3 in front.
        reference: independent code in NumPy: `(params, carry, x) -> (carry, y)` of one row; with
            a context also `context=`.
        draw: draws inputs `[*lead, features]` from a NumPy generator and `lead`, for a cell that
            is not defined everywhere; by default standard normal, or tokens below `input_size`.

    Raises:
        AssertionError: if a law is broken. Errors of the cell pass; a note names the law.

    Examples:
        >>> import rnnjax
        >>> check_cell(rnnjax.Elman(2), input_size=1)
    """
    check_is_cell(cell)
    check_size("input_size", input_size, cell.num_feature_axes)
    for name, function in (("reference", reference), ("draw", draw)):
        if function is not None:
            check_function(name, function)
    with jax.enable_x64(True):
        trial = Trial(cell, input_size, context, draw)
        for law in LAWS:
            with _Noted(f"rnnjax.testing: {law.__doc__} Broken by {cell!r}."):
                law(trial)
        if reference is not None:
            equals_reference(trial, reference)
