"""A loss is a weighted mean: a sum over the entries that count, and their number."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from .._checks import brief, check_array, check_function
from .._numerics import carry_dtype
from .._static import Static
from ._masked import masked_sum
from ._targets import fitting

P = ParamSpec("P")


class MeanLoss(Generic[P]):
    """A decorator that makes a loss of a function that returns a sum and a count.

    Calling the loss gives `sum / count`, and 0 if the count is 0. Its method `total` gives both,
    so that means over several batches are exact. Options bound by `functools.partial` go to
    both. The loss keeps the signature, the docstring and the name of the function.

    Args:
        total: a function `(predictions, targets, mask=None, **options) -> (sum, count)`.

    Raises:
        ValueError: if `total` is not callable; when called, if it gives no sum and count.

    Examples:
        >>> @MeanLoss
        ... def absolute_error(predictions, targets, mask=True):
        ...     return jnp.sum(abs(predictions - targets), where=mask), jnp.sum(mask)
        >>> absolute_error(jnp.array([3.0, 5.0]), jnp.array([1.0, 1.0]), jnp.array([True, False]))
        Array(2., dtype=float32)
    """

    __name__: str
    __qualname__: str

    def __init__(self, total: Callable[P, tuple[ArrayLike, ArrayLike]]):
        self.total = check_function("total", total)
        functools.update_wrapper(self, total)
        self.__signature__ = inspect.signature(total).replace(return_annotation=Float[Array, ""])

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Float[Array, ""]:
        return _mean(self.total(*args, **kwargs))

    def __repr__(self) -> str:
        return f"<loss {self.__name__}>"

    def __reduce__(self) -> str:
        return self.__qualname__


class Masked(Static):
    """Mean of an elementwise loss, such as Optax's, over the entries where a mask is true.

    Called with `(predictions, targets, mask=None)`. Both have the same shape; the axes of the
    mask are their first axes. Masked entries are zeroed before the loss sees them.

    Args:
        loss: a function of predictions and targets that gives a loss for each entry, or for each
            index of their first axes.

    Raises:
        ValueError: if `loss` is not callable; when called, if shapes do not fit together.

    Examples:
        >>> import optax
        >>> huber = Masked(functools.partial(optax.huber_loss, delta=2.0))
        >>> huber(jnp.array([1.0, 5.0]), jnp.array([0.0, 0.0]), jnp.array([True, False]))
        Array(0.5, dtype=float32)
    """

    loss: Callable[..., Array]

    def __post_init__(self):
        super().__post_init__()
        if not callable(self.loss):
            raise ValueError(
                f"expected a function of predictions and targets, got {self.loss!r}; "
                "Optax's are optax.huber_loss, optax.log_cosh and others"
            )

    def total(self, predictions: ArrayLike, targets: ArrayLike, mask: Any = None) -> tuple:
        """The sum of the losses of the entries that count, and their number."""
        return masked_sum(self.loss, mask, *fitting(predictions, targets))

    def __call__(
        self, predictions: ArrayLike, targets: ArrayLike, mask: Any = None
    ) -> Float[Array, ""]:
        return _mean(self.total(predictions, targets, mask))


def _mean(result: Any) -> Float[Array, ""]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise ValueError(
            f"expected a loss to give a sum and a count, got {brief(result)}; does it take the "
            "mean itself?"
        )
    total, count = check_array("the sum", result[0]), check_array("the count", result[1])
    dtype = carry_dtype(total.dtype)
    return total.astype(dtype) / jnp.where(count > 0, count, 1).astype(dtype)
