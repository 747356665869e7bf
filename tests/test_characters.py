"""The command line of the character model, as a person meets it."""

import re

import jax
import numpy as np
import pytest

from rnnjax.tasks import characters
from rnnjax.tasks._characters import CharacterModel, Training, load, save, split, train

TEXT = "the quick brown fox jumps over the lazy dog. " * 40
SMALL = ["--hidden", "8", "--batch", "4", "--window", "16", "--length", "20"]


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def run(*arguments):
    return characters.main([str(a) for a in arguments])


def test_train_then_generate(tmp_path, text_file, capsys):
    out = tmp_path / "out"
    assert run("train", "--text", text_file, "--steps", 40, "--out", out, *SMALL) == 0
    printed = capsys.readouterr().out
    for name in ("unigram", "trigram", "interpolated 5-gram", "this network"):
        assert re.search(rf"{name}.*\d\.\d\d\d", printed)
    assert {path.name for path in out.iterdir()} == {"model.safetensors", "learning_curve.png"}
    assert (out / "learning_curve.png").read_bytes().startswith(b"\x89PNG")

    assert run("generate", "--out", out, "--prompt", "the ", "--length", 30, "--seed", 1) == 0
    first = capsys.readouterr().out.strip("\n")
    assert first.startswith("the ") and len(first.replace("\n", "")) >= 30
    run("generate", "--out", out, "--prompt", "the ", "--length", 30, "--seed", 1)
    assert capsys.readouterr().out.strip("\n") == first


@pytest.mark.parametrize(
    "cell",
    [
        "gru",
        pytest.param("lstm", marks=pytest.mark.slow),
        pytest.param("elman", marks=pytest.mark.slow),
    ],
)
def test_training_learns_with_every_cell(cell):
    model = CharacterModel("".join(sorted(set(TEXT))), cell=cell, hidden=16, layers=2, dropout=0.0)
    data = split(model.alphabet.encode(TEXT), window=16)
    history = list(
        train(model.layer(), data, Training(steps=60, batch=4, window=16, learning_rate=0.02))
    )
    assert [point.step for point in history] == list(range(1, 61))
    assert history[-1].loss < 0.8 * history[0].loss
    assert sum(point.held_out is not None for point in history) == 11


def test_parameters_survive_the_file(tmp_path):
    model = CharacterModel("ab", hidden=4, layers=2, embedding=3)
    params = model.layer().init(jax.random.key(1), 0)
    save(tmp_path / "m.safetensors", model, params)
    again, loaded = load(tmp_path / "m.safetensors")
    assert again == model

    assert jax.tree.structure(loaded) == jax.tree.structure(params)
    jax.tree.map(np.testing.assert_array_equal, loaded, params)


def test_interruption_keeps_what_was_learnt(tmp_path, text_file, capsys, monkeypatch):
    def interrupted(*arguments):
        for count, now in enumerate(train(*arguments)):
            if count == 3:
                raise KeyboardInterrupt
            yield now

    monkeypatch.setattr(characters, "train", interrupted)
    assert run("train", "--text", text_file, "--steps", 100, "--out", tmp_path, *SMALL) == 0
    assert "interrupted after step 3; keeping what was learnt" in capsys.readouterr().out
    load(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    "content, options, message",
    [
        (None, [], "expected a text file, got .*No such file"),
        (b"", [], "expected a text file with some text"),
        (b"caf\xe9" * 1000, [], "expected a text file in UTF-8"),
        (b"too short", [], "expected a text of at least 650 characters.* got 9"),
        (TEXT.encode(), ["--prompt", "THE"], "expected characters of the training text, got 'EHT'"),
        (TEXT.encode(), ["--prompt", ""], "expected a prompt of at least one character"),
        (TEXT.encode(), ["--hidden", "0"], "expected hidden to be a positive integer, got 0"),
        (TEXT.encode(), ["--minutes", "0"], "expected minutes to be above 0, got 0.0"),
        (TEXT.encode(), ["--dropout", "1", "--window", "16"], "expected rate to be at least 0"),
    ],
)
def test_bad_input_gets_one_clear_line(tmp_path, capsys, content, options, message):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    window = [] if "--window" in options or len(content or b"") < 100 else ["--window", "16"]
    assert run("train", "--text", path, "--out", tmp_path / "out", *window, *options) == 1
    printed = capsys.readouterr().out.strip()
    last = printed.splitlines()[-1]
    assert re.search(message, last)
    assert not (tmp_path / "out").exists()


def test_generate_needs_a_trained_model(tmp_path, capsys):
    assert run("generate", "--out", tmp_path) == 1
    assert "expected a model saved by 'train' at" in capsys.readouterr().out
    (tmp_path / "model.safetensors").write_bytes(b"not a model")
    assert run("generate", "--out", tmp_path) == 1
    assert "expected a model saved by 'train' at" in capsys.readouterr().out
