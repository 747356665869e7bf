"""What a way to compute a recurrence is."""

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

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
        dtype: that of the factors of products, the parameters `w…`, such as "bfloat16"; sums,
            carries and all other parameters keep at least float32. `None` leaves it.
        precision: of products in float32, as in `jax.default_matmul_precision`; `None` leaves it.

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
            name = jnp.dtype(self.dtype).name
            if not jnp.issubdtype(name, jnp.floating):
                raise ValueError(
                    f"expected dtype to be a float type, such as 'bfloat16', got {name!r}"
                )
            object.__setattr__(self, "dtype", name)
        try:
            jax.default_matmul_precision(self.precision)
        except ValueError as error:
            raise ValueError(
                "expected precision to be one of jax.default_matmul_precision, got "
                f"{self.precision!r}"
            ) from error

    @abstractmethod
    def obstacle(self, cell: Cell, recurrence: Recurrence, steps: Any) -> str | None:
        """Why this method cannot run a cell, or `None`."""

    @abstractmethod
    def form(self, cell: Cell, recurrence: Recurrence, steps: Any) -> tuple[str, str]:
        """What this method makes of a cell that it can run, and why: for `explain`."""

    @abstractmethod
    def run(self, cell: Cell, recurrence: Recurrence, steps: Any, reverse: bool) -> tuple[Any, Any]:
        """The final carry and the outputs; what is at masked steps of these does not count."""
