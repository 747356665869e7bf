"""Generation of frames: vectors of truth values, such as the keys of a piano."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key, PyTree

from .._checks import brief, check_array, check_arrays, check_positive
from .._numerics import carry_dtype
from ..layers import Layer
from ._model import check_streams
from ._sampling import check_sampling, is_zero


def generate_frames(
    model: Layer,
    params: PyTree,
    prompt: Float[ArrayLike, "*batch time keys"],
    key: Key[Array, ""] | None = None,
    *,
    length: int,
    carry: PyTree = None,
    temperature: float | Float[Array, ""] = 1.0,
) -> Float[Array, "*batch length keys"]:
    """Continue frames of zeros and ones, each an input of the next step.

    A model without a context draws the keys of a frame independently. One with `layers.NADE` draws
    them one after the other, from the first to the last, each given those before it.

    Args:
        model: a layer that maps frames `[B, T, K]` to logits `[B, T, K]` of the next frame. If it
            takes a context, that is the next frames, and no logit depends on its own key or a
            later one.
        params: its parameters.
        prompt: at least one frame, `[T, K]`, or a batch of such prompts, `[B, T, K]`.
        key: the source of the samples; unnecessary at a temperature of 0.
        length: number of frames to add.
        carry: the carry before the prompt; by default the initial one.
        temperature: the divisor of the logits; 0 takes the likelier of 0 and 1 for each key.

    Returns:
        The new frames. A key whose logit is NaN is NaN.

    Raises:
        ValueError: if the prompt is not frames of numbers, the model needs later steps or gives no
            logit for every key, or an option is out of range.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import NADE, RNN, Sequential
        >>> model = Sequential((RNN(rnnjax.GRU(8)), NADE(12, 4)))
        >>> params, key = model.init(jax.random.key(0), 12), jax.random.key(1)
        >>> generate_frames(model, params, jnp.zeros((3, 12)), key, length=5).shape
        (5, 12)
    """
    check_streams(model)
    check_sampling(key, temperature, None, None, None)
    length = check_positive("length", length, least=0)
    params, carry = check_arrays("params", params), check_arrays("carry", carry)
    prompt = _as_frames(prompt)
    single = prompt.ndim == 2
    batch = jax.tree.map(lambda a: a[None], (prompt, carry)) if single else (prompt, carry)
    # A temperature that is known to be 0 needs neither a key nor a sample.
    chance = (None, None) if is_zero(temperature) else (key, temperature)
    frames = _continue(model, params, *batch, *chance, length=length)
    return frames[0] if single else frames


@partial(jax.jit, static_argnames=("model", "length"))
def _continue(model: Layer, params, prompt, carry, key, temperature, *, length: int) -> Array:
    rows, steps, width = prompt.shape

    def read(frames, carry, after):
        context = after if model.takes_context else None
        carry, logits = model.apply(params, frames, carry, context=context)
        if not isinstance(logits, jax.Array) or logits.shape != frames.shape:
            got = jax.tree.map(lambda a: list(a.shape), logits)
            raise ValueError(f"expected logits [B, T, {width}] from {model}, got {got}")
        return carry, logits[:, -1]

    def step(state, key):
        carry, frame = state
        new = jnp.zeros_like(frame)
        after, logits = read(frame[:, None], carry, new[:, None])

        def fill(new, place):
            # Everything but the context is as for the place before: the compiler may reuse it.
            logit = read(frame[:, None], carry, new[:, None])[1][:, place]
            one = key if key is None else jax.random.fold_in(key, place)
            drawn = _drawn(logit, one, temperature)
            return new.at[:, place].set(drawn.astype(new.dtype)), None

        if model.takes_context:
            new, _ = jax.lax.scan(fill, new, jnp.arange(width))
        else:
            new = _drawn(logits, key, temperature).astype(new.dtype)
        return (after, new), new

    carry = model.init_carry(params, (rows,)) if carry is None else carry
    if steps > 1:
        carry, _ = read(prompt[:, :-1], carry, prompt[:, 1:])
    keys = None if key is None else jax.random.split(key, length)
    frames = jax.lax.scan(step, (carry, prompt[:, -1]), keys, length=length)[1]
    return frames.swapaxes(0, 1)


def _drawn(logits: Array, key: Any, temperature: Any) -> Array:
    """Keys that sound as 1, those that do not as 0, by their logits."""
    logits = logits.astype(carry_dtype(logits.dtype))
    on = logits > 0
    if key is not None:
        divisor = jnp.where(temperature > 0, temperature, 1).astype(logits.dtype)
        random = jax.random.bernoulli(key, jax.nn.sigmoid(logits / divisor))
        on = jnp.where(temperature > 0, random, on)
    return jnp.where(jnp.isnan(logits), jnp.nan, on)


def _as_frames(prompt: Any) -> Array:
    """A prompt as an array of floats.

    Raises:
        ValueError: unless it is frames of real numbers, or a batch of such.
    """
    prompt = check_array("prompt", prompt)
    real = any(jnp.issubdtype(prompt.dtype, kind) for kind in (jnp.floating, jnp.integer, bool))
    if prompt.ndim not in (2, 3) or not prompt.size or not real:
        raise ValueError(
            "expected a prompt of at least one frame of numbers, of shape [T, K] or [B, T, K], got "
            f"{brief(prompt)}"
        )
    return prompt.astype(carry_dtype(prompt.dtype))
