"""The application `longterm`: problems, baselines, and the commands as a person meets them."""

import re
from typing import Any

import jax
import numpy as np
import pytest
from cases import random_like

from rnnjax.data import Batch
from rnnjax.interop import read_extra
from rnnjax.losses import cross_entropy
from rnnjax.tasks import longterm
from rnnjax.tasks._command import main
from rnnjax.tasks._digits import Digits
from rnnjax.tasks._longterm._copying import CopyProblem, recalled
from rnnjax.tasks._longterm._labels import LabelProblem
from rnnjax.tasks._longterm._linear import linear_accuracy
from rnnjax.tasks._longterm._network import answers, initial
from rnnjax.tasks._longterm._sequences import digit_sequences, own_sequences, read_pictures
from rnnjax.tasks._longterm._sums import AddingProblem

TINY = ["--hidden", "4", "--batch", "8", "--steps", "2"]


def run(*arguments):
    return main(["longterm", *map(str, arguments)])


@pytest.fixture
def pictures(monkeypatch):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (90, 3, 2), np.uint8), rng.integers(0, 10, 90)
    digits = Digits(images[:60], labels[:60], images[60:], labels[60:])
    monkeypatch.setitem(longterm.DIGITS, "digits", lambda: digits)
    return digits


@pytest.fixture
def table(tmp_path):
    """A table in the form of the UCR archive, with a test beside it; rows of different lengths."""
    rng = np.random.default_rng(1)
    for name, count in (("TRAIN", 30), ("TEST", 12)):
        rows = [[f"{k % 2 * 2 - 1}", *map(str, rng.normal(k % 2, 1, 5))] for k in range(count)]
        rows[3][-2:] = ["NaN", "NaN"]
        text = "".join("\t".join(row) + "\n" for row in rows)
        (tmp_path / f"Made_{name}.tsv").write_text(text)
    return tmp_path / "Made_TRAIN.tsv"


def test_adding_from_training_to_use(tmp_path, capsys):
    out = tmp_path / "out"
    assert run("train", "--length", 9, "--out", out, *TINY) == 0
    printed = capsys.readouterr().out
    assert "sequences of 9 steps; 1000 in the test" in printed and "│ always 1" in printed
    error = read_extra(out / "model.safetensors")["compared"]["mean squared error"]["this network"]
    assert (out / "memory.png").read_bytes().startswith(b"\x89PNG")
    row = rf"│ this network +│ +{error:.3g} │"
    assert re.search(row, printed)
    assert run("evaluate", "--model", out) == 0
    assert re.search(row, capsys.readouterr().out)
    assert run("evaluate", "--model", out, "--length", 1) == 1
    assert "expected length to be" in capsys.readouterr().out
    assert run("use", "--model", out, "--given", "0.5 .25* 0.125 1*") == 0
    shown = capsys.readouterr().out
    assert "after 0.250 at step 2" in shown and re.search(r"true sum +1\.250", shown)
    for wrong in ("0.5 0.25*", "0.5* 2.0*", "half* 0.1*", ""):
        assert run("use", "--model", out, "--given", wrong) == 1
        assert "expected numbers from 0 to 1, two of them with a star" in capsys.readouterr().out


def test_copying_shows_the_symbols_and_the_answers():
    problem = CopyProblem(3, 8, 0)
    batch = problem.parse("31415 26535")
    assert batch.inputs[0].tolist() == [3, 1, 4, 1, 5, 2, 6, 5, 3, 5, 0, 0, 0, *[9] * 10]
    assert batch.targets[0, 13:].tolist() == [3, 1, 4, 1, 5, 2, 6, 5, 3, 5]
    outputs = np.eye(10)[batch.targets[0]]
    outputs[-1] = np.eye(10)[7]
    shown, answered, _ = problem.describe(batch, outputs)
    assert shown == "shown     3 1 4 1 5 2 6 5 3 5" and answered == "answered  3 1 4 1 5 2 6 5 3 7"
    for wrong in ("314", "3141592653", "three", "0141526535"):
        with pytest.raises(ValueError, match="expected 10 digits from 1 to 8"):
            problem.parse(wrong)


def test_digits_from_training_to_use(tmp_path, capsys, pictures):
    from PIL import Image

    out, options = tmp_path / "out", ["--data", "digits", "--read", "permuted", "--cell", "GRU"]
    assert run("train", *options, "--out", out, *TINY) == 0
    assert "linear map of all steps" in capsys.readouterr().out
    assert run("use", "--model", out, "--number", 31) == 0
    shown = capsys.readouterr().out
    assert f"true class: {pictures.test_labels[1]}" in shown and "after    6 of 6 steps" in shown
    last = shown.splitlines()[-1]
    Image.fromarray(255 - pictures.test_images[1]).save(tmp_path / "digit.png")
    assert run("use", "--model", out, "--given", tmp_path / "digit.png") == 0
    assert capsys.readouterr().out.splitlines()[-1] == last  # the same picture, as a file
    assert run("use", "--model", out, "--given", tmp_path / "none.png") == 1
    assert "expected a picture of a digit, got" in capsys.readouterr().out


def test_a_table_of_ones_own_gives_sequences_with_gaps(table):
    problem = longterm.load(longterm.Config(data=str(table), batch=8))
    assert isinstance(problem, LabelProblem)
    assert (problem.steps, problem.input_size, problem.outputs) == (5, 1, 2)
    assert problem.measures[0].trivial["most frequent class"] == 0.5
    mean, deviation = problem.scale
    batch = problem.parse("0.5, -1, 2")
    np.testing.assert_allclose(batch.inputs[0, :, 0] * deviation + mean, [0.5, -1, 2], rtol=1e-5)
    *_, last = problem.describe(batch, np.log([[0.5, 0.5], [0.8, 0.2], [0.25, 0.75]]))
    assert last == "after    3 of 3 steps   1  75.0%   -1  25.0%"
    with pytest.raises(ValueError, match="expected the values of a sequence"):
        problem.parse("a b")
    valid, labels = np.asarray(problem.test[0].mask), problem.test[0].targets
    outputs = np.eye(2)[np.repeat(labels[:, None], 5, 1)]  # right everywhere
    outputs[0, 2] = outputs[0, 2, ::-1]
    shares = problem.by_step(outputs, problem.test[0])[1]
    np.testing.assert_allclose(shares, [1, 1, 11 / 12, 1, 1])
    assert valid.sum(0).tolist() == [12, 12, 12, 11, 11]


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "expected 'adding', 'copy', 'digits', 'mnist' or a .csv or .tsv file .* no file"),
        ("a,1,2\nb,3\n", "expected 3 columns in every line"),
        ("a,1,2\nb,3,x\nb,4,5\n", "expected numbers behind the labels"),
        ("a\n" * 30, "expected a label and finite values in every row"),
        ("a,,\n" * 30, "expected a label and finite values in every row"),
        ("a,1,2\n" * 19, "expected at least 20 sequences, got 19"),
        ("a,1,2\n" * 30, "expected at least two different labels"),
    ],
)
def test_a_bad_table_gets_one_clear_line(tmp_path, capsys, content, message):
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_text(content)
    assert run("train", "--data", path, "--out", tmp_path / "out") == 1
    assert re.search(message, capsys.readouterr().out.strip().splitlines()[-1])


def test_own_sequences_are_the_rows_of_the_table_and_of_its_test(tmp_path, table):
    found = own_sequences(str(table))
    assert found.classes == ("-1", "1") and found.picture is None
    assert [len(part.targets) for part in found[:3]] == [24, 6, 12]
    rows = [line.split("\t") for line in (tmp_path / "Made_TEST.tsv").read_text().splitlines()]
    values = np.array([list(map(float, row[1:])) for row in rows])
    np.testing.assert_array_equal(found.test.targets, [int(row[0] == "1") for row in rows])
    np.testing.assert_array_equal(found.test.mask, ~np.isnan(values))
    np.testing.assert_allclose(found.test.inputs[..., 0], np.nan_to_num(values), rtol=1e-6)
    both = np.concatenate([found.train.inputs, found.valid.inputs])
    assert len(np.unique(both[:, 0])) == 30
    seen = found.train.inputs[np.asarray(found.train.mask)]
    np.testing.assert_allclose(found.scale, (seen.mean(), seen.std()), rtol=1e-5)
    header = tmp_path / "header.csv"
    header.write_text("label,v1,v2\n" + "a,1,2\nb,3,4\n" * 10)
    assert own_sequences(str(header)).classes == ("a", "b")
    (tmp_path / "Made_TEST.tsv").write_text("7\t1\t2\t3\t4\t5\n")
    with pytest.raises(ValueError, match="expected the labels -1, 1.* got '7'"):
        own_sequences(str(table))
    (tmp_path / "Made_TEST.tsv").write_text("1\t1\t2\n")
    with pytest.raises(ValueError, match=r"expected 5 values in every row of .*TEST.* got 2"):
        own_sequences(str(table))


def test_pictures_are_read_by_rows_by_pixels_and_in_another_order():
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 5), np.uint8)
    rows, pixels = (read_pictures(images, read, 0) for read in ("rows", "pixels"))
    np.testing.assert_allclose(rows * 255, images, rtol=1e-6)
    np.testing.assert_array_equal(pixels[..., 0], rows.reshape(4, 15))
    first, other = (read_pictures(images, "permuted", seed)[..., 0] for seed in (0, 1))
    assert (first != other).any() and (first != pixels[..., 0]).any()
    order = [np.flatnonzero((pixels[..., 0] == column[:, None]).all(0))[0] for column in first.T]
    assert sorted(order) == list(range(15))  # the same order for all pictures


def test_digits_to_choose_by_are_the_last_tenth(pictures):
    found = digit_sequences(pictures, "rows", 0)
    np.testing.assert_array_equal(found.valid.targets, pictures.train_labels[-6:])
    np.testing.assert_allclose(found.test.inputs * 255, pictures.test_images, rtol=1e-6)
    problem = longterm.load(longterm.Config(data="digits", read="rows", batch=8))
    assert problem.count == 30 and problem.steps == 3 and problem.input_size == 2
    every = np.concatenate([problem.feed(k).inputs for k in range(problem.feed.per_epoch)])
    assert abs(every.mean()) < 0.1 and abs(every.std() - 1) < 0.1


@pytest.mark.parametrize("count", [6, 40], ids=["wide", "tall"])
def test_the_linear_classifier_is_a_ridge_regression_chosen_on_valid(count):
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (3, 4, 5))

    def part(number):
        labels = np.arange(number) % 3
        return Batch(centres[labels] + rng.normal(0, 2, (number, 4, 5)), labels)

    train, valid, test = part(count), part(60), part(90)

    def by_hand(penalty):
        """Least squares with the penalty as further rows, and an intercept without one."""
        x = np.column_stack([train.inputs.reshape(count, -1), np.ones(count)])
        more = np.sqrt(penalty) * np.eye(20, 21)
        targets = np.concatenate([np.eye(3)[train.targets], np.zeros((20, 3))])
        weights = np.linalg.lstsq(np.concatenate([x, more]), targets, rcond=None)[0]

        def share(part):
            design = np.column_stack(
                [part.inputs.reshape(len(part.targets), -1), np.ones(len(part.targets))]
            )
            return np.mean((design @ weights).argmax(1) == part.targets)

        return share(valid), share(test)

    scores = [by_hand(penalty) for penalty in 10.0 ** np.arange(-2, 6)]
    expected = scores[int(np.argmax([valid for valid, _ in scores]))][1]
    assert linear_accuracy(train, valid, test) == pytest.approx(expected)
    assert expected > 0.5


def test_a_guess_has_the_trivial_scores_of_the_copy_problem():
    problem = CopyProblem(4, 8, 0)
    batch = problem.test[0]
    assert batch.loss_mask is None and problem.steps == 24
    cued = np.arange(24) >= 14
    certain = np.where(np.arange(10) == 0, 0.0, -np.inf)
    even = np.where((np.arange(10) > 0) & (np.arange(10) < 9), 0.0, -np.inf)
    logits = np.broadcast_to(np.where(cued[:, None], even, certain), (500, 24, 10))
    loss, accuracy = problem.measures
    trivial = loss.trivial["guess evenly at the cues"]
    assert trivial == pytest.approx(10 * np.log(8) / 24)
    assert float(cross_entropy(logits, batch.targets)) == pytest.approx(trivial, rel=1e-5)
    assert accuracy.trivial["guess evenly"] == 1 / 8
    truth = np.eye(10)[batch.targets]
    truth[:, 14:17] = np.eye(10)[0]
    assert float(recalled(truth, batch.targets)) == pytest.approx(0.7)
    steps, score = problem.by_step(truth, batch)
    np.testing.assert_array_equal(steps, np.arange(15, 25))
    np.testing.assert_array_equal(score, [0, 0, 0, 1, 1, 1, 1, 1, 1, 1])


def test_made_sequences_are_fresh_to_learn_from_and_fixed_to_choose_by():
    first, again, other = (AddingProblem(5, 8, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.test[1].inputs, again.test[1].inputs)
    batches = [first.feed(0), first.feed(1), other.feed(0), first.valid[0], first.test[0]]
    assert len({float(np.sum(batch.inputs)) for batch in batches}) == 5
    np.testing.assert_array_equal(first.feed(3).inputs, again.feed(3).inputs)
    assert first.example(501).inputs.shape == (1, 5, 2) and first.count == 1000
    np.testing.assert_array_equal(first.example(501).inputs[0], first.test[1].inputs[1])


@pytest.mark.parametrize("cell", ["LSTM", "MinGRU"])
def test_an_answer_at_a_step_is_that_to_the_sequence_up_to_it(cell: Any):
    problem = AddingProblem(5, 8, 0)
    config = longterm.Config(cell=cell, hidden=3, layers=2)
    model = longterm.build(config, problem)
    params = random_like(1, initial(model, jax.random.key(0), problem, False))
    batch = jax.tree.map(lambda a: a[:3], problem.test[0])
    found = answers(model, params, batch)
    assert found.shape == (3, 5, 1)
    for steps in (2, 5):
        np.testing.assert_allclose(
            found[:, steps - 1], model.apply(params, batch.inputs[:, :steps])[1], rtol=1e-5
        )
    np.testing.assert_allclose(
        problem.by_step(found, batch)[1][2], np.mean((found[:, 2] - batch.targets) ** 2), rtol=1e-5
    )


def test_chrono_initialization_is_for_lstms_and_for_all_steps():
    problem = AddingProblem(1000, 2, 0)
    cells: Any = (("LSTM", True), ("GRU", False))
    for cell, changed in cells:
        model = longterm.build(longterm.Config(cell=cell, hidden=60), problem)
        plain, chrono = (
            initial(model, jax.random.key(0), problem, use_chrono) for use_chrono in (False, True)
        )
        assert bool((plain[0].b != chrono[0].b).any()) == changed
        np.testing.assert_array_equal(plain[0].w_h, chrono[0].w_h)
        if changed:
            forget = np.exp(np.asarray(chrono[0].b[60:120]))
            assert 1 <= forget.min() < 100 and 800 < forget.max() < 1000
