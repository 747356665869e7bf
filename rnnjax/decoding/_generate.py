"""Free running: the model's own samples become its inputs."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from ..layers import Layer


@partial(jax.jit, static_argnames=("length",))
def generate(
    model: Layer,
    params: PyTree,
    prompt: Int[Array, "*batch time"],
    key: Key[Array, ""],
    *,
    length: int,
    temperature: float | Float[Array, ""] = 1.0,
) -> Int[Array, "*batch length"]:
    """Continues a prompt by sampling one token after the other.

    Args:
        model: a layer that maps tokens `[B, T]` to logits `[B, T, vocabulary]`.
        params: its parameters.
        prompt: at least one token, `[T]`, or a batch of such prompts, `[B, T]`.
        key: the source of the samples.
        length: number of tokens to add.
        temperature: divides the logits; below 1 likely tokens become likelier still, and 0 takes
            the likeliest.

    Raises:
        ValueError: if a prompt has no token, or if the model needs later steps.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN, Dense, Embedding, Sequential
        >>> model = Sequential((Embedding(5, 4), RNN(rnnjax.GRU(8)), Dense(5)))
        >>> params = model.init(jax.random.key(0))
        >>> generate(model, params, jnp.array([1, 2]), jax.random.key(1), length=3).shape
        (3,)
    """
    if not model.causal:
        raise ValueError(f"expected a model that needs no later step, got {model}")
    prompt = jnp.asarray(prompt)
    if prompt.ndim not in (1, 2) or prompt.shape[-1] == 0:
        raise ValueError(
            "expected a prompt of at least one token, of shape [T] or [B, T], got "
            f"{list(prompt.shape)}"
        )
    carry, logits = model.apply(params, jnp.atleast_2d(prompt))

    def continue_(state, key):
        carry, logits = state
        token = _sample(key, logits, temperature)
        carry, logits = model.apply(params, token[:, None], carry)
        return (carry, logits[:, -1]), token

    start = (carry, logits[:, -1])
    _, tokens = jax.lax.scan(continue_, start, jax.random.split(key, length))
    return tokens.T if prompt.ndim == 2 else tokens[:, 0]


def _sample(key, logits, temperature):
    temperature = jnp.asarray(temperature, logits.dtype)
    # What is not taken must not be infinite: `jnp.where` computes both.
    divisor = jnp.where(temperature > 0, temperature, jnp.ones_like(temperature))
    sampled = jax.random.categorical(key, logits / divisor)
    return jnp.where(temperature > 0, sampled, logits.argmax(-1).astype(sampled.dtype))
