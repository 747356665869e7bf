"""Beam search: the likeliest continuations of a prompt, several at a time."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from .._checks import check_arrays, check_function, check_number, check_positive
from .._masks import valid_steps
from ..attention import Source
from ..layers import Layer
from ._generate import as_prompt, as_tokens, read
from ._model import check_writes


class Beams(NamedTuple):
    """The hypotheses of a beam search, the best first."""

    tokens: Int[Array, "*batch width length"]  # -1 after the end
    scores: Float[Array, "*batch width"]  # minus infinity where there is no further hypothesis
    lengths: Int[Array, "*batch width"]  # number of tokens, the stop token included


class _Live(NamedTuple):
    """The hypotheses that go on. Rows of `carry` are those of all beams, one after the other."""

    tokens: Int[Array, "b width length"]
    log_p: Float[Array, "b width"]
    logits: Float[Array, "b width v"]  # of the next token
    carry: PyTree
    coverage: Float[Array, "b width s"]  # sum of the attention so far


class _Penalties(NamedTuple):
    length: Any
    coverage: Any


def beam_search(
    model: Layer,
    params: PyTree,
    prompt: Int[ArrayLike, "*batch time"] | Sequence[Any],
    *,
    length: int,
    width: int = 4,
    stop: Int[ArrayLike, "*n"] | Sequence[int] | None = None,
    carry: PyTree = None,
    context: PyTree = None,
    length_penalty: float = 0.0,
    coverage_penalty: float = 0.0,
    attention: Callable[[PyTree], Array] | None = None,
) -> Beams:
    """Search for the continuations of a prompt with the highest scores.

        score = log p / ((5 + n) / 6)^length_penalty
                + coverage_penalty sum_s log(min(sum_t p_ts, 1))

    `n` is the number of tokens of a continuation, its stop token included, and `p_ts` the
    attention to value `s` at step `t`. A continuation ends with a stop token or after `length`
    tokens. At every step the `width` likeliest extensions that do not end go on; one that ends
    counts if it is among the `width` likeliest of all, so a width of 1 is greedy. The search ends
    when nothing that goes on can enter the `width` best.

    Args:
        model: a layer that maps tokens `[B, T]` to logits `[B, T, vocabulary]`.
        params: its parameters.
        prompt: at least one token, `[T]`, or a batch of such prompts, `[B, T]`.
        length: the largest number of tokens to add.
        width: number of hypotheses.
        stop: a token, or several, that ends a continuation.
        carry: the carry before the prompt; by default the initial one.
        context: as in `Layer.apply`, such as the `Source` that `EncoderDecoder.encode` gives.
        length_penalty: 0 for none; above it, longer continuations are preferred.
        coverage_penalty: 0 for none; above it, continuations that attend to all of the source.
        attention: for the coverage, a function of the carry that gives the weights `[rows, S]`
            at the last step, such as `lambda carry: carry[0].p`.

    Returns:
        All hypotheses, the best first; for one prompt `[T]` without the batch axis.

    Raises:
        ValueError: as `generate`; if a penalty is negative, or there is a coverage penalty without
            `attention`.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN, Dense, Embedding, Sequential
        >>> model = Sequential((Embedding(5, 4), RNN(rnnjax.GRU(8)), Dense(5)))
        >>> params = model.init(jax.random.key(0))
        >>> beam_search(model, params, [1, 2], length=3, width=2, stop=0).tokens.shape
        (2, 3)

    Reference:
        The penalties: Y. Wu et al., Google's neural machine translation system, 2016.
    """
    vocabulary = check_writes(model)
    length, width = check_positive("length", length), check_positive("width", width)
    prompt = as_prompt(prompt, vocabulary)
    params, carry = check_arrays("params", params), check_arrays("carry", carry)
    context = check_arrays("context", context)
    stop = jnp.atleast_1d(as_tokens("stop", () if stop is None else stop, model.output_size))
    penalties = _Penalties(
        _penalty("length_penalty", length_penalty), _penalty("coverage_penalty", coverage_penalty)
    )
    if penalties.coverage and attention is None:
        raise ValueError(
            "expected attention, a function of the carry, for a coverage_penalty, got None"
        )
    attention = check_function("attention", attention) if penalties.coverage else None
    single = prompt.ndim == 1
    batch = prompt, carry, context
    if single:
        batch = jax.tree.map(lambda a: a[None], batch)
    options = {"length": length, "width": width, "attention": attention}
    beams = _search(model, params, batch, stop, penalties, **options)
    return jax.tree.map(lambda a: a[0], beams) if single else beams


def _penalty(name: str, value: Any) -> float:
    if (number := check_number(name, value)) < 0:
        raise ValueError(f"expected {name} to be at least 0, got {value!r}")
    return number


@partial(jax.jit, static_argnames=("length", "width", "attention"))
def _search(
    model: Layer,
    params: PyTree,
    batch: Any,
    stop: Array,
    penalties: _Penalties,
    *,
    length: int,
    width: int,
    attention: Any,
) -> Beams:
    rows = batch[0].shape[0]
    live, done, context = _start(model, params, batch, length, width, attention)
    missing = partial(_missing, penalties.coverage, context)

    def goes_on(state: Any) -> Array:
        t, live, done = state
        best = live.log_p.max(-1) / _norm(length, penalties)
        return (t < length) & (best > done.scores.min(-1)).any()

    def extend(state: Any) -> Any:
        t, live, done = state
        log_p, beam, token, ends = _candidates(live, stop)
        covered = live.coverage
        if attention is not None:
            covered += attention(live.carry).reshape(covered.shape)
        tokens = _take(live.tokens, beam).at[:, :, t].set(token)
        scores = log_p / _norm(t + 1, penalties) - _take(missing(covered), beam)
        counts = ends & (jnp.arange(ends.shape[1]) < width)
        done = _best(done, Beams(tokens, jnp.where(counts, scores, -jnp.inf), 0 * token + t + 1))
        log_p, kept = jax.lax.top_k(jnp.where(ends, -jnp.inf, log_p), width)
        beam, token, tokens = (_take(a, kept) for a in (beam, token, tokens))
        at = (jnp.arange(rows)[:, None] * width + beam).reshape(-1)
        carry = jax.tree.map(lambda a: a[at], live.carry)
        carry, logits = read(model, params, token.reshape(-1, 1), carry, context)
        logits = logits.reshape(rows, width, -1)
        return t + 1, _Live(tokens, log_p, logits, carry, _take(covered, beam)), done

    t, live, done = jax.lax.while_loop(goes_on, extend, (0, live, done))
    # Those that the length ends; if the search has ended before, none of them is good enough.
    scores = live.log_p / _norm(length, penalties) - missing(live.coverage)
    scores = jnp.where(t == length, scores, -jnp.inf)
    done = _best(done, Beams(live.tokens, scores, jnp.full((rows, width), length, jnp.int32)))
    exists = jnp.isfinite(done.scores)
    return Beams(jnp.where(exists[..., None], done.tokens, -1), done.scores, exists * done.lengths)


def _start(
    model: Layer, params: PyTree, batch: Any, length: int, width: int, attention: Any
) -> tuple[_Live, Beams, PyTree]:
    """The hypotheses after the prompt, of which one is alive, and the context of all beams."""
    prompt, carry, context = batch
    rows = prompt.shape[0]
    carry, logits = read(model, params, prompt, carry, context)
    spread = partial(jax.tree.map, lambda a: jnp.repeat(a, width, axis=0))
    carry, logits, context = spread((carry, logits, context))
    covered = jnp.zeros((rows * width, 0)) if attention is None else 0 * attention(carry)
    tokens = jnp.full((rows, width, length), -1, jnp.int32)
    none = jnp.full((rows, width), -jnp.inf, logits.dtype)
    live = _Live(
        tokens,
        none.at[:, 0].set(0),
        logits.reshape(rows, width, -1),
        carry,
        covered.reshape(rows, width, -1),
    )
    return live, Beams(tokens, none, jnp.zeros((rows, width), jnp.int32)), context


def _candidates(live: _Live, stop: Array) -> tuple[Array, Array, Array, Array]:
    """The likeliest extensions: enough that `width` of them do not end."""
    rows, width, vocabulary = live.logits.shape
    log_p = jax.nn.log_softmax(live.logits)
    log_p = jnp.where(jnp.isnan(log_p), -jnp.inf, log_p) + live.log_p[..., None]
    count = width * min(1 + stop.size, vocabulary)
    log_p, index = jax.lax.top_k(log_p.reshape(rows, -1), count)
    beam, token = jnp.divmod(index, vocabulary)
    return log_p, beam, token, jnp.isin(token, stop)


def _norm(count: Any, penalties: _Penalties) -> Any:
    return ((5 + count) / 6) ** penalties.length


def _missing(penalty: Any, context: Any, coverage: Array) -> Float[Array, "b width"]:
    """The penalty for values of the source that no step attended to."""
    logs = jnp.log(jnp.clip(coverage, jnp.finfo(coverage.dtype).tiny, 1))
    if isinstance(context, Source) and context.lengths is not None:
        valid = cast(Array, valid_steps(coverage.shape[-1], context.lengths)).T
        logs = jnp.where(valid.reshape(logs.shape), logs, 0)
    return -penalty * logs.sum(-1)


def _take(a: Array, index: Int[Array, "b n"]) -> Array:
    """The entries of `[B, m, …]` at the places `[B, n]`."""
    return jnp.take_along_axis(a, index.reshape(*index.shape, *[1] * (a.ndim - 2)), axis=1)


def _best(done: Beams, more: Beams) -> Beams:
    """The best of two sets of hypotheses, as many as the first has."""
    both = jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=1), done, more)
    _, kept = jax.lax.top_k(both.scores, done.scores.shape[1])
    return jax.tree.map(lambda a: _take(a, kept), both)
