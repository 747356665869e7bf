"""Generation and sampling, against loops and definitions in NumPy."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import random_like
from mistakes import check_message, row
from serving_models import random_params, tokens

from rnnjax import GRU
from rnnjax.attention import Additive, Source
from rnnjax.cells import AttentionDecoder
from rnnjax.decoding import (
    filter_min_p,
    filter_top_k,
    filter_top_p,
    generate,
    sample,
    stream_step,
)
from rnnjax.layers import RNN, Dense, Embedding, Sequential

KEY = jax.random.key(0)
MODEL = Sequential((Embedding(7, 3), RNN(GRU(8)), Dense(7)))
# Large embeddings, so that what is written depends on what was read.
EMBED, *REST = random_params(MODEL)
PARAMS = (jax.tree.map(lambda a: 8 * a, EMBED), *REST)


# Filters. Each definition in float64, one distribution at a time.


def softmax(logits):
    p = np.exp(logits - logits.max())
    return p / p.sum()


def largest(p):
    """The places of the probabilities, the largest first, of equal ones the first."""
    return sorted(range(len(p)), key=lambda i: (-p[i], i))


def renormalised(p, kept):
    q = np.zeros_like(p)
    q[kept] = p[kept]
    return q / q.sum()


def top_k(p, k):
    return renormalised(p, largest(p)[:k])


def top_p(p, least):
    order = largest(p)
    count = next(n for n in range(1, len(p) + 1) if p[order[:n]].sum() >= least - 1e-12)
    return renormalised(p, order[:count])


def min_p(p, ratio):
    return renormalised(p, p >= ratio * p.max())


@pytest.mark.parametrize(
    "ours, expected, values",
    [
        (filter_top_k, top_k, (1, 2, 5, 9, 100)),
        (filter_top_p, top_p, (1e-9, 0.1, 0.5, 0.9, 0.999, 1.0)),
        (filter_min_p, min_p, (0.0, 0.01, 0.2, 0.7, 0.999)),
    ],
    ids=["top_k", "top_p", "min_p"],
)
def test_a_filter_keeps_the_tokens_of_its_definition(ours, expected, values):
    with jax.enable_x64(True):
        logits = 2 * np.random.default_rng(0).standard_normal((5, 4, 9))
        logits[0] = np.round(logits[0]) + 0.0  # ties, without a -0.0
        for value in values:
            actual = jax.nn.softmax(ours(jnp.asarray(logits), value))
            wanted = [[expected(softmax(row), value) for row in rows] for rows in logits]
            np.testing.assert_allclose(actual, wanted, rtol=1e-12)
            kept = ours(jnp.asarray(logits), value)
            np.testing.assert_array_equal(kept[np.isfinite(kept)], logits[np.isfinite(kept)])


def test_filters_keep_what_rounding_could_lose():
    many = jnp.asarray(np.random.default_rng(0).standard_normal(50_000), jnp.float32)
    for filtered in (filter_top_p(many, 1.0), filter_min_p(many, 0.0), filter_top_k(many, 50_000)):
        np.testing.assert_array_equal(filtered, many)
    half = jnp.zeros(2, jnp.bfloat16)
    np.testing.assert_array_equal(filter_top_p(half, 0.5), jnp.array([0, -jnp.inf], half.dtype))
    np.testing.assert_array_equal(filter_top_p(half, 0.75), half)
    np.testing.assert_array_equal(jax.jit(filter_top_p)(half, 0.75), half)
    masked = jnp.array([-jnp.inf, 1.0, -jnp.inf, 0.0])
    for filtered in (filter_top_k(masked, 3), filter_top_p(masked, 0.9), filter_min_p(masked, 0.1)):
        np.testing.assert_array_equal(filtered, masked)


# Samples.

LOGITS = np.array([1.0, -0.5, 2.0, 0.7, 1.8, -3.0, 0.2])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 3.0, "top_k": 4},
        {"top_p": 0.8, "temperature": 2.0},
        {"min_p": 0.3, "temperature": 1.5},
        {"temperature": 2.0, "top_k": 5, "top_p": 0.85, "min_p": 0.6},
    ],
    ids=str,
)
def test_samples_have_the_frequencies_of_the_filtered_distribution(options):
    p = softmax(LOGITS / options.get("temperature", 1.0))
    for name, rule in (("top_k", top_k), ("top_p", top_p), ("min_p", min_p)):
        p = rule(p, options[name]) if name in options else p
    number = 20_000
    drawn = sample(np.broadcast_to(LOGITS.astype("float32"), (number, 7)), KEY, **options)
    counts = np.bincount(drawn, minlength=7)
    assert (counts[p == 0] == 0).all()
    kept = p > 0
    statistic = (np.square(counts - number * p)[kept] / (number * p[kept])).sum()
    assert statistic < 27.9  # the 0.9999 quantile of chi-square with 6 degrees of freedom


RULES = {
    "temperature": lambda p, t: renormalised(p ** (1 / t), p > 0),
    "top_k": top_k,
    "top_p": top_p,
    "min_p": min_p,
}


@pytest.mark.parametrize(
    "first, then",
    [
        ({"temperature": 4.0}, {"top_p": 0.6}),
        ({"temperature": 4.0}, {"min_p": 0.6}),
        ({"top_k": 3}, {"top_p": 0.75}),
        ({"top_p": 0.45}, {"min_p": 0.5}),
    ],
    ids=str,
)
def test_the_options_have_an_order(first, then):
    """Each pair keeps other tokens in the other order."""
    supports = []
    for options in (first | then, then | first):
        p = softmax(LOGITS)
        for name, value in options.items():
            p = RULES[name](p, value)
        supports.append(np.flatnonzero(p))
    assert len(supports[0]) != len(supports[1])
    drawn = sample(np.broadcast_to(LOGITS, (2000, 7)), KEY, **first, **then)
    np.testing.assert_array_equal(np.unique(drawn), supports[0])


def test_the_ends_of_the_options_are_greedy():
    logits = 3 * np.random.default_rng(0).standard_normal((50, 7)).astype("float32")
    logits[:10] = np.round(logits[:10])  # ties
    best = logits.argmax(-1)
    greedy: list[dict[str, Any]] = [{"temperature": 2e-38}, {"top_k": 1}, {"top_p": 1e-9}]
    np.testing.assert_array_equal(sample(100 * logits, KEY, temperature=2e-38)[10:], best[10:])
    for options in greedy:
        np.testing.assert_array_equal(sample(logits, KEY, **options)[10:], best[10:])
    zero: list[dict[str, Any]] = [{"temperature": 0}, {"temperature": -0.0, "top_p": 0.3}]
    for options in zero:
        np.testing.assert_array_equal(sample(logits, **options), best)
    traced = jax.jit(lambda t: sample(logits, KEY, temperature=t))
    np.testing.assert_array_equal(traced(0.0), best)
    assert (traced(1.0) != best).any()


# Generation.


def test_generated_tokens_are_those_of_a_loop_without_a_carry():
    prompt, length = tokens(3, 2), 6
    greedy = generate(MODEL, PARAMS, prompt, length=length, temperature=0)
    text, padded = prompt, jax.jit(MODEL.apply)
    for steps in range(2, 2 + length):
        _, logits = padded(PARAMS, np.pad(text, ((0, 0), (0, 2 + length - steps))))
        text = np.concatenate([text, np.argmax(logits[:, steps - 1, None], -1)], 1)
    np.testing.assert_array_equal(greedy, text[:, 2:])
    np.testing.assert_array_equal(
        generate(MODEL, PARAMS, prompt, KEY, length=length, temperature=1e-6), greedy
    )
    for one in (prompt[1], prompt[1].tolist()):
        np.testing.assert_array_equal(
            generate(MODEL, PARAMS, one, length=length, temperature=0.0), greedy[1]
        )
    assert generate(MODEL, PARAMS, prompt, KEY, length=0).shape == (3, 0)


def test_samples_are_those_of_a_loop_of_stream_steps():
    prompt, options = tokens(3, 2), {"temperature": 1.5, "top_k": 6, "top_p": 0.95, "min_p": 0.02}
    written = generate(MODEL, PARAMS, prompt, KEY, length=8, **options)
    carry = None
    for token in prompt.T:
        carry, logits = stream_step(MODEL, PARAMS, token, carry)
    for key, expected in zip(jax.random.split(KEY, 8), written.T, strict=True):
        token = sample(logits, key, **options)
        np.testing.assert_array_equal(token, expected)
        carry, logits = stream_step(MODEL, PARAMS, token, carry)
    other = generate(MODEL, PARAMS, prompt, jax.random.key(1), length=8, **options)
    assert (other != written).any()


def test_a_stop_token_ends_its_row():
    run = partial(generate, MODEL, PARAMS, tokens(6, 2), KEY, length=12)
    free = np.asarray(run())
    for stop in (1, [1], [1, 6], jnp.arange(7)):
        expected, counts = free.copy(), []
        for written in expected:
            first = next((i for i, token in enumerate(written) if token in np.ravel(stop)), 12)
            written[first:] = written[first : first + 1] if first < 12 else ()
            counts.append(first)
        stopped = run(stop=stop)
        np.testing.assert_array_equal(stopped, expected)
        np.testing.assert_array_equal((~jnp.isin(stopped, jnp.asarray(stop))).sum(-1), counts)
        assert min(counts) < 12


def test_a_carry_comes_before_the_prompt():
    text = tokens(3, 5)
    whole = generate(MODEL, PARAMS, text, KEY, length=6)
    carry, _ = MODEL.apply(PARAMS, text[:, :3])
    rest = generate(MODEL, PARAMS, text[:, 3:], KEY, length=6, carry=carry)
    np.testing.assert_array_equal(rest, whole)
    assert (generate(MODEL, PARAMS, text[:, 3:], KEY, length=6) != whole).any()
    encoded = random_like(3, carry)  # such as the state of an encoder
    together = generate(MODEL, PARAMS, text[:, :1], carry=encoded, length=6, temperature=0)
    for i in range(3):
        single = jax.tree.map(lambda a, i=i: np.asarray(a[i]), encoded)
        one = generate(MODEL, PARAMS, text[i, :1], carry=single, length=6, temperature=0)
        np.testing.assert_array_equal(one, together[i])
    assert len(np.unique(together, axis=0)) > 1


def test_generation_attends_to_its_context():
    cell = AttentionDecoder(GRU(8), Additive(3), memory_size=2)
    model = Sequential((Embedding(7, 3), RNN(cell), Dense(7)))
    params = jax.tree.map(lambda a: 4 * a, random_params(model))
    memory = Source(random_like(0, jnp.ones((3, 6, 2))), jnp.array([6, 2, 4]))
    prompt, run = tokens(3, 2), partial(generate, model, params, length=8, temperature=0)
    together = run(prompt, context=memory)
    single = run(prompt[1], context=jax.tree.map(lambda a: a[1], memory))
    np.testing.assert_array_equal(single, together[1])
    other = memory._replace(values=-memory.values)
    assert (run(prompt, context=other) != together).any()


def test_generation_maps_and_compiles():
    prompt, keys = tokens(2, 3), jax.random.split(KEY, 3)
    temperatures = jnp.array([0.0, 0.5, 2.0])

    def run(key, temperature, p):
        return generate(
            MODEL, PARAMS, prompt, key, length=5, temperature=temperature, top_p=p, stop=2
        )

    with jax.numpy_rank_promotion("raise"):
        together = jax.jit(jax.vmap(run, (0, 0, None)))(keys, temperatures, 0.9)
    for got, key, temperature in zip(together, keys, [0.0, 0.5, 2.0], strict=True):
        np.testing.assert_array_equal(got, run(key, temperature, 0.9))
    members = jax.tree.map(lambda a: jnp.stack([a, -a]), PARAMS)
    each = jax.vmap(lambda p: generate(MODEL, p, prompt, length=5, temperature=0))(members)
    for member, got in enumerate(each):
        params = jax.tree.map(lambda a, member=member: a[member], members)
        np.testing.assert_array_equal(got, generate(MODEL, params, prompt, length=5, temperature=0))


def test_logits_that_are_nan_write_no_token():
    broken = jax.tree.map(lambda a: a * jnp.nan, PARAMS)
    for temperature in (0, 1.0):
        options = {"length": 4, "temperature": temperature}
        assert (generate(MODEL, broken, [1], KEY, **options) == -1).all()
        run = jax.jit(
            lambda prompt, t=temperature: generate(
                MODEL, PARAMS, prompt, KEY, length=4, temperature=t
            )
        )
        unseen = run(jnp.array([[1, 7], [1, 2]]))
        assert (unseen[0] == -1).all() and (unseen[1] >= 0).all()


# Refusals.

RUN: Any = partial(generate, MODEL, PARAMS, length=2)
FLAT = Sequential((RNN(GRU(3)), Dense(7)))
WIDE = Sequential((Sequential((Embedding(7, 3),)), Dense(8)))


@pytest.mark.parametrize(
    "call, expected, got, cause",
    [
        row("token 7", lambda: RUN([1, 7], KEY), "prompt to be tokens between 0 and 6", "1 … 7"),
        row("token -1", lambda: RUN([[-1]], KEY), "tokens between 0 and 6", "-1 … -1", "encoded"),
        row("a stop", lambda: RUN([1], KEY, stop=7), "stop to be tokens between 0 and 6", "7 … 7"),
        row("floats", lambda: RUN([1.0], KEY), "prompt to be integer tokens", "float32[1]"),
        row("bools", lambda: RUN([True], KEY), "prompt to be integer tokens", "bool[1]"),
        row("a text", lambda: RUN("ab", KEY), "integer tokens", "'ab'", "texts are encoded"),
        row("ragged", lambda: RUN([[1, 2], [3]], KEY), "tokens", "[[1, 2], [3]]", "one by one"),
        row("none", lambda: RUN(np.zeros((2, 0), int), KEY), "at least one token", "[2, 0]"),
        row("empty", lambda: RUN([], KEY), "a prompt of at least one token", "[0]"),
        row("3 axes", lambda: RUN(np.ones((2, 2, 2), int), KEY), "[T] or [B, T]", "[2, 2, 2]"),
        row("length", lambda: generate(MODEL, PARAMS, [1], KEY, length=-1), "length", "-1"),
        row("no key", lambda: RUN([1]), "a key to sample at a temperature of 1.0", "None"),
        row("cold", lambda: RUN([1], KEY, temperature=-1), "temperature to be at least 0", "-1"),
        row("nan", lambda: RUN([1], KEY, temperature=np.nan), "temperature to be a finite", "nan"),
        row(
            "two", lambda: RUN([1], KEY, temperature=jnp.ones(2)), "temperature to be", "float32[2]"
        ),
        row("k 0", lambda: RUN([1], KEY, top_k=0), "top_k to be a positive integer", "0"),
        row("k 1.5", lambda: RUN([1], KEY, top_k=1.5), "top_k to be a positive integer", "1.5"),
        row("p 0", lambda: RUN([1], KEY, top_p=0.0), "top_p to be above 0 and at most 1", "0.0"),
        row("p 2", lambda: RUN([1], KEY, top_p=2), "top_p to be above 0 and at most 1", "2"),
        row("min 1", lambda: RUN([1], KEY, min_p=1.0), "min_p to be at least 0 and below 1", "1.0"),
        row("filter p", lambda: filter_top_p(jnp.ones(3), 0), "p to be above 0", "0"),
        row("filter min", lambda: filter_min_p(jnp.ones(3), -1), "p to be at least 0", "-1"),
        row("filter k", lambda: filter_top_k(jnp.ones(3), 0), "k to be a positive integer", "0"),
        row("a cell", lambda: RUN.func(GRU(3), (), [1], KEY, length=1), "a Layer", "GRU(3)", "RNN"),
        row("features", lambda: generate(FLAT, (), [1], KEY, length=1), "a model of tokens", "Seq"),
        row("wide", lambda: generate(WIDE, (), [1], KEY, length=1), "at most the 7 tokens", "8"),
    ],
)
def test_bad_calls_of_generate(call, expected, got, cause):
    check_message(call, expected, got, cause)
