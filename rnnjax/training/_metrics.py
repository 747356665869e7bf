"""What to report besides a loss; none of it has a gradient."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from ._masked import fitting, masked_mean


def accuracy(
    logits: Float[ArrayLike, "*batch classes"],
    targets: Int[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> Float[Array, ""]:
    """The share of predictions whose likeliest class is the target.

    Args:
        logits: scores, classes last.
        targets: the class of each prediction.
        mask: true where a prediction counts; by default everywhere. Without any, it is 0.

    Raises:
        ValueError: if the shapes do not fit together.

    Examples:
        >>> accuracy(jnp.array([[0.0, 1.0], [2.0, 0.0]]), jnp.array([1, 1]))
        Array(0.5, dtype=float32)
    """

    def right(logits, targets):
        return (logits.argmax(-1) == targets).astype(jnp.float32)

    return masked_mean(right, mask, *fitting(logits, targets, features=1))


def sequence_accuracy(
    logits: Float[ArrayLike, "*batch time classes"],
    targets: Int[ArrayLike, "*batch time"],
    mask: Bool[ArrayLike, "*batch time"] | None = None,
) -> Float[Array, ""]:
    """The share of sequences in which every prediction that counts is right.

    Args:
        logits: scores, classes last.
        targets: the class of each step.
        mask: true where a prediction counts; by default everywhere. A sequence without any
            does not count.

    Raises:
        ValueError: if the shapes do not fit together.

    Examples:
        >>> logits = jnp.array([[[0.0, 1.0], [2.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]])
        >>> sequence_accuracy(logits, jnp.array([[1, 1], [0, 0]]))
        Array(0.5, dtype=float32)
    """
    logits, targets = fitting(logits, targets, features=1)
    mask = jnp.ones(targets.shape, bool) if mask is None else jnp.asarray(mask)
    if mask.shape != targets.shape:
        raise ValueError(
            f"expected a mask of shape {list(targets.shape)}, got {list(mask.shape)}: it says "
            "which steps count"
        )
    wrong = mask & (logits.argmax(-1) != targets)
    return masked_mean(lambda wrong: 1.0 - wrong.any(-1), mask.any(-1), wrong)
