"""The application `memory`: pictures, series, baselines, the commands as a person meets them."""

import gzip
import re

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from rnnjax.interop import read_extra
from rnnjax.tasks import _digits, mackey_glass
from rnnjax.tasks._command import main
from rnnjax.tasks._digits import mnist, read_idx, sklearn_digits
from rnnjax.tasks._memory import _figure, _series
from rnnjax.tasks._memory._patterns import (
    Pictures,
    answers,
    as_text,
    complete,
    damaged,
    load_pictures,
    overlaps,
    read_images,
    read_pictures,
    right,
)
from rnnjax.tasks._memory._series import Scale, Series, error, forecasts, load_series, read_series

LETTERS = {
    "L": "#....\n#....\n#....\n#....\n#####",
    "T": "#####\n..#..\n..#..\n..#..\n..#..",
    "X": "#...#\n.#.#.\n..#..\n.#.#.\n#...#",
}


def run(*arguments):
    return main(["memory", *map(str, arguments)])


@pytest.fixture
def letters(tmp_path):
    path = tmp_path / "letters.txt"
    path.write_text("\n\n".join(LETTERS.values()) + "\n")
    return path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(_figure, "_LOADS", np.array([0.1, 0.3]))
    monkeypatch.setattr(_series, "RIDGES", (1e-14, 1e-4))
    monkeypatch.setattr(_series, "LAGS", (10, 20))
    monkeypatch.setattr(_figure.draw_capacity, "__defaults__", (30,))


@pytest.mark.parametrize("model", ["hopfield", "modern"])
def test_pictures_are_stored_evaluated_and_repaired(tmp_path, letters, capsys, model):
    out = tmp_path / "out"
    given = ["--model", model, "--data", letters, "--patterns", 3, "--noise", 0.1]
    assert run("train", *given, "--out", out) == 0
    printed = capsys.readouterr().out
    assert "nearest stored picture" in printed and "cues with 10% of their pixels wrong" in printed
    found = read_extra(out / "model.safetensors")["compared"]
    pixels, whole = found["pixels right"], found["pictures without an error"]
    assert pixels["the cue itself"] == pytest.approx(0.9, abs=0.01)
    assert pixels["this network"] > 0.96 and whole["this network"] > whole["the cue itself"] + 0.5
    assert (out / "recall.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "capacity.png").exists() == (model != "modern")
    assert run("evaluate", "--model", out) == 0
    printed = capsys.readouterr().out
    assert re.search(
        r"10% wrong +\d+\.\d+% +\d+\.\d+% +" + f"{pixels['this network']:.2%}", printed
    )
    assert re.search(r"lower half unknown +5\d\.\d+%|lower half unknown +48\.00%", printed)
    cue = tmp_path / "cue.txt"
    cue.write_text("#....\n#....\n?????\n?...#\n#####\n\n#####\n..#..\n?????\n?????\n?????\n")
    assert run("use", "--model", out, cue) == 0
    assert capsys.readouterr().out.strip() == f"{LETTERS['L']}\n\n{LETTERS['T']}"
    cue.write_text("#.\n.#\n")
    assert run("use", "--model", out, cue) == 1
    assert "expected pictures of 5 lines of 5, got 2 of 2" in capsys.readouterr().out


def test_a_series_is_learnt_evaluated_and_continued(tmp_path, capsys):
    out, path = tmp_path / "out", tmp_path / "waves.csv"
    t = np.arange(600)
    wave = 5 + np.sin(t / 5) + 0.5 * np.sin(t / 3 + 1)
    path.write_text("t,wave\n" + "\n".join(f"{a},{b}" for a, b in zip(t, wave, strict=True)))
    given = ["--model", "echo", "--data", path, "--hidden", 30, "--horizon", 8, "--density", 0.3]
    assert run("train", *given, "--out", out) == 0
    assert "values: 360 train, 120 valid, 120 test; ridge 1e-" in capsys.readouterr().out
    found = read_extra(out / "model.safetensors")["compared"]["NRMSE after 8 steps"]
    assert found["this network"] < 0.05 < 0.5 < found["last value"]
    assert (out / "attractor.png").read_bytes().startswith(b"\x89PNG")
    assert run("evaluate", "--model", out) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == f"NRMSE after   8 steps  {found['this network']:.5f}"
    path.write_text("\n".join(map(str, wave[:500])))
    assert run("use", "--model", out, path, "--steps", 5) == 0
    numbers = [float(line) for line in capsys.readouterr().out.split()]
    np.testing.assert_allclose(numbers, wave[500:505], atol=0.05)


@pytest.mark.parametrize(
    "model, name, content, message",
    [
        ("hopfield", "no.txt", None, "expected 'digits', 'mnist', a folder of images, or a text"),
        (
            "hopfield",
            "a.txt",
            "#.\n.a\n",
            "expected pictures of '#', '.' and '\\?', got '.a' in line 2",
        ),
        ("hopfield", "a.txt", "#.\n.\n", "expected pictures of one size"),
        (
            "hopfield",
            "a.txt",
            "#.\n\n?.\n",
            r"expected pictures of '#' and '.' to store, got a '\?'",
        ),
        ("modern", "a.txt", "#.\n\n..\n", "expected at least 10 pictures, got 2 in"),
        ("echo", "no.csv", None, "expected 'mackey-glass' or a .csv or .tsv with a series, got no"),
        ("echo", "a.csv", "1\n2\n", "expected at least 840 values, ten horizons, got 2"),
        ("echo", "a.csv", "x\n1\ntwo\n", "expected numbers in the last column of .*, got 'two'"),
        ("echo", "a.csv", "1\n" * 900, "expected a series that changes, got 900 equal values"),
    ],
)
def test_bad_input_gets_one_clear_line(tmp_path, capsys, model, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    assert run("train", "--model", model, "--data", path, "--out", tmp_path / "out") == 1
    assert re.search(message, capsys.readouterr().out.strip().splitlines()[-1])


def test_pictures_of_files_and_folders(tmp_path, letters):
    from PIL import Image

    pictures = read_pictures(letters)
    assert pictures.shape == (5, 5)
    assert [as_text(row, pictures.shape) for row in pictures.rows] == [*LETTERS.values()]
    with pytest.raises(ValueError, match=r"expected images of one size in .*, got sizes \[\]"):
        read_images(tmp_path)  # holds a text file only
    grey = np.array([[10, 200, 90], [106, 20, 10]], np.uint8)  # the middle is 105
    Image.fromarray(grey).save(tmp_path / "b.png")
    Image.fromarray(255 - grey).save(tmp_path / "a.png")
    found = read_images(tmp_path)
    assert found.shape == (2, 3)
    np.testing.assert_array_equal(found.rows[1], [-1, 1, -1, 1, -1, -1])
    np.testing.assert_array_equal(found.rows[0], -found.rows[1])
    digits = load_pictures("digits", 20)
    assert digits.rows.shape == (20, 64) and set(np.unique(digits.rows)) == {-1, 1}
    assert len(np.unique(digits.rows, axis=0)) == 20


def test_damage_and_the_answers_to_it():
    rows = np.random.default_rng(0).choice([-1.0, 1.0], (4, 50))
    pictures = Pictures(rows, (5, 10))
    true, cues = damaged(pictures, 0.2, 1)
    np.testing.assert_array_equal(true[:6], rows[[0, 1, 2, 3, 0, 1]])
    assert right(cues, true) == pytest.approx(0.8, abs=0.01) and complete(true, true) == 1
    half = damaged(pictures, None, 1)[1]
    assert (half[:, :25] == true[:, :25]).all() and not half[:, 25:].any()
    near = answers(pictures, cues, cues)["nearest stored picture"]
    for k in range(30):
        distances = [(row != cues[k]).sum() for row in rows]
        np.testing.assert_array_equal(near[k], rows[int(np.argmin(distances))])


def test_hebbs_rule_fails_beyond_its_capacity():
    hebb, inverse = (overlaps(rule, 200, np.array([0.05, 0.3])) for rule in _figure._RULES)
    assert hebb[0] > 0.99 and hebb[1] < 0.7
    assert (inverse == 1).all()


def test_the_mackey_glass_series_equals_another_integration():
    """Interval by interval of the length of the delay, by a method of order 8."""
    expected, start, before = [], 1.2, lambda t: [1.2]
    for k in range(6):

        def slope(t, x, before=before):
            delayed = before(t - 17)[0]
            return 0.2 * delayed / (1 + delayed**10) - 0.1 * x

        ends = (17 * k, 17 * k + 17)
        options = {"method": "DOP853", "rtol": 1e-10, "atol": 1e-12, "dense_output": True}
        found = solve_ivp(slope, ends, [start], **options)
        start, before = found.y[0, -1], found.sol
        expected += [found.sol(t)[0] for t in range(*ends)]

    series = mackey_glass(102, discard=0)
    np.testing.assert_allclose(series, expected, atol=1e-7)
    np.testing.assert_array_equal(mackey_glass(2, discard=100), series[100:])
    # A constant series is the fixed point 1: 0.2 / (1 + 1) = 0.1.
    np.testing.assert_allclose(mackey_glass(3, start=1.0), 1)
    long = mackey_glass(3000)
    assert 0.04 < long.var() < 0.07 and 0.4 < long.min() < long.max() < 1.4
    assert np.abs(long - mackey_glass(3000, start=1.1)).max() > 0.1


def test_errors_and_forecasts_of_a_series():
    random = np.random.default_rng(0)
    series = Series(*np.split(random.standard_normal(300), [150, 220]))
    places = series.starts("test", 4)
    assert places[0] == 219 and places[-1] == 295 and len(places) == 50
    assert series.starts("valid", 4)[-1] == 215
    runs = random.standard_normal((4, len(places)))
    total = sum((runs[3, k] - series.whole[place + 4]) ** 2 for k, place in enumerate(places))
    expected = np.sqrt(total / len(places)) / series.whole.std()
    assert error(runs, places, series) == pytest.approx(expected)
    with jax.enable_x64(True):
        # Of a sine an autoregression is exact, however far it runs.
        sine = Series(*np.split(np.sin(np.arange(400) / 4), [200, 300]))
        found = forecasts(sine, Scale.of(sine.train), 20)
        last, linear = found.values()
        places = sine.starts("test", 20)
        squares = (sine.whole[places] - sine.whole[places + 20]) ** 2
        assert last == pytest.approx(np.sqrt(squares.mean()) / sine.whole.std())
        assert linear < 1e-6 and "linear autoregression of " in [*found][1]
        scale = Scale(2.0, 3.0)
        inputs = scale.inputs(np.array([2.0, 8.0]))
        assert inputs.tolist() == [[0, 0.5], [2, 0.5]] and scale.values(inputs).tolist() == [2, 8]


def test_series_of_tables(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("day\tload\n1\t3.5\n2\t-4\n")
    assert read_series(path).tolist() == [3.5, -4]
    path.write_text("1\t3\n")
    assert read_series(path).tolist() == [3]
    assert [len(part) for part in load_series("mackey-glass", 84)] == [3000, 3000, 6000]


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.astype(np.uint8).tobytes()


def test_digits_of_both_sets(tmp_path, monkeypatch):
    digits = sklearn_digits()
    assert digits.train_images.shape == (1437, 8, 8) and digits.test_images.shape == (360, 8, 8)
    assert digits.train_images.max() == 255 and set(digits.test_labels) == set(range(10))
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5))
    np.testing.assert_array_equal(read_idx(idx(images)), images)
    for bad in (b"", b"\0\0\x0d\1\0\0\0\1a", idx(images)[:-1]):
        with pytest.raises(ValueError, match="expected a file of bytes in the form idx, got"):
            read_idx(bad)
    monkeypatch.setenv("RNNJAX_DATA", str(tmp_path))
    (tmp_path / "images").mkdir()
    for name in _digits._SHA256:
        content = images if "images" in name else images[:, 0, 0] % 10
        (tmp_path / "images" / f"{name}-ubyte.gz").write_bytes(gzip.compress(idx(content)))
    with pytest.raises(ValueError, match=r"expected a file with SHA-256 ba891046.* got "):
        mnist()
    monkeypatch.setattr(_digits, "data_file", lambda name, **_: tmp_path / name)
    assert [part.shape for part in mnist()] == [(3, 4, 5), (3,)] * 2
