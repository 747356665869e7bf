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
        model: a layer that maps tokens `[*batch, T]` to logits `[*batch, T, vocabulary]`.
        params: its parameters.
        prompt: at least one token for every row.
        key: the source of the samples.
        length: number of tokens to add.
        temperature: divides the logits; below 1 the likely tokens become likelier still.

    Raises:
        ValueError: if the prompt has no token.

    Example:
        >>> import rnnjax
        >>> from rnnjax.layers import Dense, Embedding, Recurrent, Sequential
        >>> model = Sequential((Embedding(5, 4), Recurrent(rnnjax.GRU(8)), Dense(5)))
        >>> params = model.init(jax.random.key(0))
        >>> generate(model, params, jnp.array([1, 2]), jax.random.key(1), length=3).shape
        (3,)
    """
    if prompt.shape[-1] == 0:
        raise ValueError("expected a prompt of at least one token, got none")
    carry, logits = model.apply(params, prompt)

    def sample(state, key):
        carry, logits = state
        token = jax.random.categorical(key, logits / temperature)
        carry, logits = model.apply(params, token[..., None], carry)
        return (carry, logits[..., -1, :]), token

    start = (carry, logits[..., -1, :])
    _, tokens = jax.lax.scan(sample, start, jax.random.split(key, length))
    return jnp.moveaxis(tokens, 0, -1)
