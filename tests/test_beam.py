"""Beam search against all continuations, one by one."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false

import itertools
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import random_like
from scipy import special

from rnnjax import GRU, LSTM
from rnnjax.attention import Additive, Source
from rnnjax.cells import AttentionDecoder, Bridge
from rnnjax.decoding import beam_search, generate
from rnnjax.layers import RNN, Bidirectional, Dense, Embedding, EncoderDecoder, Sequential

V, L, M = 4, 3, 6
STOP = 2
WRITER = Sequential((Embedding(V, 3), RNN(LSTM(5)), Dense(V)))
ATTENTIVE = Sequential(
    (Embedding(V, 3), RNN(AttentionDecoder(Bridge(GRU(5), M), Additive(4), M)), Dense(V))
)
TRANSLATOR = EncoderDecoder(Sequential((Embedding(7, 3), Bidirectional(GRU(3)))), ATTENTIVE)


def drawn(model):
    return random_like(3, model.init(jax.random.key(0)))


def attended(carry):
    return carry[0].p


@cache
def reader(model):
    return jax.jit(model.apply)


def likelihoods(model, params, prompt, ways, context=None):
    """The log-probability of each continuation, and the sum of what its steps attended to."""
    step, rows, lengths = reader(model), np.arange(len(ways)), np.array([*map(len, ways)])
    tokens = np.array([[*way, *[0] * (L - len(way))] for way in ways])
    context = jax.tree.map(lambda a: jnp.repeat(a, len(ways), axis=0), context)
    carry, logits = step(params, jnp.array([prompt] * len(ways)), context=context)
    total, covered = np.zeros(len(ways)), 0.0
    for t, now in enumerate(tokens.T):
        counts = t < lengths
        log_p = special.log_softmax(np.asarray(logits, np.float64)[:, -1], -1)[rows, now]
        total += np.where(counts, log_p, 0)
        if context is not None:
            covered = covered + np.where(counts[:, None], attended(carry), 0)
        carry, logits = step(params, jnp.asarray(now)[:, None], carry, context=context)
    return total, covered


def continuations():
    """All that end with the stop token, and all of the full length without it."""
    others = [v for v in range(V) if v != STOP]
    ended = ((*start, STOP) for n in range(L) for start in itertools.product(others, repeat=n))
    return [*ended, *itertools.product(others, repeat=L)]


def normalised(log_p, ways, length_penalty):
    return log_p / ((5 + np.array([*map(len, ways)])) / 6) ** length_penalty


def check(beams, scores, ways):
    """The beams are the best of all continuations, in order."""
    order = sorted(zip(scores, ways, strict=True), key=lambda pair: -pair[0])[: len(beams.scores)]
    np.testing.assert_allclose(beams.scores, [value for value, _ in order], rtol=2e-5)
    for tokens, length, (_, expected) in zip(beams.tokens, beams.lengths, order, strict=True):
        assert tuple(tokens[:length].tolist()) == expected
        assert (tokens[length:] == -1).all()


@pytest.mark.parametrize("length_penalty", [0.0, 1.3])
def test_a_wide_beam_finds_the_best_of_all_continuations(length_penalty):
    params, prompt = drawn(WRITER), [1, 3]
    beams = beam_search(
        WRITER, params, prompt, length=L, width=40, stop=STOP, length_penalty=length_penalty
    )
    ways = continuations()
    assert len(ways) == 13 + 27
    log_p, _ = likelihoods(WRITER, params, prompt, ways)
    check(beams, normalised(log_p, ways, length_penalty), ways)


def test_coverage_of_the_source():
    params = drawn(TRANSLATOR)
    source = Source(jnp.array([[1, 5, 2, 0], [4, 4, 6, 3]]), jnp.array([3, 4]))
    memory = TRANSLATOR.encode(params, source)
    _, decoder, own = TRANSLATOR.parts(params)[1]
    options = {"length": L, "width": 40, "stop": STOP, "attention": attended}
    penalties = {"length_penalty": 0.6, "coverage_penalty": 0.4}
    prompts = jnp.array([[0], [3]])
    beams = beam_search(decoder, own, prompts, context=memory, **options, **penalties)
    ways = continuations()
    for row in range(2):
        one = jax.tree.map(lambda a, row=row: a[row : row + 1], memory)
        log_p, covered = likelihoods(decoder, own, prompts[row].tolist(), ways, one)
        covered = np.minimum(covered[:, : int(source.lengths[row])], 1)
        scores = normalised(log_p, ways, 0.6) + 0.4 * np.log(covered).sum(-1)
        check(jax.tree.map(lambda a, row=row: np.asarray(a[row]), beams), scores, ways)
        alone = jax.tree.map(lambda a: a[0], one)
        single = beam_search(decoder, own, prompts[row], context=alone, **options, **penalties)
        np.testing.assert_allclose(single.scores, beams.scores[row], rtol=1e-5)
        np.testing.assert_array_equal(single.tokens, beams.tokens[row])


def test_a_beam_of_one_is_greedy():
    params = drawn(WRITER)
    prompts = jnp.array([[1, 3], [0, 0], [2, 1], [3, 3]])
    carry = random_like(5, WRITER.init_carry(params, (4,)))
    start = {"carry": carry, "length": 8, "stop": [STOP, 0]}
    beams = beam_search(WRITER, params, prompts, width=1, **start)
    written = generate(WRITER, params, prompts, temperature=0, **start)
    ends = np.isin(written, [STOP, 0])
    before = np.cumsum(ends, axis=1) - ends == 0
    np.testing.assert_array_equal(beams.tokens[:, 0], np.where(before, written, -1))
    np.testing.assert_array_equal(beams.lengths[:, 0], before.sum(1))
    assert len({*beams.lengths[:, 0].tolist()}) > 1


def test_without_a_stop_token_and_with_fewer_continuations_than_beams():
    params = drawn(WRITER)
    beams = beam_search(WRITER, params, [1], length=2, width=20)
    ways = [*itertools.product(range(V), repeat=2)]
    log_p, _ = likelihoods(WRITER, params, [1], ways)
    check(jax.tree.map(lambda a: a[:16], beams), log_p, ways)
    assert np.isneginf(beams.scores[16:]).all() and (beams.tokens[16:] == -1).all()
    assert (beams.lengths[16:] == 0).all()


def test_it_compiles_and_marks_logits_that_are_nan():
    params = drawn(WRITER)
    search = jax.jit(partial(beam_search, WRITER, length=3, width=2, stop=STOP))
    once = search(params, jnp.array([[1, 3]]))
    again = beam_search(WRITER, params, jnp.array([[1, 3]]), length=3, width=2, stop=STOP)
    np.testing.assert_array_equal(once.tokens, again.tokens)
    broken = search(jax.tree.map(lambda a: a * jnp.nan, params), jnp.array([[1, 3]]))
    assert np.isneginf(broken.scores).all() and (broken.tokens == -1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length_penalty": -1.0}, "expected length_penalty to be at least 0, got -1.0"),
        ({"coverage_penalty": 0.1}, "expected attention, a function of the carry"),
        ({"width": 0}, "expected width to be"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        beam_search(WRITER, drawn(WRITER), [1], length=2, **options)
