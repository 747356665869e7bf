"""Bach's chorales: their file, their loss and their baselines."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.io import savemat

import rnnjax
from rnnjax.layers import RNN, Dense, Sequential
from rnnjax.tasks import _chorales as chorales_module
from rnnjax.tasks import frame_baselines, frame_loss, load_chorales, next_frames
from rnnjax.training import SequenceObjective, evaluate


def rolls(*lengths, keys=88, seed=0):
    random = np.random.default_rng(seed)
    return [(random.random((n, keys)) < 0.3).astype(np.float32) for n in lengths]


def test_chorales_are_read_from_their_file(tmp_path, monkeypatch):
    splits = {"traindata": rolls(5, 3), "validdata": rolls(4, seed=1), "testdata": rolls(2, 6, 3)}
    cells = {name: np.empty((1, len(pieces)), object) for name, pieces in splits.items()}
    for name, pieces in splits.items():
        for place, piece in enumerate(pieces):
            cells[name][0, place] = piece.astype(np.uint8)
    path = tmp_path / "music" / "JSB_Chorales.mat"
    path.parent.mkdir()
    savemat(path, cells)
    monkeypatch.setenv("RNNJAX_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="expected a file with SHA-256 ac0e608527cc"):
        load_chorales()
    monkeypatch.setattr(chorales_module, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    for read, pieces in zip(load_chorales(), splits.values(), strict=True):
        assert [roll.dtype for roll in read] == [np.float32] * len(pieces)
        for got, wanted in zip(read, pieces, strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_every_frame_but_the_first_is_predicted_from_the_one_before():
    pieces = rolls(5, 3, keys=4)
    inputs, targets, lengths, *rest = next_frames(pieces, steps=6)
    assert rest == [None] * 4 and inputs.shape == targets.shape == (2, 6, 4)
    np.testing.assert_array_equal(lengths, [4, 2])
    for row, piece in enumerate(pieces):
        np.testing.assert_array_equal(inputs[row, : len(piece) - 1], piece[:-1])
        np.testing.assert_array_equal(targets[row, : len(piece) - 1], piece[1:])


def bernoulli_nats(logits, frames):
    """The paper's number for each frame, in float64."""
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    return -(frames * np.log(p) + (1 - frames) * np.log(1 - p)).sum(-1)


def test_frame_loss_equals_numpy_and_ignores_what_is_masked():
    random = np.random.default_rng(0)
    logits, frames = random.normal(size=(2, 5, 88)), random.random((2, 5, 88)) < 0.2
    mask = np.array([[1, 1, 1, 0, 1], [0, 1, 0, 0, 0]], bool)
    nats = bernoulli_nats(logits, frames)
    np.testing.assert_allclose(frame_loss(jnp.float32(logits), frames), nats.mean(), 1e-5)
    garbage = jnp.where(mask[..., None], jnp.float32(logits), jnp.nan)
    loss, gradient = jax.value_and_grad(frame_loss)(garbage, frames, mask)
    np.testing.assert_allclose(loss, nats[mask].mean(), 1e-5)
    wanted = (1 / (1 + np.exp(-logits)) - frames) * mask[..., None] / mask.sum()
    np.testing.assert_allclose(gradient, wanted, 1e-4, 1e-7)


def test_a_padded_batch_gives_the_loss_of_the_pieces_one_by_one():
    pieces = rolls(7, 2, 12, 5, keys=6)
    model = Sequential((RNN(rnnjax.Elman(5)), Dense(6)))
    params = model.init(jax.random.key(0), 6)
    params = jax.tree.map(lambda p: p + 0.3 * jax.random.normal(jax.random.key(1), p.shape), params)
    nats = [bernoulli_nats(model.apply(params, p[None, :-1])[1][0], p[1:]) for p in pieces]
    wanted = np.concatenate(nats).mean()
    objective = SequenceObjective(model, frame_loss)
    for batches in (
        [next_frames(pieces, steps=15)],
        [next_frames(pieces[:1]), next_frames(pieces[1:])],
    ):
        np.testing.assert_allclose(evaluate(objective, params, batches), wanted, 1e-5)


def test_baselines_equal_counting():
    train, held_out = rolls(30, 20, keys=3), rolls(9, 14, keys=3, seed=1)
    sounding, seen = np.zeros((3, 3)), np.zeros((3, 3))  # before: off, on, either; then the key
    for piece in train:
        for before, now in zip(piece[:-1], piece[1:], strict=True):
            for key in range(3):
                for context in (int(before[key]), 2):
                    seen[context, key] += 1
                    sounding[context, key] += now[key]
    p = (sounding + 0.5) / (seen + 1)
    chain, frequency = [], []
    for piece in held_out:
        for before, now in zip(piece[:-1], piece[1:], strict=True):
            contexts = [p[int(before[key]), key] for key in range(3)]
            for nats, ps in ((chain, contexts), (frequency, p[2])):
                likelihoods = [q if on else 1 - q for q, on in zip(ps, now, strict=True)]
                nats.append(-np.log(likelihoods).sum())
    found = frame_baselines(train, held_out)
    wanted = {"uniform": 3 * np.log(2), "frequency": np.mean(frequency), "Markov chain": None}
    wanted["Markov chain"] = np.mean(chain)
    assert list(found) == list(wanted)
    np.testing.assert_allclose(list(found.values()), list(wanted.values()), 1e-6)
