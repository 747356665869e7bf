"""What training makes small."""

from math import log

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int


def cross_entropy(
    logits: Float[ArrayLike, "*batch classes"],
    targets: Int[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*batch"] | None = None,
) -> Float[Array, ""]:
    """Mean negative log-likelihood of the targets, in nats, over the steps that count.

    Args:
        logits: unnormalised log-probabilities, classes last.
        targets: the class of each step.
        mask: true where a step counts; by default everywhere. Without any, the loss is 0.

    Example:
        >>> cross_entropy(jnp.zeros((3, 4)), jnp.array([0, 1, 2]))
        Array(1.3862944, dtype=float32)
    """
    logits, targets = jnp.asarray(logits), jnp.asarray(targets)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    if mask is None:
        return losses.mean()
    return jnp.where(mask, losses, 0).sum() / jnp.maximum(jnp.sum(mask), 1)


def bits(nats: float) -> float:
    """Nats as bits: divided by `log 2`.

    Example:
        >>> round(bits(1.3862944), 4)
        2.0
    """
    return nats / log(2)
