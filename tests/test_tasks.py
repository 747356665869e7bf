"""Synthetic tasks, text, and the n-gram baselines."""

from collections import Counter

import jax
import numpy as np
import pytest

from rnnjax.tasks import Adding, CopyMemory, ngram_bits


def test_adding_targets_are_the_sum_of_the_marked_numbers():
    inputs, targets, *rest = Adding(steps=9).sample(jax.random.key(0), 500)
    values, marks = np.asarray(inputs[..., 0]), np.asarray(inputs[..., 1])
    for row in range(500):
        first, second = np.flatnonzero(marks[row])
        assert first < 4 <= second
        np.testing.assert_allclose(targets[row, 0], values[row, first] + values[row, second])
    assert rest == [None] * 5
    assert len(np.unique(marks.argmax(1))) == 4  # every place in the first half occurs


def test_adding_states_what_is_trivial():
    task = Adding(steps=5)
    targets = task.sample(jax.random.key(0), 100_000).targets
    np.testing.assert_allclose(np.mean((targets - 1) ** 2), task.trivial_loss, rtol=0.02)


def test_copy_memory_lays_out_symbols_blanks_and_cues():
    task = CopyMemory(delay=3, length=2, symbols=4)
    batch = task.sample(jax.random.key(0), 200)
    inputs, targets, mask = map(np.asarray, (batch.inputs, batch.targets, batch.loss_mask))
    assert inputs.shape == targets.shape == mask.shape == (200, 7)
    np.testing.assert_array_equal(np.unique(inputs[:, :2]), [1, 2, 3, 4])
    assert (inputs[:, 2:5] == 0).all() and (inputs[:, 5:] == 5).all()
    np.testing.assert_array_equal(targets[:, 5:], inputs[:, :2])
    np.testing.assert_array_equal(mask, np.broadcast_to(np.arange(7) >= 5, mask.shape))
    assert task.vocabulary == 6
    np.testing.assert_allclose(task.trivial_loss, -np.log(1 / 4))


def test_tasks_are_functions_of_their_key():
    for task in (Adding(steps=6), CopyMemory(delay=2)):
        first, again, other = (task.sample(jax.random.key(k), 3).inputs for k in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert (np.asarray(first) != np.asarray(other)).any()


def slow_ngram_bits(train, held_out, order, vocabulary):
    """The same model, with dictionaries, one character at a time."""

    def probability(context, x):
        if context is None:
            return 1 / vocabulary
        shorter = context[1:] if context else None
        n = len(context)
        counts = Counter(
            train[i + n] for i in range(len(train) - n) if tuple(train[i : i + n]) == context
        )
        lower = probability(shorter, x)
        total, kinds = sum(counts.values()), len(counts)
        return (counts[x] + kinds * lower) / (total + kinds) if total else lower

    places = range(order - 1, len(held_out))
    contexts = [tuple(held_out[i - order + 1 : i]) for i in places]
    ps = [probability(c, held_out[i]) for c, i in zip(contexts, places, strict=True)]
    distribution = [probability(contexts[0], x) for x in range(vocabulary)]
    np.testing.assert_allclose(sum(distribution), 1)
    return -np.mean(np.log2(ps))


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_ngram_bits_equal_counting_with_dictionaries(order):
    random = np.random.default_rng(order)
    train, held_out = random.choice(4, 150, p=[0.4, 0.3, 0.2, 0.1]), random.integers(0, 5, 40)
    fast = ngram_bits(train, held_out, order=order, vocabulary=5)
    slow = slow_ngram_bits(train.tolist(), held_out.tolist(), order, 5)
    np.testing.assert_allclose(fast, slow, rtol=1e-12)


def test_ngram_codes_do_not_overflow_with_a_large_alphabet():
    tokens = np.random.default_rng(0).integers(0, 50_000, 300)
    assert ngram_bits(tokens, tokens, order=5, vocabulary=50_000) < 5
