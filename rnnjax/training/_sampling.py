"""Scheduled sampling: a model learns to go on from what it wrote itself."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from .._checks import brief, check_above, check_array, check_function, check_key, check_number
from ..data import as_batch
from ._objectives import ModelObjective, SequenceObjective

Schedule = Callable[[Any], ArrayLike]


class ScheduledSampling(ModelObjective):
    """The loss of whole sequences of tokens, some of which the model's own samples replace.

    For a model whose prediction at a step is the logits of the next step's input. A first pass
    over the true tokens gives predictions; each token but the first is replaced, with
    probability `1 - schedule(step)`, by a sample from the prediction before it; the loss is that
    of a second pass over the mixture, and its gradient flows through that pass alone. This is
    the parallel form, in two passes instead of one loop with samples fed back.

    The carry is the number of steps done, which starts as `init_carry` gives it. Without a key,
    as in `evaluate`, nothing is replaced.

    Args:
        model: a layer that maps tokens `[B, T]` to logits `[B, T, vocabulary]`.
        loss: as for `SequenceObjective`.
        schedule: the probability of the true token after so many steps: `inverse_sigmoid`, or
            any of Optax's schedules, such as `optax.linear_schedule(1.0, 0.25, 10_000)`.

    Examples:
        >>> import optax
        >>> from rnnjax.layers import Embedding
        >>> from rnnjax.losses import cross_entropy
        >>> model, tokens = Embedding(4, 4), jnp.array([[0, 1, 2, 3]])
        >>> objective = ScheduledSampling(model, cross_entropy, inverse_sigmoid(100.0))
        >>> batch, key = (tokens[:, :-1], tokens[:, 1:]), jax.random.key(0)
        >>> objective(model.init(key), jnp.zeros((), int), batch, key)[1]
        Array(1, dtype=int32)

    Reference:
        S. Bengio et al., Scheduled sampling for sequence prediction with recurrent neural
        networks, NeurIPS 2015; D. Duckworth et al., Parallel scheduled sampling, 2019.
    """

    schedule: Schedule

    def __post_init__(self):
        super().__post_init__()
        check_function("schedule", self.schedule, "inverse_sigmoid(100.0)")
        for step in (0, 1000, 1_000_000):
            _check_probability(f"schedule({step})", self.schedule(step))

    def init_carry(self, params, batch):
        return jnp.zeros((), jnp.int32)

    def predict(self, params, carry, batch, key=None):
        batch = as_batch(batch)
        objective = SequenceObjective(self.model, self.loss)
        if key is not None:
            key, key_first, key_mix = jax.random.split(key, 3)
            first, _ = objective.predict(params, (), batch, key_first)
            mixture = mix_in_samples(key_mix, batch.inputs, first.outputs, self.schedule(carry))
            batch = batch._replace(inputs=mixture)
        return objective.predict(params, (), batch, key)[0], carry + 1


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

    Raises:
        ValueError: if there are not as many logits as tokens, or `keep` is no probability.

    Examples:
        >>> sure = 100 * jax.nn.one_hot(jnp.array([[3, 3, 3]]), 4)
        >>> mix_in_samples(jax.random.key(0), jnp.array([[0, 1, 2]]), sure, keep=0.0)
        Array([[0, 3, 3]], dtype=int32)
    """
    check_key("key", key)
    tokens, logits = check_array("tokens", tokens), check_array("logits", logits)
    if logits.ndim != 3 or logits.shape[:2] != tokens.shape or not _are_tokens(tokens):
        raise ValueError(
            "expected logits [B, T, vocabulary] for integer tokens [B, T], got "
            f"{brief(logits)} and {brief(tokens)}; does the model keep the time axis?"
        )
    _check_probability("keep", keep)
    key_sample, key_keep = jax.random.split(key)
    samples = jax.random.categorical(key_sample, jax.lax.stop_gradient(logits[:, :-1]))
    kept = jax.random.bernoulli(key_keep, keep, samples.shape)
    later = jnp.where(kept, tokens[:, 1:], samples)
    return jnp.concatenate([tokens[:, :1], later.astype(tokens.dtype)], axis=1)


def inverse_sigmoid(k: float) -> Schedule:
    """The schedule `k / (k + exp(i / k))`, which falls from nearly 1 to 0 around `k log k`.

    Raises:
        ValueError: if `k` is not above 0.

    Examples:
        >>> inverse_sigmoid(100.0)(jnp.array([0, 460, 2000])).round(1)
        Array([1. , 0.5, 0. ], dtype=float32)

    Reference:
        S. Bengio et al., Scheduled sampling for sequence prediction with recurrent neural
        networks, NeurIPS 2015.
    """
    k = check_above("k", k)

    def schedule(step: Any) -> Float[Array, ""]:
        return jax.nn.sigmoid(jnp.log(k) - jnp.asarray(step) / k)

    return schedule


def _are_tokens(tokens: Array) -> bool:
    return jnp.issubdtype(tokens.dtype, jnp.integer)


def _check_probability(name: str, value: Any) -> None:
    """Checks a probability whose value is known; under `jit` it is not."""
    if isinstance(value, Tracer):
        return
    if not 0 <= (number := check_number(name, value)) <= 1:
        raise ValueError(f"expected {name} to be a probability, from 0 to 1, got {number!r}")
