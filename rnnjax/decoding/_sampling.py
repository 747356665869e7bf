"""Sampling: logits to a token, by temperature and truncation."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key

from .._checks import brief, check_array, check_key, check_number, check_positive
from .._numerics import carry_dtype


def sample(
    logits: Float[ArrayLike, "*batch v"],
    key: Key[Array, ""] | None = None,
    *,
    temperature: float | Float[Array, ""] = 1.0,
    top_k: int | None = None,
    top_p: float | Float[Array, ""] | None = None,
    min_p: float | Float[Array, ""] | None = None,
) -> Int[Array, "*batch"]:
    """Draw a token from logits.

    The logits are divided by the temperature, then truncated by `filter_top_k`, `filter_top_p` and
    `filter_min_p`, in this order. Each filter sees the distribution that the one before it left.

    Args:
        logits: unnormalised log-probabilities `[*batch, vocabulary]`.
        key: the source of the samples; unnecessary at a temperature of 0.
        temperature: the divisor of the logits. Below 1 likely tokens become likelier; 0 takes the
            likeliest token.
        top_k: number of tokens to keep.
        top_p: probability of the tokens to keep.
        min_p: least probability of a token to keep, relative to the likeliest.

    Returns:
        The tokens `[*batch]`, and -1 where a logit is NaN.

    Raises:
        ValueError: if an option is out of range, a key is missing, or the logits are no floats.

    Examples:
        >>> logits = jnp.array([[0.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
        >>> sample(logits, temperature=0)
        Array([2, 0], dtype=int32)
        >>> sample(logits, jax.random.key(0), top_p=0.6)
        Array([2, 0], dtype=int32)
    """
    check_sampling(key, temperature, top_k, top_p, min_p)
    logits = _as_logits(logits)
    logits = logits.astype(carry_dtype(logits.dtype))
    greedy = jnp.argmax(logits, -1)
    if key is None or is_zero(temperature):
        return _mark_nan(logits, greedy)
    temperature = jnp.asarray(temperature, logits.dtype)
    divisor = jnp.where(temperature > 0, temperature, jnp.ones_like(temperature))
    # The largest logit becomes 0, so that a small temperature cannot overflow it.
    kept = (logits - logits.max(-1, keepdims=True)) / divisor
    kept = kept if top_k is None else filter_top_k(kept, top_k)
    kept = kept if top_p is None else filter_top_p(kept, top_p)
    kept = kept if min_p is None else filter_min_p(kept, min_p)
    drawn = jax.random.categorical(key, kept)
    return _mark_nan(logits, jnp.where(temperature > 0, drawn, greedy))


def filter_top_k(logits: Float[Array, "*batch v"], k: int) -> Float[Array, "*batch v"]:
    """Keep the `k` largest logits and set the others to minus infinity.

    Among equal logits the first are kept. A `k` beyond the vocabulary keeps all.

    Args:
        logits: unnormalised log-probabilities `[*batch, vocabulary]`.
        k: number of tokens to keep.

    Raises:
        ValueError: if `k` is not a positive integer, or the logits are no floats.

    Examples:
        >>> filter_top_k(jnp.array([1.0, 3.0, 2.0]), 2)
        Array([-inf,   3.,   2.], dtype=float32)

    Reference:
        A. Fan, M. Lewis, Y. Dauphin, Hierarchical neural story generation, ACL 2018.
    """
    logits = _as_logits(logits)
    k = min(check_positive("k", k), logits.shape[-1])
    return _at(lax.top_k(logits, k)[1], logits)


def filter_top_p(
    logits: Float[Array, "*batch v"], p: float | Float[Array, ""]
) -> Float[Array, "*batch v"]:
    """Keep the nucleus: the fewest tokens whose probabilities sum to at least `p`.

    The likeliest token is always kept; among equally likely ones the first come first.

    Args:
        logits: unnormalised log-probabilities `[*batch, vocabulary]`.
        p: probability of the tokens to keep, above 0 and at most 1.

    Raises:
        ValueError: if `p` is out of range, or the logits are no floats.

    Examples:
        >>> filter_top_p(jnp.array([0.0, 2.0, 1.0]), 0.8)  # of 9 %, 67 % and 24 %
        Array([-inf,   2.,   1.], dtype=float32)

    Reference:
        A. Holtzman et al., The curious case of neural text degeneration, ICLR 2020.
    """
    _check_range("p", p, lambda p: 0 < p <= 1, "above 0 and at most 1")
    logits = _as_logits(logits)
    order = jnp.argsort(-logits, -1)
    probs = jax.nn.softmax(jnp.take_along_axis(logits, order, -1).astype(carry_dtype(logits.dtype)))
    before = jnp.cumsum(probs, -1) - probs
    # Sums of probabilities may reach 1 too early by rounding, and a `p` of 1 keeps every token.
    kept = (before < p) | (before == 0) | (jnp.asarray(p) >= 1)
    return _at(order, logits, kept)


def filter_min_p(
    logits: Float[Array, "*batch v"], p: float | Float[Array, ""]
) -> Float[Array, "*batch v"]:
    """Keep tokens that are at least `p` times as likely as the likeliest.

    Args:
        logits: unnormalised log-probabilities `[*batch, vocabulary]`.
        p: least probability of a token to keep, relative to the likeliest; at least 0, below 1.

    Raises:
        ValueError: if `p` is out of range, or the logits are no floats.

    Examples:
        >>> filter_min_p(jnp.array([0.0, 2.0, 1.0]), 0.2)  # of 9 %, 67 % and 24 %
        Array([-inf,   2.,   1.], dtype=float32)

    Reference:
        M. Nguyen et al., Turning up the heat: min-p sampling for creative and coherent LLM
        outputs, 2024.
    """
    _check_range("p", p, lambda p: 0 <= p < 1, "at least 0 and below 1")
    logits = _as_logits(logits)
    least = logits.max(-1, keepdims=True) + jnp.log(jnp.asarray(p, logits.dtype))
    return jnp.where(logits >= least, logits, -jnp.inf)


def check_sampling(key: Any, temperature: Any, top_k: Any, top_p: Any, min_p: Any) -> None:
    """Raises a `ValueError` for an option out of range, where its value is known."""
    _check_range("temperature", temperature, lambda t: t >= 0, "at least 0")
    if top_k is not None:
        check_positive("top_k", top_k)
    if top_p is not None:
        _check_range("top_p", top_p, lambda p: 0 < p <= 1, "above 0 and at most 1")
    if min_p is not None:
        _check_range("min_p", min_p, lambda p: 0 <= p < 1, "at least 0 and below 1")
    if key is not None:
        check_key("key", key)
    elif not is_zero(temperature):
        raise ValueError(
            f"expected a key to sample at a temperature of {temperature}, got None; only a "
            "temperature of 0, which takes the likeliest token, needs none"
        )


def is_zero(temperature: Any) -> bool:
    """Whether a temperature is known to be 0."""
    return not isinstance(temperature, Tracer) and float(temperature) == 0


def _as_logits(logits: Any) -> Array:
    logits = check_array("logits", logits)
    if not jnp.issubdtype(logits.dtype, jnp.floating) or not logits.shape or not logits.shape[-1]:
        raise ValueError(
            f"expected logits [*batch, vocabulary] of real floating numbers, got {brief(logits)}"
        )
    return logits


def _check_range(name: str, value: Any, fits: Any, expected: str) -> None:
    if isinstance(value, Tracer):
        if value.ndim:
            raise ValueError(f"expected {name} to be a number, got shape {list(value.shape)}")
    elif not fits(check_number(name, value)):
        raise ValueError(f"expected {name} to be {expected}, got {value!r}")


def _at(order: Array, logits: Array, kept: Any = True) -> Array:
    """The logits at those places of `order` that are kept, and minus infinity elsewhere."""
    values = jnp.where(kept, jnp.take_along_axis(logits, order, -1), -jnp.inf)
    nothing = jnp.full_like(logits, -jnp.inf)
    return jnp.put_along_axis(nothing, order, values, -1, inplace=False)


def _mark_nan(logits: Array, tokens: Array) -> Array:
    return jnp.where(jnp.isnan(logits).any(-1), -1, tokens).astype(jnp.int32)
