"""Connectionist temporal classification: labels of a sequence whose times are not known."""

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from ._masked import at_least_float32


def ctc_loss(
    logits: Float[ArrayLike, "batch time classes"],
    labels: Int[ArrayLike, "batch labels"],
    mask: Bool[ArrayLike, "batch time"] | None = None,
    *,
    blank: int = 0,
) -> Float[Array, ""]:
    """Mean negative log-probability of the label sequences, in nats a sequence.

    A sequence of labels is as probable as all its alignments together: one class or the
    blank at every step, equal neighbours merged, blanks then removed. Sequences that have no
    alignment, such as those with more labels than steps, do not count; `ctc_feasible` tells
    which. The computation is Optax's, kept from falling below 0 by rounding.

    Args:
        logits: unnormalised log-probabilities of the classes, the blank being one of them.
        labels: classes, padded at the end with `blank` or anything below 0.
        mask: true at the valid steps, as `valid_steps` makes it; by default everywhere.
        blank: the class of the blank.

    Raises:
        ValueError: if the shapes do not fit together.

    Examples:
        >>> ctc_loss(jnp.zeros((1, 2, 3)), jnp.array([[1, 0]]))  # 1 1, 1 blank, blank 1
        Array(1.0986123, dtype=float32)

    Reference:
        A. Graves, S. Fernández, F. Gomez, J. Schmidhuber, Connectionist temporal
        classification, ICML 2006.
    """
    logits, labels = at_least_float32(jnp.asarray(logits)), jnp.asarray(labels)
    mask = jnp.ones(logits.shape[:2], bool) if mask is None else jnp.asarray(mask)
    if logits.ndim != 3 or mask.shape != logits.shape[:2]:
        raise ValueError(
            f"expected logits [B, T, classes] and a mask [B, T], got {list(logits.shape)} and "
            f"{list(mask.shape)}"
        )
    feasible = ctc_feasible(labels, mask, blank=blank)
    logits = jnp.where((mask & feasible[:, None])[..., None], logits, 0)
    paddings = 1.0 - mask, labels, 1.0 * _padding(labels, blank)
    # Optax picks log-probabilities by a product, which a GPU may round to fewer bits.
    with jax.default_matmul_precision("highest"):
        losses = optax.ctc_loss(logits, *paddings, blank_id=blank)
    losses = jnp.where(feasible, jnp.maximum(losses, 0), 0)
    return losses.sum() / jnp.maximum(feasible.sum(), 1)


def ctc_feasible(
    labels: Int[ArrayLike, "batch labels"],
    mask: Bool[ArrayLike, "batch time"],
    *,
    blank: int = 0,
) -> Bool[Array, "batch"]:
    """Which label sequences have an alignment: a step for each label, one more for a repeat.

    A sequence without a valid step is none that has.

    Args:
        labels: classes, padded at the end with `blank` or anything below 0.
        mask: true at the valid steps, as `valid_steps` makes it.
        blank: the class of the blank.

    Raises:
        ValueError: if the shapes do not fit together.

    Examples:
        >>> ctc_feasible(jnp.array([[1, 2], [1, 1]]), jnp.ones((2, 2), bool))
        Array([ True, False], dtype=bool)
    """
    labels, mask = jnp.asarray(labels), jnp.asarray(mask)
    if labels.ndim != 2 or mask.ndim != 2 or len(labels) != len(mask) or mask.dtype != jnp.bool_:
        raise ValueError(
            f"expected labels [B, L] and a bool mask [B, T], got {labels.dtype}"
            f"{list(labels.shape)} and {mask.dtype}{list(mask.shape)}"
        )
    real = ~_padding(labels, blank)
    repeats = (labels[:, 1:] == labels[:, :-1]) & real[:, 1:]
    return mask.sum(-1) >= jnp.maximum(real.sum(-1) + repeats.sum(-1), 1)


def _padding(labels: Array, blank: int) -> Array:
    return (labels == blank) | (labels < 0)
