"""The application `text` and the command line, as a person meets them."""

import re
import subprocess
import sys

import numpy as np
import pytest

from rnnjax import interop
from rnnjax.tasks import _application, text
from rnnjax.tasks._command import TASKS, main
from rnnjax.tasks._language import _data
from rnnjax.training import fit

TEXT = "the quick brown fox jumps over the lazy dog. " * 40
FILES = {"model.safetensors", "learning_curve.png", "page.html"}
SMALL = ["--hidden", "8", "--batch", "4", "--window", "16"]


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def run(*arguments):
    return main(["text", *map(str, arguments)])


def test_train_evaluate_use(tmp_path, text_file, capsys):
    out = tmp_path / "out"
    assert run("train", "--data", text_file, "--steps", 40, "--out", out, *SMALL) == 0
    printed = capsys.readouterr().out
    for name in ("unigram", "trigram", "interpolated 5-gram", "this network"):
        assert re.search(rf"{name}.*\d\.\d\d\d", printed)
    assert "step 40   loss" in printed and "eval loss" in printed
    assert {path.name for path in out.iterdir()} == FILES
    assert (out / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    result = re.search(r"this network +│ +(\d\.\d+)", printed)
    extra = interop.read_extra(out / "model.safetensors")
    found = extra["compared"]["bits per character"]["this network"]
    assert result and found == pytest.approx(float(result[1]), abs=1e-3)
    page = (out / "page.html").read_text()
    assert "page.html" in printed and '"name": "LSTM, 1 × 8 units"' in page
    assert sorted(extra["units"]) == sorted(set(TEXT))

    held_out = tmp_path / "held_out.txt"
    held_out.write_text(TEXT[-180:])
    assert run("evaluate", "--model", out, "--data", held_out) == 0
    assert re.fullmatch(r"\d\.\d+ bits per character on 180 characters\n", capsys.readouterr().out)

    options = ["--model", out, "--prompt", "the ", "--length", 30]
    assert run("use", *options, "--seed", 1) == 0
    first = capsys.readouterr().out
    assert first.startswith("the ") and len(first) == 4 + 30 + 1
    assert run("use", *options, "--seed", 1) == 0
    assert capsys.readouterr().out == first
    assert run("use", *options, "--temperature", 0) == run("use", *options, "--top-k", 1) == 0
    greedy = capsys.readouterr().out
    assert greedy[:35] == greedy[35:]


@pytest.mark.parametrize("unit", ["words", pytest.param("pieces", marks=pytest.mark.slow)])
def test_words_and_pieces_with_tied_weights_and_an_average(unit, tmp_path, text_file, capsys):
    out = tmp_path / "out"
    options = ["--unit", unit, "--tied", "--embedding", 6, "--weight-drop", 0.1, "--average", 0.9]
    options += ["--learning-rate", 0.05]
    long = tmp_path / "long.txt"
    long.write_text(TEXT * 4 + "a word that is rare\n" + TEXT)
    assert run("train", "--data", long, "--steps", 60, "--out", out, *SMALL, *options) == 0
    printed = capsys.readouterr().out
    found = re.search(rf"perplexity by {unit[:-1]}.*this network +│ +(\d+\.\d+)", printed, re.S)
    assert found and 1 < float(found[1]) < 12
    model, params = interop.load(out / "model.safetensors")
    assert len(params.embedding.table) == len(params.b) and params.embedding.table.shape[1] == 6
    assert run("evaluate", "--model", out, "--data", text_file) == 0
    assert f"perplexity by {unit[:-1]} on" in capsys.readouterr().out
    arguments = ["--model", out, "--prompt", "the quick", "--length", 9, "--min-p", 0.1]
    assert run("use", *arguments) == 0
    assert capsys.readouterr().out.startswith("the quick ")


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "elman"])
def test_it_learns_with_other_cells(cell, text_file, monkeypatch):
    monkeypatch.setattr(
        _application, "fit", lambda *args, **kw: fit(*args, **kw | {"eval_every": 30})
    )
    config = text.Config(
        data=str(text_file),
        cell=cell,
        hidden=16,
        layers=2,
        dropout=0.0,
        steps=60,
        batch=4,
        window=16,
        learning_rate=0.02,
    )
    data = text.load(config)
    history = text.learn(config, data, text.build(config, len(data.units)))[0].history
    assert history[-1]["step"] == 60
    assert history[1]["eval_loss"] < 0.8 * history[0]["loss"]


def test_every_pass_over_a_text_is_all_of_it_from_another_place():
    config = text.Config(batch=3, window=5)
    feed = _data.batches(np.arange(103), config)
    count = (100 // 3 - 1) // 5
    passes = [[feed(n * count + i) for i in range(count)] for n in range(3)]
    starts = {int(batches[0].inputs[0, 0]) for batches in passes}
    assert len(starts) > 1
    for batches in passes:
        rows = np.concatenate([batch.inputs for batch in batches], 1)
        assert (np.diff(rows) == 1).all()  # windows follow each other
        assert len(np.unique(rows)) == rows.size > 80
        assert all((batch.targets == batch.inputs + 1).all() for batch in batches)
    np.testing.assert_array_equal(feed(7).inputs, feed(7).inputs)


def test_a_time_budget_is_kept(text_file):
    config = text.Config(data=str(text_file), hidden=8, batch=4, window=16, minutes=0.06)
    data = text.load(config)
    run, _ = text.learn(config, data, text.build(config, len(data.units)))
    assert 3.6 <= run.history[-1]["seconds"] < 12
    rate = run.state.opt_state[1].hyperparams["learning_rate"]
    assert rate < config.learning_rate / 2


def test_interruption_keeps_the_last_round(tmp_path, text_file, capsys, monkeypatch):
    def interrupted(*arguments, callbacks, **options):
        def interrupt(state, history):
            if len(history) == 2:
                raise KeyboardInterrupt

        callbacks = (*callbacks, interrupt)
        return fit(*arguments, callbacks=callbacks, **options | {"eval_every": 3})

    monkeypatch.setattr(_application, "fit", interrupted)
    assert run("train", "--data", text_file, "--steps", 100, "--out", tmp_path, *SMALL) == 0
    assert "interrupted; keeping the rounds up to step 6" in capsys.readouterr().out
    interop.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    "content, options, message",
    [
        (None, [], "expected a text file, got .*No such file"),
        (b"", [], "expected a text file with some text"),
        (b"caf\xe9" * 1000, [], "expected a text file in UTF-8"),
        (b"too short", [], "expected a text of at least 650 characters.* got 9"),
        (
            TEXT.encode(),
            ["--prompt", "THE"],
            "expected entries of the vocabulary, got 'E', 'H', 'T' too",
        ),
    ],
)
def test_bad_input_gets_one_clear_line(tmp_path, capsys, content, options, message):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    window = [] if len(content or b"") < 100 else ["--window", "16"]
    assert run("train", "--data", path, "--out", tmp_path / "out", *window, *options) == 1
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert re.search(message, last)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"hidden": 0}, "expected hidden to be a positive integer, got 0"),
        ({"minutes": 0.0}, "expected minutes to be above 0, got 0.0"),
        ({"cell": "mlp"}, "expected cell to be 'lstm', 'gru' or 'elman', got 'mlp'"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        text.Config(**options)


def test_the_command_refuses_such_settings(capsys):
    with pytest.raises(SystemExit, match="2"):
        run("train", "--dropout", "1")
    assert "expected dropout to be at least 0" in " ".join(capsys.readouterr().err.split())


def test_without_a_trained_model_the_package_writes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("use", "--prompt", "The ", "--length", 60, "--temperature", 0) == 0
    first, _, *written = capsys.readouterr().out.split("\n")
    assert re.match(r"no model in runs.text yet, so the package's writes, trained .* bits", first)
    written = "\n".join(written)
    assert written.startswith("The ") and len(written) == 4 + 60 + 1


def test_use_needs_a_trained_model(tmp_path, capsys):
    assert run("use", "--model", tmp_path) == 1
    assert "expected a model that 'rnnjax text train' wrote, got no file" in capsys.readouterr().out
    (tmp_path / "model.safetensors").write_bytes(b"not a model")
    assert run("use", "--model", tmp_path) == 1
    assert "expected a file that rnnjax.interop.save wrote" in capsys.readouterr().out


def test_the_command_lists_its_tasks(capsys):
    assert main([]) == main(["--help"]) == 0 and main(["dance"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("usage: rnnjax TASK COMMAND") == 3
    assert all(printed.count(f"  {name} ") == 3 for name in TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_explains_its_settings(task, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([task, "train", "--help"])
    printed = capsys.readouterr().out
    assert "--out" in printed and "--seed" in printed


def test_it_is_a_module_and_a_script():
    done = subprocess.run([sys.executable, "-m", "rnnjax"], capture_output=True, text=True)
    assert done.returncode == 0 and "learn to write from a text" in done.stdout
