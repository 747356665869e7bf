"""The conditional random field against all sequences of tags, one by one, in float64."""

# pyright: reportArgumentType=false, reportOptionalSubscript=false

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from rnnjax.decoding import crf_marginals, viterbi
from rnnjax.layers import CRF, Constraints, CRFParams, bio_constraints
from rnnjax.losses import crf_loss
from rnnjax.training import decay_mask

B, T, K = 5, 4, 3
LENGTHS = np.array([4, 1, 0, 3, 4])
GAPS = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 1], [0, 1, 0, 1]], bool)
VALID = GAPS & (np.arange(T) < LENGTHS[:, None])
RESETS = np.array([[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 1, 1]], bool)
RULES = Constraints(
    ((True, True, False), (False, True, True), (True, True, True)),
    start=(True, True, False),
    end=(False, True, True),
)


@pytest.fixture(autouse=True)
def strict():
    with (
        jax.enable_x64(True),
        jax.numpy_rank_promotion("raise"),
        jax.numpy_dtype_promotion("strict"),
    ):
        yield


def draw(seed=0):
    """Random parameters, scores, and tags that occur."""
    random = np.random.default_rng(seed)
    params = CRFParams(*(random.normal(size=shape) for shape in ((K, K), K, K)))
    return params, 2 * random.normal(size=(B, T, K)), random.integers(0, K, (B, T))


def documents(b, resets):
    """The valid steps of a row, cut where a new document starts."""
    steps = np.flatnonzero(VALID[b])
    cuts = [k for k, t in enumerate(steps) if k and resets is not None and resets[b, t]]
    return [part for part in np.split(steps, cuts) if part.size]


def score(params, xs, paths):
    """The scores of sequences of tags of one document: the equation of a linear chain."""
    total = params.start[paths[:, 0]] + params.end[paths[:, -1]]
    total += xs[np.arange(len(xs)), paths].sum(1)
    return total + params.transitions[paths[:, :-1], paths[:, 1:]].sum(1)


def scores_of(params, xs):
    """All sequences of tags of a document, with their scores."""
    paths = np.array([*itertools.product(range(K), repeat=len(xs))])
    return paths, score(params, xs, paths)


def brute_loss(params, xs, tags, resets=None):
    """The summed negative log-probability, and the number of rows that count."""
    total = 0.0
    for b in range(B):
        for steps in documents(b, resets):
            _, scores = scores_of(params, xs[b, steps])
            total += (
                special.logsumexp(scores) - score(params, xs[b, steps], tags[b, steps][None])[0]
            )
    return total, VALID.any(1).sum()


@partial(jax.jit, static_argnames="layer")
def pulled(layer, params, xs, tags, resets):
    def total(params, xs):
        _, potentials = layer.apply(params, xs, lengths=LENGTHS, mask=GAPS, resets=resets)
        return crf_loss.total(potentials, tags, VALID)

    return jax.value_and_grad(total, (0, 1), has_aux=True)(params, xs)


@pytest.mark.parametrize("resets", [None, RESETS], ids=["whole", "documents"])
def test_the_loss_and_its_gradient_equal_the_sum_over_all_sequences(resets):
    params, xs, tags = draw()
    garbage = np.where(VALID[..., None], xs, np.nan)
    padded = np.where(VALID, tags, -7)
    (total, count), gradients = pulled(CRF(K), params, garbage, padded, resets)
    expected, rows = brute_loss(params, xs, tags, resets)
    np.testing.assert_allclose(total, expected, 1e-10)
    assert count == rows == 4

    leaves, found = (*params, xs), (*gradients[0], gradients[1])
    for leaf, gradient in zip(leaves, map(np.asarray, found), strict=True):
        for place in np.ndindex(leaf.shape):
            kept, values = leaf[place], []
            for leaf[place] in (kept + 1e-6, kept - 1e-6):
                values.append(brute_loss(params, xs, tags, resets)[0])
            leaf[place] = kept
            expected = (values[0] - values[1]) / 2e-6
            np.testing.assert_allclose(gradient[place], expected, 1e-6, 1e-7)


@pytest.mark.parametrize("resets", [None, RESETS], ids=["whole", "documents"])
def test_viterbi_and_marginals_equal_the_search_of_all_sequences(resets):
    params, xs, _ = draw(1)
    apply = partial(CRF(K).apply, lengths=LENGTHS, mask=GAPS, resets=resets)
    _, potentials = apply(params, np.where(VALID[..., None], xs, np.nan))
    assert not np.any(potentials[~VALID])
    potentials = np.where(VALID[..., None, None], potentials, np.nan)
    best, marginals = viterbi(potentials, VALID), crf_marginals(potentials, VALID)
    assert best.dtype == np.int32 and not np.any(marginals[~VALID]) and np.all(best[~VALID] == -1)
    for b in range(B):
        for steps in documents(b, resets):
            paths, scores = scores_of(params, xs[b, steps])
            np.testing.assert_array_equal(best[b, steps], paths[scores.argmax()])
            p = special.softmax(scores)
            shares = [(p[:, None] * (paths == k)).sum(0) for k in range(K)]
            np.testing.assert_allclose(marginals[b, steps], np.stack(shares, -1), 1e-8)


def test_of_equally_good_sequences_the_one_with_the_smallest_last_tags_is_found():
    random = np.random.default_rng(2)
    potentials = random.integers(0, 2, (40, T, K, K)).astype(float)
    potentials[:, 0] = potentials[:, 0, :1]
    best, ties = viterbi(potentials), 0
    for b, row in enumerate(potentials):
        paths = [*itertools.product(range(K), repeat=T)]
        sums = [sum(row[t, p[t - 1] if t else 0, p[t]] for t in range(T)) for p in paths]
        equal = [p for p, s in zip(paths, sums, strict=True) if s == max(sums)]
        ties += len(equal) > 1
        assert tuple(best[b].tolist()) == min(equal, key=lambda p: p[::-1])
    assert ties > 10


def allowed(path):
    follow = all(RULES.transitions[i][j] for i, j in itertools.pairwise(path))
    return follow and RULES.start[path[0]] and RULES.end[path[-1]]


def test_what_is_not_allowed_is_never_found_and_has_no_probability():
    params, xs, _ = draw(3)
    xs, layer = 30 * xs, CRF(K, constraints=RULES)  # scores that would rather break the rules
    signals = {"lengths": LENGTHS, "mask": GAPS, "resets": RESETS}
    _, potentials = layer.apply(params, xs, **signals)
    best, marginals = viterbi(potentials, VALID), crf_marginals(potentials, VALID)
    tags, broken = np.zeros((B, T), int), 0
    for b in range(B):
        for steps in documents(b, RESETS):
            paths, scores = scores_of(params, xs[b, steps])
            may = np.array([allowed(path) for path in paths])
            broken += not allowed(paths[scores.argmax()])
            kept = paths[may]
            tags[b, steps] = kept[0]
            np.testing.assert_array_equal(best[b, steps], kept[scores[may].argmax()])
            p = special.softmax(scores[may])
            shares = [(p[:, None] * (kept == k)).sum(0) for k in range(K)]
            np.testing.assert_allclose(marginals[b, steps], np.stack(shares, -1), 1e-7, 1e-12)
    assert broken > 3
    # Truth that keeps to the rules: a rule has no gradient. Truth that breaks them: finite.
    (total, _), (of_params, _) = pulled(layer, params, xs, tags, RESETS)
    assert np.isfinite(total)
    off = ~np.array(RULES.transitions)
    assert not np.any(of_params.transitions[off]) and np.any(of_params.transitions[~off])
    assert not np.any(of_params.start[2]) and not np.any(of_params.end[0])
    (total, _), gradients = pulled(layer, params, xs, np.full((B, T), 2), RESETS)
    assert 1e4 < total < 1e6
    assert all(np.isfinite(a).all() for a in jax.tree.leaves(gradients))


def test_tags_that_are_no_class_are_refused_or_make_the_loss_nan():
    random = np.random.default_rng(0)
    potentials, tags = random.normal(size=(2, T, K, K)), np.ones((2, T), int)
    for wrong in (-1, K):
        tags[1, 2] = wrong
        message = rf"expected tags from 0 to 2, the 3 classes .* got {wrong}; is there padding"
        with pytest.raises(ValueError, match=message):
            crf_loss(potentials, tags)
        value, gradient = jax.jit(jax.value_and_grad(crf_loss))(potentials, tags)
        assert np.isnan(value) and np.isnan(gradient[1]).all() and np.isfinite(gradient[0]).all()
    mask = np.ones((2, T), bool)
    mask[1, 2] = False
    assert np.isfinite(crf_loss(potentials, tags, mask))


def test_a_sure_model_has_a_loss_of_zero_and_not_less():
    random = np.random.default_rng(0)
    tags = random.integers(0, K, (64, 50))
    xs = 40 * np.eye(K)[tags] + random.normal(size=(64, 50, K))
    params = CRFParams(random.normal(size=(K, K)), *random.normal(size=(2, K)))
    to32 = partial(jax.tree.map, lambda a: jnp.asarray(a, jnp.float32))
    _, potentials = CRF(K).apply(to32(params), to32(xs))
    losses = jax.jit(jax.vmap(crf_loss))(potentials[:, None], tags[:, None])
    assert 0 <= losses.min() <= losses.max() < 1e-6


@pytest.mark.parametrize("shape", [(0, T), (2, 0)])
def test_nothing_has_a_loss_of_zero(shape):
    potentials, tags = np.zeros((*shape, K, K)), np.zeros(shape, int)
    value, gradient = jax.value_and_grad(crf_loss)(potentials, tags)
    assert value == 0 and not np.any(gradient) and crf_loss.total(potentials, tags)[1] == 0
    assert viterbi(potentials).shape == shape and crf_marginals(potentials).shape == (*shape, K)
    signals = {"resets": np.ones(shape, bool)}
    assert CRF(K).apply(draw()[0], np.zeros((*shape, K)), **signals)[1].shape == potentials.shape


def test_nan_at_a_valid_step_gives_no_tags_in_its_sequence_alone():
    potentials = np.random.default_rng(0).normal(size=(2, T, K, K))
    expected = viterbi(potentials)[0]
    potentials[1, 2, 0, 1] = np.nan
    found = viterbi(potentials)
    np.testing.assert_array_equal(found, [expected, [-1] * T])


def test_the_layer_starts_even_does_not_decay_and_computes_in_at_least_float32():
    params = CRF(K).init(jax.random.key(0), K, dtype=jnp.bfloat16)
    assert not any(np.any(a) for a in params) and not any(decay_mask(params))
    assert {a.dtype for a in params} == {jnp.dtype("bfloat16")}
    _, potentials = CRF(K, constraints=RULES).apply(params, jnp.ones((2, T, K), jnp.bfloat16))
    assert potentials.dtype == jnp.float32
    assert CRF(K).output_size == (K, K) and not CRF(K).causal


TAGS = ("O", "B-NP", "I-NP", "I-VP", "B-VP", "B-X-Y", "I-X-Y")


def test_bio_constraints_keep_spans_whole():
    rules = bio_constraints(TAGS)
    for j, tag in enumerate(TAGS):
        assert rules.start[j] == (tag[0] != "I") and rules.end is None
        for i, before in enumerate(TAGS):
            inside = before in (f"B{tag[1:]}", f"I{tag[1:]}")
            assert rules.transitions[i][j] == (inside if tag[0] == "I" else True)
    assert hash(rules) == hash(bio_constraints(list(TAGS)))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: CRF(2, constraints=RULES), "constraints of 2 tags, got 3"),
        (lambda: CRF(2, constraints=True), "constraints to be a Constraints, got True"),
        (lambda: CRF(3).init(jax.random.key(0), 4), r"an input_size of 3, .* got 4; Dense\(3\)"),
        (lambda: CRF(4).apply(draw()[0], draw()[1]), "an input_size of 4, .* got 3"),
        (lambda: Constraints(((True,), (False,))), "transitions to be K tuples of K truth"),
        (lambda: Constraints(((True,),), end=(True, True)), "end to be a tuple of 1 truth"),
        (lambda: bio_constraints(("O", "S-NP")), "a tag 'O', .* got 'S-NP'; is it of another"),
        (lambda: bio_constraints(("O", "O")), "a list of different tags"),
        (lambda: bio_constraints("O"), "a list of different tags"),
        (
            lambda: viterbi(np.zeros((2, T, K))),
            r"potentials \[B, T, K, K\] .* got float64\[2, 4, 3",
        ),
        (lambda: viterbi(np.zeros((2, T, K, K)), np.ones((2, T))), "a bool mask .* got float64"),
        (lambda: crf_marginals(np.zeros((2, T, K, 4))), r"potentials \[B, T, K, K\]"),
        (lambda: crf_loss(np.zeros((2, T, K)), np.zeros((2, T), int)), r"potentials \[B, T, K, K"),
        (lambda: crf_loss(np.zeros((2, T, K, K)), np.zeros((2, 3), int)), "potentials .* for tags"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        call()
