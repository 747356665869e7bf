"""The base of the ways to compute a recurrence."""

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax

from .._checks import check_dtype
from .._core import Cell
from .._static import Static
from ._entry import Masks, Start


class Recurrence(NamedTuple):
    """The arrays of one recurrence: a cell over a sequence."""

    weights: Any
    xs: Any  # `[T, *batch, …]`, or `None`
    noise: tuple  # empty, or one tree `[T, *batch, …]`
    carry: Any
    start: Start
    masks: Masks


class Method(Static, ABC):
    """A way to compute a recurrence. All give the same values and exact gradients.

    Args:
        dtype: dtype of the factors of products, the parameters `w…`, such as "bfloat16"; sums,
            carries and all other parameters keep at least float32. `None` leaves it.
        precision: precision of products in float32, as in `jax.default_matmul_precision`; `None`
            leaves it.

    Examples:
        >>> import rnnjax
        >>> rnnjax.engine.Loop(dtype="bfloat16", precision="highest").dtype
        'bfloat16'
    """

    _: KW_ONLY
    dtype: Any = None
    precision: str | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.dtype is not None:
            object.__setattr__(self, "dtype", check_dtype("dtype", self.dtype))
        try:
            jax.default_matmul_precision(self.precision)
        except (TypeError, ValueError) as error:
            raise ValueError(
                "expected precision to be one of jax.default_matmul_precision, got "
                f"{self.precision!r}"
            ) from error

    @abstractmethod
    def obstacle(self, cell: Cell, recurrence: Recurrence, steps: Any) -> str | None:
        """The reason why this method cannot run a cell, or `None`."""

    def slower(self, cell: Cell, recurrence: Recurrence, steps: Any) -> str | None:
        """The reason why the methods after this one are faster here, or `None`."""
        return None

    @abstractmethod
    def form(self, cell: Cell, recurrence: Recurrence, steps: Any) -> tuple[str, str]:
        """The kind of program for a cell that it can run, and the reason: for `explain`."""

    @abstractmethod
    def run(self, cell: Cell, recurrence: Recurrence, steps: Any, reverse: bool) -> tuple[Any, Any]:
        """The final carry and the outputs, of which those at masked steps do not count."""
