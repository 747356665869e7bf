"""The applications that reproduce papers, at a tiny size."""

import json

import numpy as np
import pytest

from rnnjax.tasks import Chorales, adding, chorales
from rnnjax.tasks._command import main


def results(folder):
    assert (folder / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_the_adding_problem(tmp_path, capsys):
    config = adding.Config(length=6, hidden=4, updates=8, seeds=1)
    adding.train(config, out=tmp_path)
    runs = results(tmp_path)
    assert [(run["cell"], run["seed"]) for run in runs] == [("LSTM", 0), ("GRU", 0)]
    for run in runs:
        assert run["history"][-1] == [8, pytest.approx(run["error"], abs=1e-5)]
        assert run["solved"] is None and run["parameters"] > 0
    assert "always answering 1 has an error of 0.167" in capsys.readouterr().out


def pretended():
    """Random rolls in the form of the real ones."""
    random = np.random.default_rng(0)
    rolls = [(random.random((n, 88)) < 0.05).astype(np.float32) for n in range(5, 35)]
    return Chorales(train=rolls[:16], valid=rolls[16:22], test=rolls[22:])


def test_the_chorales(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(chorales, "load_chorales", pretended)
    chorales.train(chorales.Config(hidden=4, epochs=4, seeds=1), out=tmp_path)
    runs = results(tmp_path)
    assert [run["cell"] for run in runs] == list(chorales.RECIPES)
    for run in runs:
        assert [step for step, _ in run["history"]] == [4, 8]
        lowest = min(loss for _, loss in run["history"])
        assert run["valid"] == pytest.approx(lowest, abs=1e-5)
        assert 0 < run["test"] < 100
    assert "trivial on test: uniform 61.00" in capsys.readouterr().out


def test_without_chorales_nothing_is_trained(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RNNJAX_DATA", str(tmp_path))
    assert main(["chorales", "train", "--out", str(tmp_path / "out")]) == 1
    assert "expected music/JSB_Chorales.mat in the folder" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_published_numbers_are_of_our_networks():
    assert all({*numbers} <= {*chorales.RECIPES} for numbers in chorales.PUBLISHED.values())
