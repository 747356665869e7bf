"""The likelihood of tags under a linear-chain conditional random field."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from ._masked import as_mask, at_least_float32
from ._mean import MeanLoss
from ._targets import as_classes, as_floats, out_of_range, spoil


@MeanLoss
def crf_loss(
    potentials: Float[ArrayLike, "batch time k k"],
    tags: Int[ArrayLike, "batch time"],
    mask: Bool[ArrayLike, "batch time"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """Mean negative log-probability of the sequences of tags, in nats a sequence.

    The forward algorithm sums over all K^T sequences of tags in T steps of K² work each. Before
    the first valid step the tag is 0; the potentials of `layers.CRF` do not depend on it.
    Sequences without a valid step do not count. Under `jit` a tag that is no class makes the
    loss NaN.

    Args:
        potentials: scores, finite; `potentials[b, t, i, j]` is that of tag j after tag i.
        tags: the tag of each step.
        mask: true at the valid steps, as `valid_steps` makes it; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together, or a tag is no class.

    Examples:
        >>> crf_loss(jnp.zeros((1, 3, 2, 2)), jnp.array([[1, 0, 1]]))  # of 8 sequences
        Array(2.0794415, dtype=float32)

    Reference:
        J. Lafferty, A. McCallum, F. Pereira, Conditional random fields, ICML 2001.
    """
    potentials = at_least_float32(as_floats("potentials", potentials))
    tags = as_classes("tags", tags)
    *lead, size, other = potentials.shape if potentials.ndim == 4 else (0, 1)
    if tuple(lead) != tags.shape or size != other or not size:
        raise ValueError(
            f"expected potentials [B, T, K, K] for tags [B, T], got {list(potentials.shape)} and "
            f"{list(tags.shape)}; layers.CRF makes them of scores"
        )
    mask = as_mask(mask, tags.shape, whole=True)
    expected = f"tags from 0 to {size - 1}, the {size} classes of the potentials"
    cause = "is there padding that the mask does not leave out?"
    wrong = out_of_range(tags, (tags >= 0) & (tags < size), mask, expected, cause)
    potentials = jnp.where(mask[..., None, None], potentials, 0)
    losses = spoil(jax.vmap(_loss)(potentials, tags, mask), wrong.any(-1))
    return losses.sum(), mask.any(-1).sum()


def _loss(
    potentials: Float[Array, "time k k"], tags: Int[Array, "time"], mask: Bool[Array, "time"]
) -> Float[Array, ""]:
    """The loss of one sequence.

    The sums over all sequences of tags are kept relative to the given one, which is among them.
    So nothing grows with the length, and rounding never makes the loss negative. A parallel scan
    over products of K x K matrices does K times the work: with 5 and with 23 tags it took 7 to 16
    times as long on a CPU.
    """

    def step(carry, inputs):
        sums, before = carry
        potential, tag, valid = inputs
        relative = potential - potential[before, tag]
        after = jax.nn.logsumexp(sums[:, None] + relative, axis=0), tag
        return jax.tree.map(lambda new, old: jnp.where(valid, new, old), after, carry), None

    never = jnp.full(potentials.shape[-1], -jnp.inf, potentials.dtype)
    start = never.at[0].set(0), jnp.zeros((), tags.dtype)
    (sums, _), _ = jax.lax.scan(step, start, (potentials, tags, mask))
    return jax.nn.logsumexp(sums)
