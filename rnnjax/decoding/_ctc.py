"""CTC decoding along the best path, and the checks of every CTC decoder."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .._checks import brief, check_array, check_class
from .._numerics import carry_dtype


def ctc_greedy(
    logits: Float[ArrayLike, "batch time classes"],
    mask: Bool[ArrayLike, "batch time"] | None = None,
    *,
    blank: int = 0,
) -> Int[Array, "batch time"]:
    """The labels of the best path: the likeliest class of every step, merged, without blanks.

    Equal neighbours are merged, then blanks are removed. A masked step is as if it were not
    there. The likeliest labels may be others, since several paths give them; `ctc_beam` adds
    those up.

    Args:
        logits: unnormalised log-probabilities of the classes, including the blank.
        mask: true at the valid steps, as `valid_steps` makes it; by default everywhere.
        blank: class of the blank; -1 is the last class.

    Returns:
        The labels, padded at the end with -1. A sequence with a logit that is NaN has none.

    Raises:
        ValueError: if shapes do not fit together, or the blank is no class.

    Examples:
        >>> ctc_greedy(jax.nn.one_hot(jnp.array([[1, 1, 0, 1, 2]]), 3))
        Array([[ 1,  1,  2, -1, -1]], dtype=int32)

    Reference:
        A. Graves, S. Fernández, F. Gomez, J. Schmidhuber, Connectionist temporal
        classification, ICML 2006.
    """
    log_p, mask, blank = log_probs_of(logits, mask, blank)
    return _best_path(log_p, mask, blank)


@jax.jit
def _best_path(log_p: Array, mask: Array, blank: ArrayLike) -> Array:
    batch, steps, _ = log_p.shape
    best = log_p.argmax(-1).astype(jnp.int32)
    # The last valid step before each one; -1 before the first.
    latest = jax.lax.cummax(jnp.where(mask, jnp.arange(steps)[None], -1), axis=1)
    before = jnp.pad(latest, ((0, 0), (1, 0)), constant_values=-1)[:, :steps]
    previous = jnp.where(before < 0, -1, jnp.take_along_axis(best, jnp.maximum(before, 0), 1))
    known = ~jnp.isnan(log_p).any((1, 2))[:, None]
    keep = mask & (best != previous) & (best != blank) & known
    place = jnp.where(keep, jnp.cumsum(keep, 1) - 1, steps)
    labels = jnp.full((batch, steps), -1, jnp.int32)
    return labels.at[jnp.arange(batch)[:, None], place].set(best, mode="drop")


def log_probs_of(
    logits: Any, mask: Any, blank: Any
) -> tuple[Float[Array, "batch time classes"], Bool[Array, "batch time"], int]:
    """Checked log-probabilities, 0 at masked steps; the mask; the blank counted from the first.

    Raises:
        ValueError: if shapes do not fit together, or the blank is no class.
    """
    logits = check_array("logits", logits)
    if not jnp.issubdtype(logits.dtype, jnp.floating) or logits.ndim != 3 or not logits.shape[2]:
        raise ValueError(
            "expected logits [B, T, classes] of real floating numbers, got "
            f"{brief(logits)}; a single sequence needs a batch axis, logits[None]"
        )
    shape = logits.shape[:2]
    mask = jnp.ones(shape, bool) if mask is None else check_array("mask", mask)
    if mask.dtype != jnp.bool_ or mask.shape != shape:
        raise ValueError(
            f"expected a bool mask of shape {list(shape)}, got {brief(mask)}; does it need "
            ".astype(bool)?"
        )
    blank = check_class("blank", blank, logits.shape[2])
    log_p = jax.nn.log_softmax(logits.astype(carry_dtype(logits.dtype)))
    return jnp.where(mask[..., None], log_p, 0), mask, blank
