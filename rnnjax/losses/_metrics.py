"""Metrics to report besides a loss, without a gradient."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int

from .._checks import brief, check_array
from ._masked import as_mask, masked_sum
from ._mean import MeanLoss
from ._targets import fitting_classes


@MeanLoss
def accuracy(
    logits: Float[ArrayLike, "*batch classes"],
    targets: Int[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """The share of predictions whose likeliest class is the target.

    Under `jit` a target that is no class counts as wrong.

    Args:
        logits: scores, classes last.
        targets: the class of each prediction.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together, or a target is no class.

    Examples:
        >>> accuracy(jnp.array([[0.0, 1.0], [2.0, 0.0]]), jnp.array([1, 1]))
        Array(0.5, dtype=float32)
    """
    logits, targets, _ = fitting_classes(logits, targets, mask)

    def right(logits, targets):
        return (logits.argmax(-1) == targets).astype(jnp.float32)

    return masked_sum(right, mask, logits, targets)


@MeanLoss
def sequence_accuracy(
    logits: Float[ArrayLike, "*batch time classes"],
    targets: Int[ArrayLike, "*batch time"],
    mask: Bool[ArrayLike, "*batch time"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """The share of sequences in which every prediction that counts is right.

    A sequence counts if one of its predictions does. Under `jit` a target that is no class
    counts as wrong.

    Args:
        logits: scores, classes last.
        targets: the class of each step.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together, or a target is no class.

    Examples:
        >>> logits = jnp.array([[[0.0, 1.0], [2.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]])
        >>> sequence_accuracy(logits, jnp.array([[1, 1], [0, 0]]))
        Array(0.5, dtype=float32)
    """
    targets = check_array("targets", targets)
    if not targets.ndim:
        raise ValueError(f"expected targets [*batch, time], got {brief(targets)}")
    mask = as_mask(mask, targets.shape, whole=True)
    logits, targets, _ = fitting_classes(logits, targets, mask)
    wrong = mask & (logits.argmax(-1) != targets)
    counted = mask.any(-1)
    right = counted & ~wrong.any(-1)
    return right.sum(dtype=jnp.float32), counted.sum()
