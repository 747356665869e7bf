"""The best alignment of known labels, by Viterbi's algorithm on the lattice of CTC."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .._checks import brief, check_array
from ._ctc import log_probs_of


def ctc_align(
    logits: Float[ArrayLike, "batch time classes"],
    labels: Int[ArrayLike, "batch labels"],
    mask: Bool[ArrayLike, "batch time"] | None = None,
    *,
    blank: int = 0,
) -> tuple[Int[Array, "batch time"], Float[Array, "batch"]]:
    """The likeliest alignment of label sequences: the class of every step, and its log-probability.

    An alignment gives the labels when equal neighbours are merged and then blanks removed. A
    masked step is as if it were not there.

    Args:
        logits: unnormalised log-probabilities of the classes, including the blank.
        labels: classes, padded at the end with `blank` or negative numbers.
        mask: true at the valid steps, as `valid_steps` makes it; by default everywhere.
        blank: class of the blank; -1 is the last class.

    Returns:
        The classes, -1 at masked steps and in sequences without an alignment, and the
        log-probabilities, minus infinity without one. NaN in logits, and labels that are no class,
        make the log-probability NaN.

    Raises:
        ValueError: if shapes do not fit together, or a label whose value is known or the blank is
            no class.

    Examples:
        >>> logits = jnp.array([[[0.0, 2.0, 0.0], [3.0, 0.0, 1.0], [0.0, 0.0, 1.0]]])
        >>> ctc_align(logits, jnp.array([[1, 2]]))[0]
        Array([[1, 0, 2]], dtype=int32)
    """
    log_p, mask, blank = log_probs_of(logits, mask, blank)
    labels = check_array("labels", labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer) or labels.shape[:-1] != mask.shape[:1]:
        raise ValueError(
            f"expected labels [B, L] of integers for {len(mask)} sequences, got {brief(labels)}"
        )
    labels = labels.astype(jnp.int32)
    real = (labels != blank) & (labels >= 0)
    real = jax.lax.cummax(real.astype(jnp.int32), axis=1, reverse=True) > 0
    wrong = real & ((labels < 0) | (labels >= log_p.shape[2]) | (labels == blank))
    _refuse(labels, wrong, log_p.shape[2])
    log_p = jnp.where(wrong.any(1)[:, None, None], jnp.nan, log_p)
    return _align(log_p, jnp.where(real, labels, blank), real.sum(1), mask, blank)


def _refuse(labels: Any, wrong: Any, classes: int) -> None:
    """Raises a `ValueError` for a label that is no class, where its value is known."""
    if not isinstance(wrong, Tracer) and (bad := np.asarray(wrong)).any():
        raise ValueError(
            f"expected labels from 0 to {classes - 1}, the {classes} classes, without the blank, "
            f"got {np.asarray(labels)[bad][0]}; padding is at the end"
        )


@jax.jit
def _align(log_p: Array, labels: Array, counts: Array, mask: Array, blank: ArrayLike):
    return jax.vmap(_align_one, (0, 0, 0, 0, None))(log_p, labels, counts, mask, blank)


def _align_one(log_p: Array, labels: Array, count: Array, mask: Array, blank: ArrayLike):
    """States are a blank, label 0, a blank, label 1, …, a blank."""
    states = jnp.full(2 * len(labels) + 1, blank, jnp.int32).at[1::2].set(labels)
    never = jnp.full(len(states), -jnp.inf, log_p.dtype)
    # From a label to the next one without a blank, unless they are equal.
    skips = (states != blank) & (states != jnp.roll(states, 2)) & (jnp.arange(len(states)) > 2)

    def step(scores, inputs):
        log_p, valid = inputs
        one = jnp.concatenate([never[:1], scores])[:-1]
        two = jnp.where(skips, jnp.roll(scores, 2), -jnp.inf)
        before = jnp.stack([scores, one, two])
        move = jnp.where(valid, before.argmax(0), 0)
        return jnp.where(valid, before.max(0) + log_p[states], scores), move

    # State 0 before the first step leads to the states in which an alignment may start.
    scores, moves = jax.lax.scan(step, never.at[0].set(0), (log_p, mask))
    ends = jnp.stack([2 * count, jnp.maximum(2 * count - 1, 0)])
    end = ends[scores[ends].argmax()]
    score = jnp.where(jnp.isnan(log_p).any(), jnp.nan, scores[end])

    def back(state, move):
        return state - move[state], state

    _, path = jax.lax.scan(back, end, moves, reverse=True)
    return jnp.where(mask & (score > -jnp.inf), states[path], -1), score
