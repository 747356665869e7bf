"""Scheduled sampling: a model learns to go on from what it wrote itself."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from .._static import Static
from ..layers import Layer
from ._batch import Batch
from ._objectives import Loss, SequenceObjective

Schedule = Callable[[Any], ArrayLike]


class ScheduledSampling(Static):
    """The loss of whole sequences of tokens, some of which the model's own samples replace.

    For a model whose prediction at a step is the logits of the next step's input. A first pass
    over the true tokens gives predictions; each token but the first is replaced, with
    probability `1 - schedule(step)`, by a sample from the prediction before it; the loss is that
    of a second pass over the mixture, and its gradient flows through that pass alone. This is
    the parallel form, in two passes instead of one loop with samples fed back.

    The carry is the number of steps done, so a training state starts with
    `carry=jnp.zeros((), int)`. Without a key, as in `evaluate`, nothing is replaced.

    Args:
        model: a layer that maps tokens `[B, T]` to logits `[B, T, vocabulary]`.
        loss: as for `SequenceObjective`.
        schedule: the probability of the true token after so many steps: `inverse_sigmoid`, or
            any of Optax's schedules, such as `optax.linear_schedule(1.0, 0.25, 10_000)`.

    Examples:
        >>> import optax
        >>> from rnnjax.layers import Embedding
        >>> from rnnjax.training import cross_entropy
        >>> model, tokens = Embedding(4, 4), jnp.array([[0, 1, 2, 3]])
        >>> objective = ScheduledSampling(model, cross_entropy, inverse_sigmoid(100.0))
        >>> batch, key = Batch(tokens[:, :-1], tokens[:, 1:]), jax.random.key(0)
        >>> objective(model.init(key), jnp.zeros((), int), batch, key)[1]
        Array(1, dtype=int32)

    Reference:
        S. Bengio et al., Scheduled sampling for sequence prediction with recurrent neural
        networks, NeurIPS 2015; D. Duckworth et al., Parallel scheduled sampling, 2019.
    """

    model: Layer
    loss: Loss
    schedule: Schedule

    def __call__(self, params: Any, carry: Any, batch: Batch, key: Any = None) -> tuple:
        if key is not None:
            key, key_first, key_mix = jax.random.split(key, 3)
            _, logits = self.model.apply(
                params, batch.inputs, lengths=batch.lengths, resets=batch.resets, key=key_first
            )
            mixture = mix_in_samples(key_mix, batch.inputs, logits, self.schedule(carry))
            batch = batch._replace(inputs=mixture)
        loss, _ = SequenceObjective(self.model, self.loss)(params, (), batch, key)
        return loss, carry + 1


def mix_in_samples(
    key: Array,
    tokens: Int[Array, "batch time"],
    logits: Float[Array, "batch time vocabulary"],
    keep: Any,
) -> Int[Array, "batch time"]:
    """Tokens, each but the first replaced by a sample of the prediction before it, or kept.

    Args:
        key: the source of samples and choices.
        tokens: the true ones.
        logits: predictions, those at a step for the token of the next.
        keep: the probability that a token is kept.

    Examples:
        >>> sure = 100 * jax.nn.one_hot(jnp.array([[3, 3, 3]]), 4)
        >>> mix_in_samples(jax.random.key(0), jnp.array([[0, 1, 2]]), sure, keep=0.0)
        Array([[0, 3, 3]], dtype=int32)
    """
    key_sample, key_keep = jax.random.split(key)
    samples = jax.random.categorical(key_sample, jax.lax.stop_gradient(logits[:, :-1]))
    kept = jax.random.bernoulli(key_keep, keep, samples.shape)
    later = jnp.where(kept, tokens[:, 1:], samples)
    return jnp.concatenate([tokens[:, :1], later.astype(tokens.dtype)], axis=1)


def inverse_sigmoid(k: float) -> Schedule:
    """The schedule `k / (k + exp(i / k))`, which falls from nearly 1 to 0 around `k log k`.

    Examples:
        >>> inverse_sigmoid(100.0)(jnp.array([0, 460, 2000])).round(1)
        Array([1. , 0.5, 0. ], dtype=float32)

    Reference:
        S. Bengio et al., Scheduled sampling for sequence prediction with recurrent neural
        networks, NeurIPS 2015.
    """

    def schedule(step: Any) -> Float[Array, ""]:
        return jax.nn.sigmoid(jnp.log(k) - jnp.asarray(step) / k)

    return schedule
