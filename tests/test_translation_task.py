"""The application `translation`, as a person meets it."""

# pyright: reportIndexIssue=false, reportCallIssue=false, reportArgumentType=false, reportOptionalSubscript=false

import re

import numpy as np
import pytest

from rnnjax.tasks._command import main
from rnnjax.tasks._translation._numbers import english, german, number_pairs
from rnnjax.tasks._translation._pairs import Pairs, batches

SMALL = ["--hidden", "16", "--heads", "2", "--embedding", "16", "--batch", "8", "--least", "1"]
COLOURS = {"rot": "red", "blau": "blue", "grün": "green", "gelb": "yellow", "weiß": "white"}
THINGS = {"haus": "house", "boot": "boat", "baum": "tree", "hund": "dog"}


def run(*arguments):
    return main(["translation", *map(str, arguments)])


@pytest.fixture
def table(tmp_path):
    rows = [
        f"ein {a} ist {b} und {c}\ta {THINGS[a]} is {COLOURS[b]} and {COLOURS[c]}\n"
        for a in THINGS
        for b in COLOURS
        for c in COLOURS
    ]
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(rows))
    return path


def test_numbers_in_words():
    expected = {
        0: ("null", "zero"),
        1: ("eins", "one"),
        16: ("sechzehn", "sixteen"),
        17: ("siebzehn", "seventeen"),
        21: ("einundzwanzig", "twenty-one"),
        30: ("dreißig", "thirty"),
        101: ("einhunderteins", "one hundred one"),
        999: ("neunhundertneunundneunzig", "nine hundred ninety-nine"),
        1000: ("eintausend", "one thousand"),
        1001: ("eintausendeins", "one thousand one"),
        21_000: ("einundzwanzigtausend", "twenty-one thousand"),
        101_016: ("einhunderteintausendsechzehn", "one hundred one thousand sixteen"),
    }
    assert {n: (german(n), english(n)) for n in expected} == expected
    pairs = number_pairs(500, seed=3)
    assert len({source for source, _ in pairs}) == len({target for _, target in pairs}) == 500


def test_batches_shift_the_target_and_keep_the_source():
    pairs = [("a b", "x y z"), ("c", "w")]
    sides = Pairs(pairs, pairs, pairs).sides(least=1)
    _, target = sides
    for batch in batches(pairs, sides, 1):
        n = int(batch.lengths[0])
        assert batch.inputs[0, 0] == target.vocabulary["<s>"]
        np.testing.assert_array_equal(batch.inputs[0, 1:n], batch.targets[0, : n - 1])
        assert batch.targets[0, n - 1] == target.vocabulary["</s>"]
        written = target.decode(batch.targets[0, :n])
        tokens = batch.context.values[0, : int(batch.context.lengths[0])]
        assert (" ".join(sides[0].vocabulary.decode(tokens)), written) in pairs


@pytest.mark.slow
def test_train_evaluate_use(tmp_path, table, capsys):
    out = tmp_path / "out"
    options = ["--learning-rate", 0.03, "--dropout", 0.0, "--steps", 250]
    assert run("train", "--data", table, "--out", out, *SMALL, *options) == 0
    printed = capsys.readouterr().out
    bleu = re.search(r"this network, beam of 5 +│ +(\d+\.\d)", printed)
    assert bleu and float(bleu[1]) > 70  # a copied source has 4, a network that is deaf 20
    assert {path.name for path in out.iterdir()} == {"model.safetensors", "attention.png"}
    assert (out / "attention.png").read_bytes().startswith(b"\x89PNG")
    assert run("evaluate", "--model", out) == 0
    assert f"BLEU: {bleu[1]}" in capsys.readouterr().out
    assert run("use", "--model", out, "ein hund ist rot und lila") == 0
    printed = capsys.readouterr().out
    assert "unknown lila" in printed and re.search("found +a dog is red and", printed)
    assert run("use", "--model", out, " ") == 1
    assert "expected a sentence, got an empty one" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", None, "expected a text file, got .*No such file"),
        ("a.tsv", b"", "expected a text file with some text"),
        ("a.tsv", b"caf\xe9\ta\n", "expected a text file in UTF-8"),
        ("a.tsv", b"a\tb\tc\n" * 40, "expected two columns in .*, got 3"),
        ("a.tsv", b"a\tb\n" * 9, "expected at least 30 pairs of sentences in .*, got 9"),
        ("a.tsv", b"a\tb\na\n", "expected .*columns"),
        ("a.xyz", b"a\tb\n", r"\.csv"),
    ],
)
def test_bad_files_get_one_clear_line(tmp_path, capsys, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert run("train", "--data", tmp_path / name, "--out", tmp_path / "out") == 1
    assert re.search(message, capsys.readouterr().out.strip().splitlines()[-1])
    assert not (tmp_path / "out").exists()
