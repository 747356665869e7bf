"""Connectionist temporal classification: labels of a sequence whose times are unknown."""

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .._checks import check_array, check_class, check_positive
from ._masked import as_mask, at_least_float32
from ._mean import MeanLoss
from ._targets import as_classes, as_floats, out_of_range, spoil


@MeanLoss
def ctc_loss(
    logits: Float[ArrayLike, "batch time classes"],
    labels: Int[ArrayLike, "batch labels"],
    mask: Bool[ArrayLike, "batch time"] | None = None,
    *,
    blank: int = 0,
) -> tuple[ArrayLike, ArrayLike]:
    """Mean negative log-probability of the label sequences, in nats a sequence.

    The probability of a label sequence is the sum over its alignments. An alignment has one
    class or the blank at every valid step and gives the labels when equal neighbours are merged
    and then blanks removed. Sequences without an alignment, such as those with more labels than
    steps, do not count; `ctc_feasible` reports them. Under `jit` a label that is no class makes
    the loss NaN. Optax computes the sums; a value below 0, by rounding, becomes 0.

    Args:
        logits: unnormalised log-probabilities of the classes, including the blank.
        labels: classes, padded at the end with `blank` or negative numbers.
        mask: true at the valid steps, as `valid_steps` makes it; by default everywhere.
        blank: class of the blank; -1 is the last class.

    Raises:
        ValueError: if shapes do not fit together, or a label or the blank is no class.

    Examples:
        >>> ctc_loss(jnp.zeros((1, 2, 3)), jnp.array([[1, 0]]))  # 1 1, 1 blank, blank 1
        Array(1.0986123, dtype=float32)

    Reference:
        A. Graves, S. Fernández, F. Gomez, J. Schmidhuber, Connectionist temporal
        classification, ICML 2006.
    """
    logits = at_least_float32(as_floats("logits", logits))
    labels = as_classes("labels", labels)
    if logits.ndim != 3:
        raise ValueError(f"expected logits [B, T, classes], got {list(logits.shape)}")
    batch, steps, classes = logits.shape
    blank = check_class("blank", blank, classes)
    mask = as_mask(mask, (batch, steps), whole=True)
    feasible = ctc_feasible(labels, mask, blank=blank)
    if not batch or not steps:
        return logits.sum(), 0
    padding = _padding(labels, blank)
    inside = (labels >= 0) & (labels < classes) & (labels != blank)
    expected = f"labels from 0 to {classes - 1}, the {classes} classes, without the blank, {blank}"
    wrong = out_of_range(labels, inside | padding, feasible, expected, "padding is at the end")
    logits = jnp.where((mask & feasible[:, None])[..., None], logits, 0)
    losses = jnp.where(feasible, _losses(logits, mask, labels, padding, blank), 0)
    losses = spoil(losses, wrong.any(-1))
    return losses.sum(), feasible.sum()


def ctc_feasible(
    labels: Int[ArrayLike, "batch labels"],
    mask: Bool[ArrayLike, "batch time"],
    *,
    blank: int = 0,
) -> Bool[Array, "batch"]:
    """Whether each label sequence has an alignment: a step for each label, one more for a repeat.

    A sequence with no valid step has none.

    Args:
        labels: classes, padded at the end with `blank` or negative numbers.
        mask: true at the valid steps, as `valid_steps` makes it.
        blank: class of the blank, counted from the first.

    Raises:
        ValueError: if shapes do not fit together.

    Examples:
        >>> ctc_feasible(jnp.array([[1, 2], [1, 1]]), jnp.ones((2, 2), bool))
        Array([ True, False], dtype=bool)
    """
    labels, mask = as_classes("labels", labels), check_array("mask", mask)
    if labels.ndim != 2 or mask.ndim != 2 or len(labels) != len(mask) or mask.dtype != jnp.bool_:
        raise ValueError(
            f"expected labels [B, L] and a bool mask [B, T], got {labels.dtype}"
            f"{list(labels.shape)} and {mask.dtype}{list(mask.shape)}"
        )
    real = ~_padding(labels, check_positive("blank", blank, least=0))
    repeats = (labels[:, 1:] == labels[:, :-1]) & real[:, 1:]
    return mask.sum(-1) >= jnp.maximum(real.sum(-1) + repeats.sum(-1), 1)


def _padding(labels: Array, blank: int) -> Bool[Array, "batch labels"]:
    """True where only blanks and negative numbers are left."""
    real = (labels != blank) & (labels >= 0)
    return jax.lax.cummax(real.astype(jnp.int32), axis=1, reverse=True) == 0


def _losses(logits: Array, mask: Array, labels: Array, padding: Array, blank: int) -> Array:
    """Optax's loss of each sequence, 0 where rounding makes it negative."""
    paddings = (~mask).astype(logits.dtype), labels, padding.astype(logits.dtype)
    # Optax picks log-probabilities by a product, which a GPU may round to fewer bits, and it
    # mixes dtypes.
    with jax.default_matmul_precision("highest"), jax.numpy_dtype_promotion("standard"):
        return jnp.maximum(optax.ctc_loss(logits, *paddings, blank_id=blank), 0)
