"""CTC decoding against all alignments, one by one, in float64."""

# pyright: reportArgumentType=false, reportCallIssue=false

import itertools
from collections import defaultdict

import jax
import numpy as np
import pytest
from scipy import special

from rnnjax.decoding import ctc_align, ctc_beam, ctc_greedy
from rnnjax.losses import ctc_loss

T, K = 5, 3
ROWS = 6
EVERY = 63  # all sequences of at most 5 labels of 2


@pytest.fixture(autouse=True)
def x64():
    with (
        jax.enable_x64(True),
        jax.numpy_rank_promotion("raise"),
        jax.numpy_dtype_promotion("strict"),
    ):
        yield


def collapsed(path, blank):
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


def alignments(logits):
    """Every path through the classes with its log-probability."""
    log_p = special.log_softmax(logits, -1)
    for path in itertools.product(range(K), repeat=len(logits)):
        yield path, sum(row[k] for row, k in zip(log_p, path, strict=True))


def label_sequences(logits, blank):
    """Every label sequence with the log-probability of all its alignments."""
    found = defaultdict(list)
    for path, log_p in alignments(logits):
        found[collapsed(path, blank)].append(log_p)
    return {labels: special.logsumexp(log_ps) for labels, log_ps in found.items()}


def stripped(labels):
    return tuple(k for k in np.asarray(labels).tolist() if k >= 0)


def draw(seed=3):
    """Logits with NaN where the mask has gaps; the last row has no valid step."""
    random = np.random.default_rng(seed)
    mask = random.random((ROWS, T)) < 0.8
    mask[0], mask[-1] = True, False
    logits = 2 * random.normal(size=(ROWS, T, K))
    return logits, mask, np.where(mask[..., None], logits, np.nan)


@pytest.mark.parametrize("blank", [0, 1, -1])
def test_a_beam_that_holds_all_prefixes_gives_the_probability_of_every_label_sequence(blank):
    logits, mask, garbage = draw()
    labels, log_probs = ctc_beam(garbage, mask, width=EVERY + 5, blank=blank)
    assert (labels.shape, log_probs.dtype) == ((ROWS, EVERY + 5, T), np.float64)
    for b in range(ROWS):
        expected = label_sequences(logits[b][mask[b]], blank % K)
        ranked = sorted(expected, key=expected.__getitem__, reverse=True)
        n = len(expected)
        assert [stripped(row) for row in labels[b, :n]] == ranked
        np.testing.assert_allclose(log_probs[b, :n], [expected[each] for each in ranked], 1e-10)
        assert np.all(log_probs[b, n:] == -np.inf) and np.all(labels[b, n:] == -1)
        np.testing.assert_allclose(special.logsumexp(log_probs[b]), 0, atol=1e-10)


def narrow_beam(logits, width):
    """Prefix beam search with dictionaries, as Hannun et al. write it, without a language model."""
    beam = {(): (0.0, -np.inf)}
    for row in special.log_softmax(logits, -1):
        after = defaultdict(lambda: (-np.inf, -np.inf))

        def add(prefix, blank, label, after=after):
            b, n = after[prefix]
            after[prefix] = np.logaddexp(b, blank), np.logaddexp(n, label)

        for prefix, (b, n) in beam.items():
            add(prefix, np.logaddexp(b, n) + row[0], -np.inf)
            for k in range(1, K):
                repeats = bool(prefix) and prefix[-1] == k
                if repeats:
                    add(prefix, -np.inf, n + row[k])
                add((*prefix, k), -np.inf, (b if repeats else np.logaddexp(b, n)) + row[k])
        kept = sorted(after, key=lambda prefix: np.logaddexp(*after[prefix]), reverse=True)
        beam = {prefix: after[prefix] for prefix in kept[:width]}
    return {prefix: np.logaddexp(*pair) for prefix, pair in beam.items()}


@pytest.mark.parametrize("width", [1, 4])
def test_a_narrow_beam_keeps_the_likeliest_prefixes_of_every_step(width):
    logits = np.random.default_rng(5).normal(size=(8, 12, K))
    labels, log_probs = ctc_beam(logits, width=width)
    for b, row in enumerate(logits):
        expected = narrow_beam(row, width)
        assert [stripped(row) for row in labels[b]] == list(expected)
        np.testing.assert_allclose(log_probs[b], list(expected.values()), 1e-10)
    # Pruned alignments are lost, so a result is at most as likely as it should be.
    exact = [
        -ctc_loss(row[None], best[None]) for row, best in zip(logits, labels[:, 0], strict=True)
    ]
    assert np.all(log_probs[:, 0] <= np.array(exact) + 1e-9)


@pytest.mark.parametrize("blank", [0, 1, -1])
def test_greedy_gives_the_labels_of_the_best_path(blank):
    logits, mask, garbage = draw(4)
    found = ctc_greedy(garbage, mask, blank=blank)
    assert found.shape == (ROWS, T)
    for b in range(ROWS):
        path = logits[b][mask[b]].argmax(-1).tolist()
        expected = collapsed(path, blank % K)
        assert found[b].tolist() == [*expected, *[-1] * (T - len(expected))]


def test_greedy_and_beam_differ_where_no_path_of_the_likeliest_labels_is_the_likeliest():
    logits = np.log([[[0.6, 0.4], [0.6, 0.4]]])
    assert ctc_greedy(logits).tolist() == [[-1, -1]]
    labels, log_probs = ctc_beam(logits, width=2)
    assert labels.tolist() == [[[1, -1], [-1, -1]]]
    np.testing.assert_allclose(np.exp(log_probs), [[0.64, 0.36]])


@pytest.mark.parametrize("blank, padding", [(0, 0), (2, -1), (-1, -1)])
def test_the_alignment_is_the_likeliest_of_all_that_give_the_labels(blank, padding):
    logits, mask, garbage = draw(6)
    known = blank % K
    drawn = [[1, 2], [1, 1], [2], [], [2, 2, 2, 2], []]
    labels = [[(known + k) % K for k in row] for row in drawn]
    padded = np.array([row + [padding] * (4 - len(row)) for row in labels])
    path, log_probs = ctc_align(garbage, padded, mask, blank=blank)
    feasible = 0
    for b in range(ROWS):
        fitting = {
            steps: log_p
            for steps, log_p in alignments(logits[b][mask[b]])
            if collapsed(steps, known) == tuple(labels[b])
        }
        assert np.all(path[b, ~mask[b]] == -1)
        if fitting:
            best = max(fitting, key=fitting.__getitem__)
            feasible += len(best) > 2
            assert tuple(path[b, mask[b]].tolist()) == best
            np.testing.assert_allclose(log_probs[b], fitting[best], 1e-10)
        else:
            assert np.all(path[b] == -1) and log_probs[b] == -np.inf
    assert feasible > 2 and np.isneginf(log_probs).any()


def test_impossible_classes_and_nan_are_no_labels():
    logits = np.zeros((3, 4, K))
    logits[:2, :, 1] = -np.inf
    logits[1, 2, 0] = np.nan
    assert ctc_greedy(logits)[1].tolist() == [-1] * 4
    labels, log_probs = ctc_beam(logits, width=40)
    assert not np.any(labels[:2] == 1)
    assert np.isfinite(log_probs[0]).sum() == 3  # of 0, 1 and 2 labels
    assert np.isnan(log_probs[1]).all() and np.all(labels[1] == -1)
    np.testing.assert_allclose(special.logsumexp(log_probs[2]), 0, atol=1e-10)
    path, score = ctc_align(logits, np.array([[1], [2], [2]]))
    assert np.isneginf(score[0]) and np.isnan(score[1]) and np.isfinite(score[2])
    assert np.all(path[:2] == -1)


def test_decoding_is_in_at_least_float32_and_compiles_in_a_function():
    logits = draw()[0].astype("float16")
    plain = ctc_beam(logits, width=3)
    assert plain[1].dtype == np.float32
    for a, b in zip(plain, jax.jit(lambda x: ctc_beam(x, width=3))(logits), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(jax.jit(ctc_greedy)(logits), ctc_greedy(logits))
    labels = np.array([[1]] * ROWS)
    traced = jax.jit(ctc_align)(logits, labels)[1]
    np.testing.assert_array_equal(traced, ctc_align(logits, labels)[1])
    assert np.isnan(jax.jit(ctc_align)(logits, labels + K)[1]).all()


@pytest.mark.parametrize("shape", [(0, 4, K), (2, 0, K)])
def test_nothing_is_decoded_to_nothing(shape):
    logits = np.zeros(shape)
    assert ctc_greedy(logits).shape == shape[:2]
    labels, log_probs = ctc_beam(logits, width=2)
    assert labels.shape == (shape[0], 2, shape[1])
    assert log_probs.tolist() == [[0, -np.inf]] * shape[0]
    path, score = ctc_align(logits, np.ones((shape[0], 1), int))
    assert path.shape == shape[:2] and score.tolist() == [-np.inf] * shape[0]


LOGITS, ONES = np.zeros((2, 4, 3)), np.ones((2, 3), int)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ctc_greedy(LOGITS[0]), r"logits \[B, T, classes\] .* needs a batch axis"),
        (lambda: ctc_beam(LOGITS, ONES, width=1), r"a bool mask of shape \[2, 4\], got int"),
        (lambda: ctc_beam(LOGITS, width=1, blank=3), "blank to be one of 3 classes, got 3"),
        (lambda: ctc_align(LOGITS, ONES[:1]), r"labels \[B, L\] .* for 2 sequences, got int64\[1"),
        (lambda: ctc_align(LOGITS, ONES + 2), "labels from 0 to 2, .* got 3; padding"),
        (lambda: ctc_align(LOGITS, np.array([[0, 1]] * 2)), ".* without the blank, got 0; padding"),
    ],
)
def test_decoding_refuses_what_does_not_fit(call, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        call()
