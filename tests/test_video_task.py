"""The application `video`: data, baselines, networks, and the commands as a person meets them."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

import re
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from cases import random_like

from rnnjax.interop import read_extra
from rnnjax.tasks import video
from rnnjax.tasks._command import main
from rnnjax.tasks._video import _baselines, _clips, _frames, _motion
from rnnjax.tasks._video._clips import Clips

SMALL = ["--channels", "2", "--batch", "2", "--steps", "2"]
RNG = np.random.default_rng


def run(*arguments):
    return main(["video", *map(str, arguments)])


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(_motion, "_VALID", 4)
    monkeypatch.setattr(_motion, "_TEST", 12)


def test_predict(tmp_path, few, capsys):
    out = tmp_path / "out"
    assert run("train", *SMALL, "--given", 3, "--ahead", 2, "--out", out) == 0
    printed = capsys.readouterr().out
    assert "clips of 5 frames of 16 x 16 pixels; 12 in the test" in printed
    compared = read_extra(out / "model.safetensors")["compared"]
    names = ["mean frame", "last frame", "last frame, moved on", "this network"]
    assert all(list(rows) == names for rows in compared.values())
    nats = compared["nats per frame"]
    # Two frames show where a digit goes, and each mixture is at least as good as the mean frame.
    assert nats["last frame, moved on"] < nats["last frame"] < nats["mean frame"]
    shown = re.search(r"this network +│ +(\d+\.\d\d) ", printed)
    assert shown and float(shown[1]) == pytest.approx(nats["this network"], abs=0.006)
    assert (out / "forecast.png").read_bytes().startswith(b"\x89PNG")
    assert run("evaluate", "--model", out) == 0
    assert f"{nats['this network']:.2f}" in capsys.readouterr().out
    assert run("use", "--model", out, "--ahead", 4, "--number", 3) == 0
    assert (out / "continuation.png").is_file()
    animation = _clips.read_clips(out / "continuation.gif")[0][0]
    assert animation.shape == (3 + 4, 128, 128)
    own = tmp_path / "own.npy"
    np.save(own, RNG(0).random((6, 16, 16)))
    assert run("use", "--clip", own, "--model", out) == 0
    np.save(own, RNG(0).random((6, 16, 15)))
    assert run("use", "--clip", own, "--model", out) == 1
    assert "expected pictures of 16 x 16 pixels, as in training, got 16 x 15" in (
        capsys.readouterr().out.replace("\n", " ")
    )


def test_classify(tmp_path, few, capsys):
    out = tmp_path / "out"
    arguments = ["--goal", "classify", "--hidden", 3, "--given", 4, "--out", out, *SMALL]
    assert run("train", *arguments) == 0
    printed = capsys.readouterr().out
    assert "nearest mean of a single frame" in printed and "eval accuracy" in printed
    assert (out / "motions.png").read_bytes().startswith(b"\x89PNG")
    value = read_extra(out / "model.safetensors")["compared"]["accuracy"]["this network"]
    assert run("evaluate", "--model", out) == 0
    assert f"{value:.1%}" in capsys.readouterr().out
    assert run("use", "--model", out) == 0
    shares = re.findall(r"^ *(\d+\.\d)%  (.+)$", capsys.readouterr().out, re.MULTILINE)
    assert len(shares) == 3 and {name for _, name in shares} <= {*_motion.MOTIONS}


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "expected 'digits', 'mnist', a file .npy, .npz or .gif, or a folder of .gif, got"),
        (b"no array", "expected an array in .npy or .npz, got .*own.npy: "),
        (np.zeros((2, 3)), r"expected frames \[N, T, height, width\] .* got \[2, 3\]"),
        (np.full((2, 3, 4, 4), -1.0), "expected pixels of 0 to 1 or of 0 to 255 .* of -1 to -1"),
        (np.full((2, 3, 4, 4), np.nan), "expected pixels of 0 to 1 or of 0 to 255"),
        (np.zeros((2, 50, 4, 4)), "expected at least 20 stretches of 20 frames in .* got 4"),
        (np.zeros((20, 20, 4, 1)), "expected pictures of at least 2 pixels, got 4 x 1"),
    ],
)
def test_bad_input_gets_one_clear_line(tmp_path, capsys, content, message):
    path = tmp_path / "own.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    assert run("train", "--data", path, "--out", tmp_path / "out") == 1
    assert re.search(message, capsys.readouterr().out.strip().splitlines()[-1])


# Data.


def test_own_clips_are_cut_in_order_and_shrunk(tmp_path):
    frames = RNG(0).integers(0, 256, (3, 75, 13, 8), dtype=np.uint8)
    np.save(tmp_path / "own.npy", frames)
    made = _clips.own_clips(tmp_path / "own.npy", 7, False, size=7, multiple=3)
    assert len(made.test.frames) == len(made.valid.frames) == 3 and made.classes == ()
    assert made.test.frames.shape == (3, 7, 6, 3)
    last = frames[2, 63:70, :12, :8].astype(float)  # ten stretches of seven frames
    by_hand = last.reshape(7, 6, 2, 4, 2).mean((2, 4))[:, :6, :3]
    np.testing.assert_allclose(made.test.frames[-1], by_hand, atol=0.51)
    seen = {clip.tobytes() for clip in made.draw(RNG(1), 500).frames}
    held = {clip.tobytes() for part in (made.valid, made.test) for clip in part.frames}
    assert len(seen) == 24 and not seen & held


def test_animations_in_folders_have_their_names_as_classes(tmp_path):
    frames = np.zeros((6, 4, 5))
    for name, value in (("dark", 0.2), ("light", 1.0)):
        (tmp_path / name).mkdir()
        for number in range(10):
            frames[:] = value
            frames[number % 6] = 0  # a picture that repeats would be stored once
            _clips.write_gif(tmp_path / name / f"{number}.gif", frames, zoom=2)
    read, names = _clips.read_clips(tmp_path)
    assert read[3].shape == (6, 8, 10) and names == ["dark"] * 10 + ["light"] * 10
    np.testing.assert_array_equal(read[13][[2, 3]], np.repeat([[[255]], [[0]]], 8, 1).repeat(10, 2))
    found = _clips.own_clips(tmp_path, 6, True, size=5, multiple=1)
    assert found.classes == ("dark", "light") and found.test.frames.shape == (2, 6, 4, 5)
    for clip, label in zip(*found.draw(RNG(0), 9), strict=True):
        assert clip.max() == (51, 255)[label]
    np.savez(tmp_path / "own.npz", frames=np.ones((20, 6, 4, 5)), labels=["a", "b"] * 10)
    assert _clips.own_clips(tmp_path / "own.npz", 6, True, size=5, multiple=1).classes == ("a", "b")
    np.savez(tmp_path / "one.npz", np.ones((20, 6, 4, 5), bool))
    with pytest.raises(ValueError, match="expected clips of several classes"):
        _clips.own_clips(tmp_path / "one.npz", 6, True, size=5, multiple=1)


def test_pixels_are_bytes():
    path = SimpleNamespace()
    as_bytes = _clips.as_bytes
    np.testing.assert_array_equal(as_bytes(np.array([0.0, 0.5, 1.0]), path), [0, 128, 255])
    np.testing.assert_array_equal(as_bytes(np.array([0, 1, 7]), path), [0, 1, 7])
    np.testing.assert_array_equal(as_bytes(np.array([0.0, 1.4]), path), [0, 1])
    np.testing.assert_array_equal(as_bytes(np.array([False, True]), path), [0, 255])


def test_small_digits_bounce_by_whole_pixels():
    dot = np.full((1, 8, 8), 0, np.uint8)
    dot[0, 0, 0] = 255
    frames = _motion.bouncing(RNG(0), dot, 50, 30, 16, 1).frames
    at = np.array([[np.argwhere(frame)[0] for frame in clip] for clip in frames])
    assert (frames > 0).sum((2, 3)).max() == 1 and at.min() == 0 and at.max() == 8
    steps = np.diff(at, axis=1)
    assert np.abs(steps).max() == 1
    turned = np.diff(np.sign(steps), axis=1) != 0
    inner = (at[:, 1:-1] > 0) & (at[:, 1:-1] < 8)
    assert not (turned & inner).any() and turned.any()


def test_digits_overlap_by_the_brighter_pixel_and_wrap():
    pictures = np.array([[[[1, 2], [3, 4]], [[9, 0], [0, 0]]]], np.uint8)
    places = np.array([[[[3, 3], [0, 0]], [[0, 1], [0, 2]]]])
    frames = _motion.paint(pictures, places, 4)[0]
    np.testing.assert_array_equal(frames[0], [[9, 0, 0, 3], [0] * 4, [0] * 4, [2, 0, 0, 1]])
    np.testing.assert_array_equal(frames[1][:2], [[0, 1, 9, 0], [0, 3, 4, 0]])


def test_motions_are_their_names_and_a_frame_is_alike_in_all():
    dot = np.zeros((1, 8, 8), np.uint8)
    dot[0, 0, 0] = 255
    clips = _motion.motions(RNG(0), dot, 2000, 10, 16)
    at = np.argwhere(clips.frames).reshape(2000, 10, 4)[..., 2:]
    steps = (np.diff(at, axis=1) + 8) % 16 - 8  # the borders are joined
    way = {name: steps[clips.labels == k].sum(1) for k, name in enumerate(_motion.MOTIONS)}
    assert not way["still"].any()
    for name, axis, sign in (("left", 1, -1), ("right", 1, 1), ("up", 0, -1), ("down", 0, 1)):
        assert (sign * way[name][:, axis]).min() > 5 and not way[name][:, 1 - axis].any()
    for name, sign in (("clockwise", 1), ("anticlockwise", -1)):
        rows, columns = np.moveaxis(steps[clips.labels == _motion.MOTIONS.index(name)], 2, 0)
        turns = columns[:, :-2] * rows[:, 2:] - rows[:, :-2] * columns[:, 2:]  # rows run down
        assert (sign * turns.sum(1)).min() > 0
    assert np.abs(way["to and fro"]).max() < 8
    for label in range(8):  # as many dots in each quarter, whatever the motion
        quarter = (at[clips.labels == label, 5] // 8) @ [2, 1]
        assert np.abs(np.bincount(quarter, minlength=4) / len(quarter) - 0.25).max() < 0.1
    train, test = clips[:1500], clips[1500:]
    assert _baselines.nearest_mean(train, test) < 0.2


def test_the_standard_set_has_two_digits_and_held_out_ones(monkeypatch, few):
    images = np.arange(1, 41, dtype=np.uint8)[:, None, None] * np.ones((28, 28), np.uint8)
    digits = _motion.Digits(images[:30], np.zeros(30), images[30:], np.zeros(10))
    monkeypatch.setitem(_motion.SETS, "mnist", lambda: digits)
    found = video.load(video.Config(data="mnist", digits=2))
    assert found.test.frames.shape == (12, 20, 64, 64)
    values = [{*np.unique(c.frames)} - {0} for c in (found.draw(RNG(0), 99), *found[1:3])]
    assert (
        values[0] == {*range(1, 28)} and values[1] <= {28, 29, 30} and values[2] <= {*range(31, 41)}
    )
    assert max(len(np.unique(clip)) for clip in found.test.frames) == 3  # two digits and black


# Baselines and networks.


def test_the_moved_frame_goes_on_as_before():
    frames = np.zeros((2, 5, 6, 7), np.uint8)
    for t in range(5):
        frames[0, t, t, 1] = frames[1, t, 5, 6 - t] = 255
    found = _baselines.moved_on(frames, 3)
    np.testing.assert_array_equal(np.argwhere(found), [[0, 0, 5, 1], [1, 0, 5, 1], [1, 1, 5, 0]])
    assert found.max() == 1
    np.testing.assert_array_equal(_baselines.copied(frames, 2)[:, 1], frames[:, -1] / 255)


def test_errors_and_the_share_of_the_mean_frame():
    truth, guess = np.array([[[[1.0, 0.0]]], [[[0.0, 1.0]]]]), np.array([[[[0.8, 0.5]]]] * 2)
    nats, squared = _baselines.errors(guess, truth)
    by_hand = -(np.log(0.8) + np.log(0.5) + np.log(0.2) + np.log(0.5)) / 2
    np.testing.assert_allclose(nats, [by_hand])
    np.testing.assert_allclose(squared, [(0.04 + 0.25 + 0.64 + 0.25) / 2])
    wrong = RNG(0).random((4000, 1, 1, 2)) < np.array([0.1, 0.3])  # of a guess that says 0
    shares = _baselines.fit_shares(np.zeros((4000, 1, 1, 2)), wrong * 1.0, np.array([[1.0, 1.0]]))
    assert shares.shape == (1, 1, 1) and 0.17 < shares[0, 0, 0] < 0.23


def test_patches_come_back():
    frames = RNG(0).integers(0, 256, (3, 2, 4, 6), dtype=np.uint8)
    patched = _frames.patches(frames, 2)
    np.testing.assert_allclose(255 * patched[1, 1, 1, 2], frames[1, 1, 2:4, 4:6].ravel(), rtol=1e-6)
    np.testing.assert_allclose(255 * _frames.joined(patched, 2), frames, rtol=1e-6)
    rows = np.arange(120.0)
    np.testing.assert_array_equal(_frames.in_parts(lambda some: 2 * some, rows), 2 * rows)


def test_a_forecast_depends_on_the_given_frames_alone():
    config = video.Config(given=3, ahead=2, channels=3, cell="convgru", kernel=2)
    found = SimpleNamespace(test=Clips(np.zeros((1, 5, 6, 4), np.uint8), np.zeros(1)), classes=())
    network, model = config.network, video.build(config, found)
    params = random_like(1, model.init(jax.random.key(0), network.image_size(6, 4)))
    clips = RNG(0).integers(0, 256, (2, 5, 6, 4), dtype=np.uint8)
    batch = network.batch(Clips(clips, np.zeros(2)))
    logits = model.apply(params, batch.inputs, context=batch.context)[1]
    frames = _frames.joined(np.asarray(jax.nn.sigmoid(logits)), 2)
    ahead = network.forecast(model, params, clips[:, :3])
    np.testing.assert_allclose(ahead, frames, atol=1e-6)
    assert ahead.shape == (2, 2, 6, 4)
    np.testing.assert_array_equal(batch.targets, _frames.patches(clips[:, 3:], 2))
    further = network.forecast(model, params, clips[:1, :3], 4)
    np.testing.assert_allclose(further[:, :2], ahead[:1], atol=1e-6)
    changed = network.forecast(model, params, np.roll(clips[:, :3], 1, 1))
    assert np.abs(changed - ahead).max() > 1e-3
