"""The application that continues music, and its parts."""

import hashlib
import re
from itertools import pairwise

import jax
import numpy as np
import pytest
from cases import random_like
from scipy.io import savemat

from rnnjax.data import Batch, read_midi, write_midi
from rnnjax.interop import read_extra
from rnnjax.losses import frame_loss
from rnnjax.tasks import frame_baselines, music
from rnnjax.tasks._command import main
from rnnjax.tasks._music import _pieces
from rnnjax.tasks._music._batches import training_batches, transposed, whole_pieces
from rnnjax.tasks._music._figure import note_name
from rnnjax.tasks._music._made import _RANGES, made_piece

SMALL = ["--hidden", "6", "--units", "3", "--batch", "4"]


def run(*arguments):
    return main(["music", *map(str, arguments)])


def rolls(*lengths, keys=88, seed=0):
    random = np.random.default_rng(seed)
    return [(random.random((n, keys)) < 0.3).astype(np.float32) for n in lengths]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "own"
    (path / "more").mkdir(parents=True)
    for number, roll in enumerate(rolls(*[8] * 12)):  # of one length: one program
        name = f"more/{number}.MID" if number % 2 else f"{number}.mid"
        write_midi(path / name, np.pad(roll, ((4, 2), (0, 0))), frame=0.25)
    return path


@pytest.mark.parametrize("head", ["autoregressive", "independent"])
def test_train_evaluate_use(tmp_path, folder, capsys, head):
    out, own = tmp_path / "out", ["--data", folder, "--frame", 0.25, "--head", head]
    assert run("train", *own, "--steps", 3, "--out", out, *SMALL) == 0
    printed = capsys.readouterr().out
    assert "'train': 10, 'valid': 1, 'test': 1" in printed and "of 0.25 beats" in printed
    result = re.search(rf"this network, {head} keys +│ +(\d+\.\d+)", printed)
    compared = read_extra(out / "model.safetensors")["compared"]["nats a frame"]
    assert compared["uniform"] == pytest.approx(88 * np.log(2))
    nats = compared[f"this network, {head} keys"]
    assert result and nats == pytest.approx(float(result[1]), abs=1e-3)
    assert (out / "continuation.png").read_bytes().startswith(b"\x89PNG")
    assert run("evaluate", "--model", out) == 0
    assert f"{nats:.3f} nats a frame on 1 pieces" in capsys.readouterr().out
    song, given = tmp_path / "new" / "song.mid", folder / "4.mid"
    options = ["--prompt", 8, "--temperature", 0.5, "--out", song]  # the shapes of before
    assert run("use", "--midi", given, "--model", out, *options) == 0
    assert f"piece   {song}" in capsys.readouterr().out
    assert song.with_suffix(".png").is_file()
    written = read_midi(song, frame=0.25)
    assert written.shape == (8 + 64, 88)
    np.testing.assert_array_equal(written[:8], read_midi(given, frame=0.25)[4:12])
    assert written[8:].any()


@pytest.mark.parametrize(
    "files, message",
    [
        (None, "expected 'made', 'chorales', 'piano' or a folder of MIDI files, got no folder"),
        ([b""] * 9, "expected at least 10 MIDI files in .*own, got 9"),
        ([b"no"] * 10, "expected a MIDI file, got .*own/0.mid"),
        ("short", "expected at least two frames of 0.5 beats, got one in .*own/0.mid"),
    ],
)
def test_bad_input_gets_one_clear_line(tmp_path, capsys, files, message):
    path = tmp_path / "own"
    if files is not None:
        path.mkdir()
        for number in range(len(files) if isinstance(files, list) else 10):
            if files == "short":
                write_midi(path / f"{number}.mid", np.ones((1, 88)))
            else:
                (path / f"{number}.mid").write_bytes(files[number])
    assert run("train", "--data", path, "--out", tmp_path / "out") == 1
    assert re.search(message, capsys.readouterr().out.strip().splitlines()[-1])
    assert not (tmp_path / "out").exists()


def test_without_a_model_or_the_standard_set_there_is_one_clear_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RNNJAX_DATA", str(tmp_path))
    assert run("train", "--data", "chorales", "--out", tmp_path / "out") == 1
    assert "expected music/JSB_Chorales.mat in the folder" in capsys.readouterr().out
    assert run("use", "--model", tmp_path / "out") == 1
    assert "expected a model that 'rnnjax music train' wrote" in capsys.readouterr().out


@pytest.mark.parametrize("name, load", [("JSB_Chorales", "chorales"), ("Piano_midi", "piano")])
def test_standard_pieces_are_read_from_their_file(tmp_path, monkeypatch, name, load):
    splits = {"traindata": rolls(5, 3), "validdata": rolls(4, seed=1), "testdata": rolls(2, 6, 3)}
    cells = {name: np.empty((1, len(pieces)), object) for name, pieces in splits.items()}
    for part, pieces in splits.items():
        for place, piece in enumerate(pieces):
            cells[part][0, place] = piece.astype(np.uint8)
    path = tmp_path / "music" / f"{name}.mat"
    path.parent.mkdir()
    savemat(path, cells)
    monkeypatch.setenv("RNNJAX_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=f"expected a file with SHA-256 {_pieces._SHA256[name]}"):
        music.load(load)
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(_pieces._SHA256, name, checksum)
    for read, pieces in zip(music.load(load)[:3], splits.values(), strict=True):
        assert [roll.dtype for roll in read] == [np.float32] * len(pieces)
        for got, wanted in zip(read, pieces, strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_made_pieces_have_four_voices_in_their_ranges():
    pieces = music.load("made")
    assert [len(part) for part in pieces[:3]] == [256, 32, 32] and pieces.frame == 0.5
    everything = [roll for part in pieces[:3] for roll in part]
    assert {roll.shape for roll in everything} == {(72, 88)}
    voices = np.stack([np.nonzero(roll)[1].reshape(72, 4) for roll in everything]) + 21
    low, high = np.transpose(_RANGES)
    assert (voices >= low).all() and (voices <= high).all() and (np.diff(voices) > 0).all()
    # A phrase of 18 frames ends in a held triad, and its second chord follows its first.
    ends = voices[:, 14:18]
    assert (ends == ends[:, :1]).all() and (voices[:, 2] != voices[:, 0]).any(-1).mean() > 0.9
    assert all(len({*chord % 12}) == 3 for chord in ends[:, 0])
    again = made_piece(np.random.default_rng(7))
    np.testing.assert_array_equal(again, made_piece(np.random.default_rng(7)))


def test_every_frame_but_the_first_is_predicted_once_from_the_one_before(monkeypatch):
    monkeypatch.setattr("rnnjax.tasks._music._batches._LONGEST", 4)
    pieces = rolls(5, 3, 12)
    options = {"semitones": 0, "autoregressive": True, "seed": 3}
    pairs = sorted((x.tobytes(), y.tobytes()) for p in pieces for x, y in pairwise(p))
    for feed in (
        training_batches(pieces, 2, **options),
        whole_pieces(pieces, autoregressive=True),
    ):
        found = []
        for batch in feed:
            assert batch.context is batch.targets
            for x, y, length in zip(*batch[:3], strict=True):
                found += [(x[t].tobytes(), y[t].tobytes()) for t in range(length)]
        assert sorted(found) == pairs
    assert max(batch.inputs.shape[1] for batch in training_batches(pieces, 2, **options)) == 4
    plain = training_batches(pieces, 2, **options | {"autoregressive": False})
    assert plain(0).context is None


def test_pieces_are_moved_within_the_keyboard_and_differently_in_each_epoch():
    roll = np.zeros((2, 6, 88), np.float32)
    roll[0, :, [1, 40]] = roll[1, :, [20, 85]] = 1
    batch = Batch(roll[:, :-1], roll[:, 1:], np.array([5, 5]))
    found = set()
    for seed in range(60):
        moved = transposed(batch, 5, np.random.default_rng(seed))
        np.testing.assert_array_equal(moved.inputs[:, 1:], moved.targets[:, :-1])
        first, second = (np.flatnonzero(row) for row in moved.inputs[:, 0])
        assert np.diff(first) == 39 and np.diff(second) == 65
        found.add((int(first[0]) - 1, int(second[0]) - 20))
    assert {a for a, _ in found} == {*range(-1, 6)} and {b for _, b in found} == {*range(-5, 3)}
    assert batch.inputs is not moved.inputs and batch.inputs[0, 0, 1] == 1
    narrow = [np.pad(roll[:, 30:60], ((0, 0), (30, 28))) for roll in rolls(9)]
    feed = training_batches(narrow, 1, semitones=5, autoregressive=False, seed=0)
    assert len({np.flatnonzero(feed(k).inputs.any((0, 1)))[0] for k in range(20)}) > 3
    np.testing.assert_array_equal(feed(3).inputs, feed(3).inputs)


def test_key_39_is_the_middle_c():
    assert [note_name(key) for key in (0, 39, 40, 87)] == ["A0", "C4", "C♯4", "C8"]


def bernoulli_nats(logits, frames):
    """The paper's number for each frame, in float64."""
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    return -(frames * np.log(p) + (1 - frames) * np.log(1 - p)).sum(-1)


def test_frame_loss_equals_numpy_and_ignores_what_is_masked():
    random = np.random.default_rng(0)
    logits, frames = random.normal(size=(2, 5, 88)), random.random((2, 5, 88)) < 0.2
    mask = np.array([[1, 1, 1, 0, 1], [0, 1, 0, 0, 0]], bool)
    nats = bernoulli_nats(logits, frames)
    logits = logits.astype(np.float32)
    np.testing.assert_allclose(jax.jit(frame_loss)(logits, frames), nats.mean(), 1e-5)
    garbage = np.where(mask[..., None], logits, np.nan).astype(np.float32)
    loss, gradient = jax.jit(jax.value_and_grad(frame_loss))(garbage, frames, mask)
    np.testing.assert_allclose(loss, nats[mask].mean(), 1e-5)
    wanted = (1 / (1 + np.exp(-logits)) - frames) * mask[..., None] / mask.sum()
    np.testing.assert_allclose(gradient, wanted, 1e-4, 1e-7)


def test_the_loss_of_whole_pieces_is_the_mean_over_their_frames(monkeypatch):
    monkeypatch.setattr("rnnjax.tasks._music._batches._FRAMES", 12)  # two pieces a batch
    pieces = rolls(7, 2, 7, 7, 7)  # filled up to one length: one program
    assert {batch.inputs.shape for batch in whole_pieces(pieces, autoregressive=False)} == {
        (2, 6, 88)
    }
    for head in ("independent", "autoregressive"):
        model = music.build(music.Config(head=head, hidden=4, units=3))
        params = random_like(2, jax.eval_shape(lambda m=model: m.init(jax.random.key(0), 88)))
        nats, apply = [], jax.jit(model.apply)
        for piece in pieces:
            context = piece[None, 1:] if model.takes_context else None
            _, logits = apply(params, piece[None, :-1], context=context)
            nats.append(bernoulli_nats(np.asarray(logits)[0], piece[1:]))
        found = music.nats(model, params, pieces)
        assert found == pytest.approx(np.concatenate(nats).mean(), 1e-4)


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
