"""The benchmarks' records, and the tables of the READMEs that come from them."""

import ast
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import _grid
import _harness
import _peers
import _record
import applications
import cells
import gpu
import numpy as np
import pytest
from _case import Case
from _harness import remaining
from _record import RESULTS, Measurement, append, append_rows, measured, read, resumed, start
from _tables import READMES, best, filled
from scaling import CEILING, draw

README = READMES[-1]
SCRIPTS = sorted(README.parent.glob("[a-z]*.py"))
TINY = Case("LSTM", 2, 3, 4, 5)
ABOUT = {
    "question": "Is it fast?",
    "scale": "full",
    "date": "2026-01-01",
    "commit": "0123456789",
    "dirty": False,
    "device": "cpu",
    "cpu": "a processor",
    "cores": 2,
    "versions": {"jax": "0.12"},
    "missing": ["PyTorch"],
}


def measurement(case=TINY, what="training", family="rnnjax", median=2.0, **other) -> Measurement:
    times = {"repeats": 15, "median": median, "quartile_1": 1.5, "quartile_3": 9.0}
    return Measurement(case, what, family, "cell", **{**times, **other})


def record(out: Path, measurements, about=ABOUT) -> None:
    start(out, about)
    append(out, measurements)


# Records


def test_a_record_has_a_line_for_each_measurement_and_is_read_as_written(tmp_path):
    out = tmp_path / "folder" / "record.jsonl"
    written = [measurement(), measurement(replace(TINY, members=3), failed="no", error=1e-7)]
    record(out, written)
    assert len(out.read_text().splitlines()) == 3
    about, rows = read(out)
    assert about == ABOUT and measured(rows) == written
    assert rows[0]["case"] == {"cell": "LSTM", "batch": 2, "steps": 3, "inputs": 4, "hidden": 5}
    assert "compile_s" not in rows[0]


def test_an_interrupted_run_is_resumed(tmp_path):
    out, other = tmp_path / "record.jsonl", replace(TINY, batch=9)
    assert resumed(out, ABOUT) == []
    record(out, [measurement()])
    assert resumed(out, ABOUT | {"date": "2026-01-02"}) == [measurement()]
    assert remaining([TINY, other], resumed(out, ABOUT)) == [other]


@pytest.mark.parametrize(
    "change", [{"commit": "another"}, {"versions": {"jax": "0.13"}}, {"dirty": True}, {"cpu": "b"}]
)
def test_a_run_of_another_program_is_not_resumed(tmp_path, change):
    out = tmp_path / "record.jsonl"
    record(out, [measurement()])
    assert resumed(out, ABOUT | change) == []
    record(out, [measurement()], ABOUT | change)
    assert resumed(out, ABOUT) == []


def test_a_record_names_the_last_change_of_the_measured_code(tmp_path, monkeypatch):
    monkeypatch.setattr(_record, "ROOT", tmp_path)
    assert _record.about()["commit"] is None

    def commit(name):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
        author = ("-c", "user.name=A", "-c", "user.email=a@b.c")
        for command in (("add", "."), (*author, "commit", "-m", name)):
            assert _record.output("git", *command) is not None
        return (_record.output("git", "rev-parse", "HEAD") or "")[:10]

    _record.output("git", "init")
    wanted = commit("rnnjax/a.py")
    assert commit("README.md") != wanted
    for name, dirty in (
        ("tests/a.py", False),
        ("benchmarks/README.md", False),
        ("benchmarks/results/a.jsonl", False),
        ("benchmarks/a.py", True),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("changed")
        about = _record.about()
        assert (about["commit"], about["dirty"]) == (wanted, dirty)
    assert about["versions"]["numpy"] == np.__version__


def test_records_are_small():
    records = sorted(RESULTS.glob("*.jsonl"))
    assert records and sorted(RESULTS.glob("*.json")) == []
    lines = [line for path in records for line in path.read_text().splitlines()]
    assert len(lines) < 10_000 and sum(map(len, lines)) < 1_000_000


def test_a_run_writes_after_every_case_and_takes_up_where_it_ended(tmp_path, monkeypatch):
    out, done, cases = tmp_path / "a.jsonl", [], [TINY, replace(TINY, batch=9)]
    monkeypatch.setattr(_record, "about", lambda _: {k: ABOUT[k] for k in ABOUT if k != "scale"})
    monkeypatch.setattr(_harness._torch, "find", lambda _: None)

    def measure(case, run):
        done.append(case)
        if len(done) == 2:
            raise KeyboardInterrupt
        return [measurement(case)]

    monkeypatch.setattr(sys, "argv", ["a.py", "--out", str(out), "--resume"])
    with pytest.raises(KeyboardInterrupt):
        _harness.main("a.py", "Is it fast?", lambda _: cases, measure)
    assert [row["case"]["batch"] for row in read(out)[1]] == [2]
    _harness.main("a.py", "Is it fast?", lambda _: cases, measure)
    assert done == [*cases, cases[1]]
    assert [row["case"]["batch"] for row in read(out)[1]] == [2, 9]


# Tables


def table(folder: Path, name: str) -> str:
    return filled(f"<!-- table: {name} -->\nold\n<!-- end -->", folder)


def test_a_record_becomes_a_table(tmp_path):
    rivals = {"Flax Linen": 5.0, "Flax NNX": 4.0, "lax.scan": 3.0}
    others = [measurement(family=family, median=median) for family, median in rivals.items()]
    record(tmp_path / "cells.cpu.jsonl", [measurement(), *others])
    found = table(tmp_path, "cells.cpu")
    assert "| what | rnnjax | Flax | lax.scan | best other ÷ ours |\n" in found
    assert "| LSTM B=2 T=3 I=4 H=5 | training, ms | 2 | 4 | 3 | 1.50 |\n" in found
    assert "15 repeats. Not installed: PyTorch." in found


def test_a_record_without_ours_has_multiples_of_the_first_column(tmp_path):
    record(tmp_path / "a.cpu.jsonl", [measurement(family="1"), measurement(family="2", median=3.0)])
    assert "| training, ms | 2 (1.00) | 3 (1.50) |\n" in table(tmp_path, "a.cpu")


def test_two_of_ours_have_a_ratio_of_their_own(tmp_path):
    found = [measurement(family="XLA's loop", median=3.0), measurement(family="native loop")]
    record(tmp_path / "any_cell.cpu.jsonl", found)
    lines = table(tmp_path, "any_cell.cpu")
    assert "| XLA's loop | native loop | XLA's loop ÷ native loop |\n" in lines
    assert "| training, ms | 3 | 2 | 1.50 |\n" in lines


def test_the_repeats_below_a_table_are_of_contestants_that_ran_on(tmp_path):
    out, other = tmp_path / "a.cpu.jsonl", measurement(replace(TINY, batch=9), repeats=5)
    record(out, [measurement(), measurement(family="2", repeats=3)])
    assert ", 15 repeats." in table(tmp_path, "a.cpu")
    record(out, [measurement(), measurement(family="2", repeats=3), other])
    assert ", 5 to 15 repeats." in table(tmp_path, "a.cpu")


def test_a_table_has_the_numbers_that_a_question_is_about(tmp_path):
    record(tmp_path / "precision.cpu.jsonl", [measurement(family="float32", error=1.5e-7)])
    found = table(tmp_path, "precision.cpu")
    assert "| training, ms | 2 (1.00) |\n" in found and "| training, error | 1.5e-07 |\n" in found


def test_a_whole_grid_becomes_a_summary(tmp_path):
    cases = [replace(TINY, batch=batch, hidden=h) for batch in (1, 8) for h in (5, 6)]
    found = [measurement(case) for case in cases]
    times = (1.0, 2.0, 6.0, 8.0)
    found += [
        measurement(c, family=_peers.BEST, median=t) for c, t in zip(cases, times, strict=True)
    ]
    found += [measurement(cases[0], family="PyTorch", median=1.0)]
    record(tmp_path / "cells.full.cpu.jsonl", found)
    lines = table(tmp_path, "cells.full.cpu")
    numbers = "3 of 4 | 0.50 … 2.00 … 4.00 | 0.75 | 3.50 |"
    assert f"| training | best other JAX library | {numbers}\n" in lines
    assert "| training | PyTorch | 0 of 1 | 0.50 … 0.50 … 0.50 | 0.50 | — |\n" in lines


def test_the_small_table_has_one_direction(tmp_path):
    found = [
        measurement(what=what, family=family, median=median)
        for what in ("forward", "training")
        for family, median in (("rnnjax", 2.0), ("PyTorch", 1.0), ("Keras", 3.0), ("Haiku", 4.0))
    ]
    record(tmp_path / "cells.cpu.jsonl", found)
    assert "| LSTM B=2 T=3 I=4 H=5 | 0.50 | 1.50 | 0.50 | 1.50 |\n" in table(tmp_path, "speed.cpu")


def test_runs_become_means_over_seeds(tmp_path):
    start(tmp_path / "a.cpu.jsonl", ABOUT)
    with (tmp_path / "a.cpu.jsonl").open("a") as file:
        file.write('{"cell": "GRU", "seed": 0, "test": 1.0, "parameters": 12993, "history": []}\n')
        file.write('{"cell": "GRU", "seed": 1, "test": 3.0, "parameters": 12993}\n')
        file.write('{"cell": "GRU", "source": "a paper", "test": 2.5}\n')
    found = table(tmp_path, "a.cpu")
    assert "| cell | source | seeds | test, nats per frame | parameters |\n" in found
    assert "| GRU | ours | 2 | 2 ± 1.4 | 12,993 |\n| GRU | a paper | — | 2.5 | — |\n" in found


def test_a_run_of_an_application_replaces_its_own_lines(tmp_path):
    run = {"application": "tagging", "data": "made", "options": "--steps 2", "measure": "F1"}
    first = [run | {"source": "most frequent", "value": 0.5}]
    first += [run | {"seed": seed, "value": 0.8 + 0.1 * seed} for seed in range(2)]
    other = [line | {"data": "own"} for line in first]
    again = [run | {"seed": 0, "value": 0.95, "minutes": 3.0}]
    assert applications.merged(first + other, again) == other + again
    start(tmp_path / "a.cpu.jsonl", ABOUT)
    append_rows(tmp_path / "a.cpu.jsonl", first + other)
    found = table(tmp_path, "a.cpu")
    assert "| application | data | measure | source | seeds | value |\n" in found
    assert "| tagging | made | F1 | most frequent | — | 0.5 |\n" in found
    assert "| tagging | own | F1 | ours | 2 | 0.85 ± 0.071 |\n" in found


def test_words_of_its_command_choose_a_run():
    run = applications.Standard("text", "own", "--context 9 --steps 2", seeds=1, minutes=6)
    chosen = (["text"], ["own"], ["speech", "context 9"])
    assert all(applications.wanted(run, words) for words in chosen)
    others = (["ext"], ["steps 20"], [])
    assert not any(applications.wanted(run, words) for words in others)
    assert applications.wanted(run._replace(minutes=5), [])


def test_a_contestant_that_did_not_run_on_does_not_count():
    lucky = measurement(family="Flax Linen", median=1.0, repeats=3)
    found = [lucky, measurement(family="Flax Linen", median=3.0), measurement(failed="no")]
    assert best(found, TINY, "training", ("Flax Linen", "Flax NNX")).median == 3.0


def test_the_tables_are_those_of_the_records():
    for readme in READMES:
        assert readme.read_text() == filled(readme.read_text()), "run benchmarks/_tables.py"


def test_a_table_without_a_record_is_empty():
    block = "<!-- table: nothing.cpu -->\nold\n<!-- end -->"
    assert filled(block, Path("nowhere")) == "<!-- table: nothing.cpu -->\n<!-- end -->"


def test_the_plot_is_drawn(tmp_path):
    cases = [TINY, *(replace(TINY, **{field: 16}) for field in ("steps", "batch", "hidden"))]
    found = [measurement(c, family=f) for c in cases for f in ("rnnjax", CEILING)]
    draw(found, tmp_path / "a.jsonl")
    assert (tmp_path / "a.png").stat().st_size > 10_000


# Scripts


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_readme_has_the_question_and_the_table_of_a_script(script):
    question = (ast.get_docstring(ast.parse(script.read_text())) or "").splitlines()[0]
    assert f"| `{script.name}` | {question} |" in README.read_text()
    assert f"<!-- table: {script.stem}." in README.read_text()


@pytest.mark.parametrize(("name", "scale"), [("cells", "headline"), ("cells.full", "full")])
def test_every_recorded_size_is_a_case_of_its_script(name, scale):
    recorded = {m.case for m in measured(read(RESULTS / f"{name}.cpu.jsonl")[1])}
    assert recorded == set(cells.cases(scale))


# The grid


def test_the_grid_has_96_sizes_and_no_other_case_and_the_cheap_ones_come_first():
    grid = list(cells.cases("full"))
    assert len(grid) == len(set(grid)) == 96
    assert all(case.inputs == case.hidden for case in grid)
    assert grid[0] == Case("Elman", 1, 32, 64, 64)
    assert grid[-1] == Case("LSTM", 128, 128, 512, 512)


def test_in_the_grid_the_other_libraries_in_jax_are_one(monkeypatch):
    one = _peers.contestants(TINY, "lax.scan")[0]
    given = [replace(one, family=family) for family in ("rnnjax", "Haiku", "PyTorch")]
    for name in ("LSTMCell, unroll=1", "OptimizedLSTMCell, unroll=1"):
        given += [replace(one, family=f, peer=replace(one.peer, name=name)) for f in _peers.FLAX]
    seen = []

    def compare(case, contestants, whats, *, repeats):
        seen.append((contestants, repeats))
        runs = zip(contestants, (repeats, 3, repeats, 3, 3, repeats), strict=True)
        return [Measurement(case, whats[0], c.family, c.name, repeats=n) for c, n in runs]

    monkeypatch.setattr(cells, "compare", compare)
    run: Any = SimpleNamespace(scale="full", repeats=15, contestants=lambda *_: given)
    forward, training = np.split(np.array(cells.measure(TINY, run), object), 2)
    assert [row[2] for row in forward] == ["rnnjax", "PyTorch", _peers.BEST]
    assert forward[-1][3] == "Flax NNX OptimizedLSTMCell, unroll=1"
    assert {row[1] for row in training} == {"training"}
    families = [c.family for c in seen[0][0]]
    assert families == ["rnnjax", _peers.BEST, "PyTorch", *[_peers.BEST] * 3]


@pytest.mark.parametrize(
    ("hidden", "most", "repeats"),
    [(64, 15, [15, 15]), (512, 15, [5, 5]), (256, 15, [14, 5]), (64, 2, [2, 2])],
)
def test_long_calls_are_repeated_less(monkeypatch, hidden, most, repeats):
    seen = []
    monkeypatch.setattr(cells, "compare", lambda *_, repeats: seen.append(repeats) or [])
    run: Any = SimpleNamespace(scale="full", repeats=most, contestants=lambda *_: [])
    cells.measure(Case("LSTM", 128, 512, hidden, hidden), run)
    assert seen == repeats


def test_the_figure_has_every_size_at_its_place():
    found = []
    for number, case in enumerate(cells.cases("full")):
        for what, most in (("forward", 3.0), ("training", 0.5)):
            found.append(measurement(case, what, median=1.0))
            found.append(measurement(case, what, "PyTorch", median=most))
            found.append(measurement(case, what, _peers.BEST, median=1.0 + number))
    panels = _grid.figure(found).axes[:4]
    assert "forward, against PyTorch:\nours at least as fast at 96 of 96" in panels[0].get_title()
    assert "training, against PyTorch:\nours at least as fast at 0 of 96" in panels[2].get_title()
    images = [np.asarray(panel.images[0].get_array()) for panel in panels]
    assert [image.shape for image in images] == [(12, 8)] * 4
    assert (images[0] == 3.0).all() and (images[2] == 0.5).all()
    # Rows are cell and batch, columns steps and units.
    number = list(cells.cases("full")).index(Case("GRU", 32, 128, 128, 128))
    assert images[1][4 + 2, 4 + 1] == images[3][4 + 2, 4 + 1] == 1.0 + number
    assert sorted(images[1].flat) == list(range(1, 97))


def test_only_a_whole_grid_is_drawn(tmp_path):
    found = [measurement(case, family=f) for case in cells.cases("full") for f in ("rnnjax", "Q")]
    cells.finish(found[:-2], tmp_path / "cells.full.cpu.jsonl")
    assert list(tmp_path.iterdir()) == []
    cells.finish(found, tmp_path / "cells.full.cpu.jsonl")
    assert (tmp_path / "cells.full.cpu.png").stat().st_size > 10_000


# Machines


def test_a_machine_without_a_gpu_measures_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path / "record.jsonl")])
    _harness.main("gpu.py", gpu.__doc__, gpu.cases, gpu.measure, gpu=True)
    assert capsys.readouterr().out.strip() == _harness.NO_GPU
    assert list(tmp_path.iterdir()) == []
