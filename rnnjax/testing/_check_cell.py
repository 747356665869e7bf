"""Checks a cell against the laws."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from .._core import Cell
from .._wrapper import check_cell as check_is_cell
from ._laws import LAWS, equals_reference
from ._trial import Trial


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
        input_size: what `cell.init` is given.
        context: for a cell with `takes_context`, in float64, with a batch of 3 in front.
        reference: independent code in NumPy: `(params, carry, x) -> (carry, y)` of one row; with
            a context also `context=`.
        draw: draws inputs `[*lead, features]` from a NumPy generator and `lead`, for a cell that
            is not defined everywhere; by default standard normal, or tokens below `input_size`.

    Raises:
        AssertionError: if a law is broken, or what the cell raises; a note names the law.

    Examples:
        >>> import rnnjax
        >>> check_cell(rnnjax.Elman(2), input_size=1)
    """
    check_is_cell(cell)
    with jax.enable_x64(True):
        trial = Trial(cell, input_size, context, draw)
        for law in LAWS:
            try:
                law(trial)
            # Whatever goes wrong in a user's code, it is raised again with the law that it broke.
            except Exception as error:
                error.add_note(f"rnnjax.testing: {law.__doc__} Broken by {cell!r}.")
                raise
        if reference is not None:
            equals_reference(trial, reference)
