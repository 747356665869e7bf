"""Generation: a model's own samples become its inputs."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, PyTree

from .._checks import brief, check_arrays, check_positive
from ..layers import Layer
from ._model import check_writes
from ._sampling import check_sampling, is_zero, sample


def generate(
    model: Layer,
    params: PyTree,
    prompt: Int[ArrayLike, "*batch time"] | Sequence[Any],
    key: Key[Array, ""] | None = None,
    *,
    length: int,
    carry: PyTree = None,
    temperature: float | Float[Array, ""] = 1.0,
    top_k: int | None = None,
    top_p: float | Float[Array, ""] | None = None,
    min_p: float | Float[Array, ""] | None = None,
    stop: Int[ArrayLike, "*n"] | Sequence[int] | None = None,
    context: PyTree = None,
) -> Int[Array, "*batch length"]:
    """Continue a prompt token by token, each one an input of the next step.

    `sample` draws the tokens and describes the options `temperature`, `top_k`, `top_p` and
    `min_p`. For one prompt `[T]`, carry and context have no batch axis either.

    Args:
        model: a layer that maps tokens `[B, T]` to logits `[B, T, vocabulary]`.
        params: its parameters.
        prompt: at least one token, `[T]`, or a batch of such prompts, `[B, T]`.
        key: the source of the samples; unnecessary at a temperature of 0.
        length: number of tokens to add.
        carry: the carry before the prompt, such as the final one of an encoder; by default the
            initial one.
        temperature: the divisor of the logits; 0 takes the likeliest token.
        top_k: number of tokens to sample from.
        top_p: probability of the tokens to sample from.
        min_p: least probability of a token to sample, relative to the likeliest.
        stop: a token, or several, that ends a sequence: the rest of the row repeats it.
        context: as in `Layer.apply`.

    Returns:
        The new tokens. `(~jnp.isin(tokens, stop)).sum(-1)` counts those before a stop token. A
        model whose logits are NaN writes -1.

    Raises:
        ValueError: if the prompt is not one of tokens in the vocabulary, as far as its values are
            known; if the model needs later steps; or if an option is out of range.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN, Dense, Embedding, Sequential
        >>> model = Sequential((Embedding(5, 4), RNN(rnnjax.GRU(8)), Dense(5)))
        >>> params = model.init(jax.random.key(0))
        >>> generate(model, params, [1, 2], jax.random.key(1), length=3, top_k=2, stop=0).shape
        (3,)
    """
    vocabulary = check_writes(model)
    check_sampling(key, temperature, top_k, top_p, min_p)
    length = check_positive("length", length, least=0)
    prompt = as_prompt(prompt, vocabulary)
    params, carry = check_arrays("params", params), check_arrays("carry", carry)
    context = check_arrays("context", context)
    stop = jnp.atleast_1d(as_tokens("stop", () if stop is None else stop, model.output_size))
    options = {"top_p": top_p, "min_p": min_p}
    # A temperature that is known to be 0 needs neither a key nor a sample.
    options |= {} if is_zero(temperature) else {"key": key, "temperature": temperature}
    single = prompt.ndim == 1
    batch = prompt, carry, context
    if single:
        batch = jax.tree.map(lambda a: a[None], batch)
    tokens = _continue(model, params, batch, stop, options, length=length, top_k=top_k)
    return tokens[0] if single else tokens


@partial(jax.jit, static_argnames=("length", "top_k"))
def _continue(
    model: Layer, params: PyTree, batch: Any, stop: Array, options: Any, *, length, top_k
):
    prompt, carry, context = batch
    key = options.pop("key", None)
    options = {"temperature": 0.0} | options | {"top_k": top_k}

    def step(state, key):
        carry, logits, last, ended = state
        token = jnp.where(ended, last, sample(logits, key, **options))
        state = (
            *read(model, params, token[:, None], carry, context),
            token,
            ended | jnp.isin(token, stop),
        )
        return state, token

    rows = prompt.shape[0]
    first = read(model, params, prompt, carry, context)
    start = (*first, jnp.zeros(rows, jnp.int32), jnp.zeros(rows, bool))
    keys = None if key is None else jax.random.split(key, length)
    return jax.lax.scan(step, start, keys, length=length)[1].T


def read(
    model: Layer, params: PyTree, tokens: Int[Array, "b t"], carry: PyTree, context: PyTree
) -> tuple[PyTree, Float[Array, "b v"]]:
    """The carry after some tokens, and the logits of the next one.

    Raises:
        ValueError: if the model gives no logits for every token.
    """
    carry, logits = model.apply(params, tokens, carry, context=context)
    if not isinstance(logits, jax.Array) or logits.shape[:-1] != tokens.shape:
        got = jax.tree.map(lambda a: list(a.shape), logits)
        raise ValueError(f"expected logits [B, T, vocabulary] from {model}, got {got}")
    return carry, logits[:, -1]


def as_prompt(prompt: Any, vocabulary: Any) -> Int[Array, "*batch t"]:
    """A prompt as an array.

    Raises:
        ValueError: unless it is one of tokens, or a batch of such.
    """
    prompt = as_tokens("prompt", prompt, vocabulary)
    if prompt.ndim not in (1, 2) or prompt.shape[-1] == 0:
        raise ValueError(
            "expected a prompt of at least one token, of shape [T] or [B, T], got "
            f"{list(prompt.shape)}"
        )
    return prompt


def as_tokens(name: str, tokens: Any, vocabulary: Any) -> Array:
    """Tokens as an array, checked against the size of the vocabulary where that is known."""
    try:
        array = jnp.asarray(tokens)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"expected {name} to be integer tokens, got {brief(tokens)}; prompts of several "
            "lengths are continued one by one, and texts are encoded first"
        ) from error
    if not array.size:
        return array.astype(jnp.int32)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise ValueError(
            f"expected {name} to be integer tokens, got {array.dtype}{list(array.shape)}"
        )
    if isinstance(array, Tracer) or not isinstance(vocabulary, int):
        return array
    known = np.asarray(array)
    if known.min() < 0 or known.max() >= vocabulary:
        raise ValueError(
            f"expected {name} to be tokens between 0 and {vocabulary - 1}, got {known.min()} … "
            f"{known.max()}; was the text encoded with another vocabulary?"
        )
    return array
