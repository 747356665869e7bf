"""Spans and their scores, by the rules of conlleval."""

# pyright: reportArgumentType=false

import numpy as np
import pytest

from rnnjax.losses import Span, SpanScores, span_scores, spans


@pytest.mark.parametrize(
    "tags, expected",
    [
        ("O O", []),
        ("B-NP I-NP O B-VP", [("NP", 0, 2), ("VP", 3, 4)]),
        ("B-NP B-NP I-NP", [("NP", 0, 1), ("NP", 1, 3)]),
        ("I-NP I-NP O I-NP", [("NP", 0, 2), ("NP", 3, 4)]),  # IOB1
        ("I-NP B-NP I-NP", [("NP", 0, 1), ("NP", 1, 3)]),  # IOB1: B between neighbours
        ("B-NP I-VP I-VP", [("NP", 0, 1), ("VP", 1, 3)]),  # another type starts a span
        ("O I-NP I-PP I-NP", [("NP", 1, 2), ("PP", 2, 3), ("NP", 3, 4)]),
        ("B-NP O I-NP", [("NP", 0, 1), ("NP", 2, 3)]),
        ("B I O I", [("", 0, 2), ("", 3, 4)]),  # spans without types
        ("B-X-Y I-X-Y I-X", [("X-Y", 0, 2), ("X", 2, 3)]),
    ],
)
def test_spans_by_hand(tags, expected):
    assert spans(tags.split()) == [Span(*each) for each in expected]
    assert spans(np.array(tags.split())) == spans(tuple(tags.split()))


# Two sentences. The first has spans NP 0-2, VP 2-4, PP 4-5, NP 5-7; of the guesses NP 0-2, VP 2-3,
# VP 3-4, PP 4-5, NP 5-6 two are right. The second has NP 0-1 and no guess.
TRUE = [["B-NP", "I-NP", "B-VP", "I-VP", "B-PP", "B-NP", "I-NP", "O"], ["B-NP", "O"]]
GUESS = [["B-NP", "I-NP", "B-VP", "B-VP", "B-PP", "I-NP", "O", "O"], ["O", "O"]]


def test_scores_by_hand():
    precision, recall, f1 = span_scores(GUESS, TRUE)
    assert (precision, recall) == (2 / 5, 2 / 5)
    assert f1 == pytest.approx(2 / 5)
    precision, recall, f1 = span_scores(GUESS[:1], TRUE[:1])
    assert (precision, recall) == (2 / 5, 2 / 4)
    assert f1 == pytest.approx(2 * 0.4 * 0.5 / 0.9)
    assert span_scores(TRUE, TRUE) == SpanScores(1, 1, 1)
    assert span_scores([["O"]], [["O"]]) == span_scores([], []) == SpanScores(0, 0, 0)
    assert span_scores([["B-NP"]], [["O"]]) == SpanScores(0, 0, 0)


def starts(tags, t):
    """Whether a chunk starts at `t`: the table of the script, by pairs of tags."""
    before, tag = tags[t - 1] if t else "O", tags[t]
    pair = before[0] + tag[0]
    return pair in ("BB", "IB", "OB", "OI") or (tag != "O" and before[2:] != tag[2:])


def ends(tags, t):
    """Whether a chunk ends before `t`."""
    before, tag = tags[t - 1], tags[t] if t < len(tags) else "O"
    pair = before[0] + tag[0]
    return pair in ("BB", "BO", "IB", "IO") or (before != "O" and before[2:] != tag[2:])


def chunks(tags):
    """Every interval that starts, ends, and does neither inside, tried one by one."""
    return {
        (tags[a][2:], a, b)
        for a in range(len(tags))
        for b in range(a + 1, len(tags) + 1)
        if starts(tags, a) and ends(tags, b) and not any(ends(tags, t) for t in range(a + 1, b))
    }


def test_any_tags_have_the_spans_and_scores_of_all_intervals_tried():
    random = np.random.default_rng(0)
    names = ["O", "B-a", "I-a", "B-b", "I-b"]
    pairs = []
    for _ in range(300):
        size = random.integers(0, 9)
        true = random.choice(names, size)
        guess = np.where(random.random(size) < 0.7, true, random.choice(names, size))
        pairs.append((guess.tolist(), true.tolist()))
    assert all(set(spans(tags)) == chunks(tags) for pair in pairs for tags in pair)
    right = sum(len(chunks(guess) & chunks(true)) for guess, true in pairs)
    guessed, wanted = (sum(len(chunks(pair[k])) for pair in pairs) for k in (0, 1))
    assert 0 < right < min(guessed, wanted)
    found = span_scores(*zip(*pairs, strict=True))
    precision, recall = right / guessed, right / wanted
    f1 = 2 * precision * recall / (precision + recall)
    np.testing.assert_allclose(found, (precision, recall, f1), 1e-12)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: spans("B-NP"), "a list of tags, got 'B-NP'"),
        (lambda: spans(["S-NP"]), "a tag 'O', 'B-…' or 'I-…' .* got 'S-NP'"),
        (lambda: spans(["O-NP"]), "a tag .* got 'O-NP'"),
        (lambda: spans([3]), "a tag .* got 3"),
        (lambda: span_scores(GUESS, TRUE[:1]), ".* tags of the same sequences, got 2 and 1"),
        (lambda: span_scores([["O"]], [["O", "O"]]), "a predicted and a true tag .* sequence 0"),
        (lambda: span_scores(["O"], ["O"]), "a predicted and a true tag for each step, got 'O'"),
        (lambda: span_scores(3, TRUE), "predicted to be a list .* got 3"),
    ],
)
def test_what_are_no_tags_is_refused(call, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        call()
