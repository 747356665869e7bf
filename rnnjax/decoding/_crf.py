"""Decoding of a linear-chain conditional random field."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .._checks import brief, check_array
from .._numerics import carry_dtype


def viterbi(
    potentials: Float[ArrayLike, "batch time k k"],
    mask: Bool[ArrayLike, "batch time"] | None = None,
) -> Int[Array, "batch time"]:
    """The sequence of tags with the largest sum of potentials, by Viterbi's algorithm.

    Of equally good sequences the one with the smallest last tag is taken, then with the smallest
    tag before it, and so on. A masked step is as if it were not there.

    Args:
        potentials: scores, as `layers.CRF` makes them; `potentials[b, t, i, j]` is that of tag j
            after tag i. Before the first valid step the tag is 0.
        mask: true at the valid steps, as `valid_steps` makes it; by default everywhere.

    Returns:
        The tags, -1 at masked steps, and everywhere in a sequence with a potential that is NaN.

    Raises:
        ValueError: if shapes do not fit together.

    Examples:
        >>> stay = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> scores = jnp.array([[0.0, 3.0], [0.5, 0.0], [0.0, 3.0]])
        >>> viterbi((stay + scores[:, None])[None])
        Array([[1, 1, 1]], dtype=int32)

    Reference:
        G. D. Forney, The Viterbi algorithm, Proceedings of the IEEE 61, 1973.
    """
    return _best(*_checked(potentials, mask))


def crf_marginals(
    potentials: Float[ArrayLike, "batch time k k"],
    mask: Bool[ArrayLike, "batch time"] | None = None,
) -> Float[Array, "batch time k"]:
    """The probability of each tag at each step, given all scores of its sequence.

    It is the gradient of the logarithm of the summed exponentials of all sequences of tags.

    Args:
        potentials: scores, as for `viterbi`, finite.
        mask: true at the valid steps, as `valid_steps` makes it; by default everywhere.

    Returns:
        The probabilities, 0 at masked steps.

    Raises:
        ValueError: if shapes do not fit together.

    Examples:
        >>> crf_marginals(jnp.log(jnp.array([[[[3.0, 1.0], [3.0, 1.0]]]]))).round(2)
        Array([[[0.75, 0.25]]], dtype=float32)
    """
    return _marginals(*_checked(potentials, mask))


def _checked(potentials: Any, mask: Any) -> tuple[Array, Array]:
    """Potentials in at least float32, 0 at masked steps, and the mask."""
    potentials = check_array("potentials", potentials)
    shape = potentials.shape
    fits = potentials.ndim == 4 and shape[2] == shape[3] > 0
    if not fits or not jnp.issubdtype(potentials.dtype, jnp.floating):
        raise ValueError(
            "expected potentials [B, T, K, K] of real floating numbers, got "
            f"{brief(potentials)}; layers.CRF makes them of scores"
        )
    mask = jnp.ones(shape[:2], bool) if mask is None else check_array("mask", mask)
    if mask.dtype != jnp.bool_ or mask.shape != shape[:2]:
        raise ValueError(
            f"expected a bool mask of shape {list(shape[:2])}, got {brief(mask)}; does it need "
            ".astype(bool)?"
        )
    potentials = potentials.astype(carry_dtype(potentials.dtype))
    return jnp.where(mask[..., None, None], potentials, 0), mask


def _start(potentials: Array) -> Float[Array, "k"]:
    """The scores of the tags before the first step."""
    return jnp.full(potentials.shape[-1], -jnp.inf, potentials.dtype).at[0].set(0)


@jax.jit
@jax.vmap
def _best(potentials: Float[Array, "time k k"], mask: Bool[Array, "time"]) -> Int[Array, "time"]:
    def step(scores, inputs):
        potential, valid = inputs
        through = scores[:, None] + potential
        move = jnp.where(valid, through.argmax(0), jnp.arange(len(scores)))
        return jnp.where(valid, through.max(0), scores), move

    def back(tag, move):
        return move[tag], tag

    scores, moves = jax.lax.scan(step, _start(potentials), (potentials, mask))
    _, tags = jax.lax.scan(back, scores.argmax(), moves, reverse=True)
    return jnp.where(mask & ~jnp.isnan(potentials).any(), tags, -1).astype(jnp.int32)


@jax.jit
@jax.vmap
def _marginals(
    potentials: Float[Array, "time k k"], mask: Bool[Array, "time"]
) -> Float[Array, "time k"]:
    def step(sums, inputs):
        potential, valid = inputs
        after = jax.nn.logsumexp(sums[:, None] + potential, axis=0)
        return jnp.where(valid, after, sums), None

    def log_sum(potentials):
        sums, _ = jax.lax.scan(step, _start(potentials), (potentials, mask))
        return jax.nn.logsumexp(sums)

    return jax.grad(log_sum)(potentials).sum(-2)
