"""Prefix beam search for CTC, with prefixes as arrays."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .._checks import check_positive
from ._ctc import log_probs_of


def ctc_beam(
    logits: Float[ArrayLike, "batch time classes"],
    mask: Bool[ArrayLike, "batch time"] | None = None,
    *,
    width: int,
    blank: int = 0,
) -> tuple[Int[Array, "batch width time"], Float[Array, "batch width"]]:
    """The likeliest label sequences, by prefix beam search, best first.

    The probability of a label sequence is the sum over its alignments, as in `ctc_loss`. The
    search keeps the `width` likeliest prefixes of every step; with a width that holds all of
    them, the result is exact. A masked step is as if it were not there.

    Args:
        logits: unnormalised log-probabilities of the classes, including the blank.
        mask: true at the valid steps, as `valid_steps` makes it; by default everywhere.
        width: number of prefixes to keep.
        blank: class of the blank; -1 is the last class.

    Returns:
        The label sequences, padded at the end with -1, and their log-probabilities. Where there
        are fewer than `width`, the rest has no labels and minus infinity. A sequence with a logit
        that is NaN has no labels and NaN.

    Raises:
        ValueError: if shapes do not fit together, the width is no positive integer, or the blank
            is no class.

    Examples:
        >>> p = jnp.array([[[0.6, 0.4], [0.6, 0.4]]])  # best path: blank blank, 0.36
        >>> labels, log_probs = ctc_beam(jnp.log(p), width=2)
        >>> labels[0].tolist(), [f"{p:.2f}" for p in jnp.exp(log_probs[0])]
        ([[1, -1], [-1, -1]], ['0.64', '0.36'])

    Reference:
        A. Hannun, A. Maas, D. Jurafsky, A. Ng, First-pass large vocabulary continuous speech
        recognition using bi-directional recurrent DNNs, 2014, without a language model.
    """
    log_p, mask, blank = log_probs_of(logits, mask, blank)
    return _search(log_p, mask, blank, width=check_positive("width", width))


class _Beam(NamedTuple):
    """Prefixes, and the log-probabilities of the alignments so far that give them."""

    prefixes: Int[Array, "width time"]  # padded with -1
    sizes: Int[Array, "width"]  # number of labels
    last: Int[Array, "width"]  # last label; -1 for the empty prefix
    in_blank: Float[Array, "width"]  # of the alignments that end in a blank
    in_label: Float[Array, "width"]  # of those that end in the last label

    @property
    def scores(self) -> Float[Array, "width"]:
        return jnp.logaddexp(self.in_blank, self.in_label)


@partial(jax.jit, static_argnames=("blank", "width"))
def _search(log_p: Array, mask: Array, blank: int, *, width: int) -> tuple[Array, Array]:
    steps = log_p.shape[1]
    never = jnp.full(width, -jnp.inf, log_p.dtype)
    nothing = jnp.full((width, steps), -1, jnp.int32)
    sizes, last = jnp.zeros(width, jnp.int32), jnp.full(width, -1, jnp.int32)
    start = _Beam(nothing, sizes, last, never.at[0].set(0), never)

    def step(beam, inputs):
        log_p, valid = inputs
        after = _extended(beam, log_p, blank)
        return jax.tree.map(partial(jnp.where, valid), after, beam), None

    def search(log_p, mask):
        beam, _ = jax.lax.scan(step, start, (log_p, mask))
        scores = jnp.where(jnp.isnan(log_p).any(), jnp.nan, beam.scores)
        scores, order = jax.lax.top_k(scores, width)
        alive = (scores > -jnp.inf)[:, None]
        return jnp.where(alive, beam.prefixes[order], -1), scores

    return jax.vmap(search)(log_p, mask)


def _extended(beam: _Beam, log_p: Float[Array, "classes"], blank: int) -> _Beam:
    """The likeliest of all prefixes and of all their extensions by one label."""
    width, classes = len(beam.sizes), len(log_p)
    scores = beam.scores
    in_blank = scores + log_p[blank]
    in_label = beam.in_label + log_p[beam.last]  # -1 has probability 0
    # A label that repeats the last one is a new label only behind a blank.
    repeats = beam.last[:, None] == jnp.arange(classes, dtype=jnp.int32)[None]
    longer = jnp.where(repeats, beam.in_blank[:, None], scores[:, None])
    longer = longer + log_p[None]
    longer = longer.at[:, blank].set(-jnp.inf)
    # An extension that is a prefix of the beam already adds to that one.
    same = _is_extension(beam)
    gained = jnp.where(same, longer[:, beam.last], -jnp.inf).max(0)
    in_label = jnp.logaddexp(in_label, gained)
    merged = (same[:, :, None] & repeats[None]).any(1)
    longer = jnp.where(merged, -jnp.inf, longer)

    candidates = jnp.concatenate([jnp.logaddexp(in_blank, in_label), longer.ravel()])
    _, chosen = jax.lax.top_k(candidates, width)
    stays = chosen < width
    parent, label = jnp.divmod(jnp.where(stays, 0, chosen - width), classes)
    parent = jnp.where(stays, chosen, parent)
    sizes = beam.sizes[parent]
    place = _places(beam) == sizes[:, None]
    return _Beam(
        jnp.where(place & ~stays[:, None], label[:, None], beam.prefixes[parent]).astype(jnp.int32),
        jnp.where(stays, sizes, sizes + 1),
        jnp.where(stays, beam.last[parent], label).astype(jnp.int32),
        jnp.where(stays, in_blank[parent], -jnp.inf),
        jnp.where(stays, in_label[parent], candidates[chosen]),
    )


def _is_extension(beam: _Beam) -> Bool[Array, "width width"]:
    """Whether, at [i, j], prefix j is prefix i and one more label.

    A place of the beam with probability 0 holds no prefix, though it may look like another one.
    """
    shorter = jnp.where(_places(beam) == beam.sizes[:, None] - 1, -1, beam.prefixes)
    equal = (beam.prefixes[:, None] == shorter[None]).all(-1)
    alive = beam.scores > -jnp.inf
    return equal & (alive & (beam.sizes > 0))[None] & alive[:, None]


def _places(beam: _Beam) -> Int[Array, "1 time"]:
    """The places of labels in a prefix."""
    return jnp.arange(beam.prefixes.shape[1], dtype=jnp.int32)[None]
