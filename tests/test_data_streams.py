"""Streams and their windows: contiguous, afresh every epoch, and documents apart."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax.data import joined, streams, windows
from rnnjax.layers import RNN, Dense, Sequential
from rnnjax.losses import squared_error
from rnnjax.training import TBPTTObjective, evaluate, fit, train_state, train_step

MODEL = Sequential((RNN(rnnjax.GRU(3)), Dense(2)))
OBJECTIVE = TBPTTObjective(MODEL, squared_error)


def random_params(seed=0):
    random = np.random.default_rng(seed)
    params = MODEL.init(jax.random.key(0), 2)
    return jax.tree.map(lambda a: jnp.asarray(random.normal(size=a.shape), a.dtype), params)


def frames(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_windows_cover_streams_in_order_and_targets_are_one_step_later():
    sequence = np.arange(47)
    rows = streams(sequence, 3)
    np.testing.assert_array_equal(rows.ravel(), np.arange(45))
    data = windows(rows, 4)
    pairs = list(data)
    assert len(pairs) == data.per_epoch == 3
    np.testing.assert_array_equal(np.concatenate([b.inputs for b in pairs], 1), rows[:, :12])
    np.testing.assert_array_equal(np.concatenate([b.targets for b in pairs], 1), rows[:, 1:13])
    assert all(b.loss_mask is None for b in pairs)
    assert windows(np.zeros((1, 9)), 4).per_epoch == 2  # the last target may be the last step
    assert windows(np.zeros((1, 8)), 4).per_epoch == 1


@pytest.mark.parametrize("context", [0, 2, 5])
def test_a_reset_is_where_the_streams_start_and_nowhere_else(context):
    data = windows(np.arange(28).reshape(2, 14), 3, context=context)
    assert data.per_epoch == 4
    for position in range(2 * data.per_epoch):
        batch, start = data(position), 3 * (position % 4) - context
        place = np.arange(start, start + 3 + context)
        np.testing.assert_array_equal(batch.resets, [place == 0] * 2)
        np.testing.assert_array_equal(batch.inputs[1], 14 + np.maximum(place, 0))
        assert batch.targets[1].tolist() == (15 + place[-3:]).tolist()


@pytest.mark.parametrize("context", [0, 4])
def test_every_epoch_starts_afresh(context):
    params, data = random_params(), windows(frames(2, 10, 2), 3, context=context)
    carry = OBJECTIVE.init_carry(params, data(0))
    losses = []
    for position in range(2 * data.per_epoch):
        loss, carry = OBJECTIVE(params, carry, data(position))
        losses.append(float(loss))
    np.testing.assert_allclose(losses[:3], losses[3:], rtol=1e-6)
    assert len({round(loss, 5) for loss in losses}) == 3


def test_fit_takes_windows_for_many_epochs():
    params, optimizer = random_params(), optax.sgd(0.1)
    data = windows(frames(2, 10, 2), 3)
    carry = OBJECTIVE.init_carry(params, data(0))
    step = train_step(OBJECTIVE, optimizer)
    state = train_state(params, optimizer, jax.random.key(0), carry)
    run = fit(step, state, data, steps=5, quiet=True)
    for position in range(5):
        start = carry if position % 3 == 0 else state.carry
        state, _ = step(state._replace(carry=start), data(position)._replace(resets=None))
    for a, b in zip(jax.tree.leaves(run.state.params), jax.tree.leaves(state.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("context", [0, 2])
def test_the_first_frame_of_a_piece_is_no_target_of_the_piece_before(context):
    pieces = [frames(n, 2, seed=n) for n in (4, 1, 7, 3, 4)]
    sequence, resets = joined(pieces)
    assert np.flatnonzero(resets).tolist() == [0, 4, 5, 12, 15]
    np.testing.assert_array_equal(sequence[5:12], pieces[2])
    data: Any = windows(streams(sequence, 1), 3, context=context, resets=streams(resets, 1))
    params = random_params()
    alone = [
        np.square(np.asarray(MODEL.apply(params, piece[None, :-1])[1][0]) - piece[1:])
        for piece in pieces
        if len(piece) > 1
    ]
    assert data.per_epoch * 3 == len(sequence) - 1  # nothing is left out
    counted = sum(int(batch.loss_mask.sum()) for batch in data)
    assert counted == sum(map(len, alone)) == len(sequence) - len(pieces)
    expected = np.concatenate(alone).mean()
    assert evaluate(OBJECTIVE, params, data) == pytest.approx(expected, rel=1e-5)


def test_sequences_end_to_end_have_the_common_dtype_and_empty_ones_no_start():
    sequence, resets = joined([[1, 2], [], [0.5]])
    assert sequence.tolist() == [1, 2, 0.5] and resets.tolist() == [True, False, True]
