"""The benchmarks' records, and the tables of the READMEs that come from them."""

import ast
import os
import sys
from dataclasses import replace
from pathlib import Path

import _harness
import _record
import cells
import gpu
import numpy as np
import pytest
from _case import Case
from _harness import remaining
from _record import RESULTS, Measurement, append, measured, read, resumed, start
from _tables import READMES, best, filled
from cores import EVERY_CORE
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


def test_all_may_be_kept_on_one_core(monkeypatch):
    pinned = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 1}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda *given: pinned.append(given), raising=False)
    monkeypatch.setattr(sys, "argv", ["cells.py", "--one-core"])
    assert _harness._options("Is it fast?").one_core and pinned == [(0, {1})]
    name = _harness._place("cells.py", "full", one_core=True).name
    assert name == "cells.full.one_core.cpu.jsonl"


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


def test_a_record_becomes_a_table_and_its_variants_columns(tmp_path):
    rivals = {"Flax Linen": 5.0, "Flax NNX": 4.0, "lax.scan": 3.0}
    others = [measurement(family=family, median=median) for family, median in rivals.items()]
    record(tmp_path / "cells.cpu.jsonl", [measurement(), *others])
    record(tmp_path / "cells.one_core.cpu.jsonl", [measurement(), *others[:2]])
    found = table(tmp_path, "cells.cpu")
    ratio = "best other ÷ ours"
    assert f"| what | rnnjax | Flax | lax.scan | {ratio} | {ratio}, one core |\n" in found
    assert "| LSTM B=2 T=3 I=4 H=5 | training, ms | 2 | 4 | 3 | 1.50 | 2.00 |\n" in found
    assert "15 repeats. Not installed: PyTorch." in found


def test_a_record_without_ours_has_multiples_of_the_first_column(tmp_path):
    record(tmp_path / "a.cpu.jsonl", [measurement(family="1"), measurement(family="2", median=3.0)])
    assert "| training, ms | 2 (1.00) | 3 (1.50) |\n" in table(tmp_path, "a.cpu")


def test_a_table_has_the_numbers_that_a_question_is_about(tmp_path):
    record(tmp_path / "precision.cpu.jsonl", [measurement(family="float32", error=1.5e-7)])
    found = table(tmp_path, "precision.cpu")
    assert "| training, ms | 2 (1.00) |\n" in found and "| training, error | 1.5e-07 |\n" in found


def test_a_whole_grid_becomes_a_summary(tmp_path):
    cases = [replace(TINY, batch=batch, hidden=h) for batch in (1, 8) for h in (5, 6)]
    found = [measurement(case) for case in cases]
    times = (1.0, 2.0, 6.0, 8.0)
    found += [measurement(c, family="Haiku", median=t) for c, t in zip(cases, times, strict=True)]
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


def test_divided_programs_are_compared_with_such_and_with_pytorch(tmp_path):
    times = {"rnnjax": 8.0, "Flax NNX": 1.0, "PyTorch": 6.0}
    times |= {"rnnjax" + EVERY_CORE: 4.0, "Flax Linen" + EVERY_CORE: 5.0}
    found = [measurement(family=family, median=median) for family, median in times.items()]
    record(tmp_path / "cores.cpu.jsonl", found)
    assert "| training, ms | 8 | 6 | 1 | 4 | 5 | 1.25 |\n" in table(tmp_path, "cores.cpu")


def test_runs_become_means_over_seeds(tmp_path):
    start(tmp_path / "a.cpu.jsonl", ABOUT)
    with (tmp_path / "a.cpu.jsonl").open("a") as file:
        file.write('{"cell": "GRU", "seed": 0, "test": 1.0, "parameters": 12993, "history": []}\n')
        file.write('{"cell": "GRU", "seed": 1, "test": 3.0, "parameters": 12993}\n')
        file.write('{"cell": "GRU", "source": "a paper", "test": 2.5}\n')
    found = table(tmp_path, "a.cpu")
    assert "| cell | source | seeds | test, nats per frame | parameters |\n" in found
    assert "| GRU | ours | 2 | 2 ± 1.4 | 12,993 |\n| GRU | a paper | — | 2.5 | — |\n" in found


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


def test_every_recorded_headline_is_a_case_of_its_script():
    recorded = {m.case for m in measured(read(RESULTS / "cells.cpu.jsonl")[1])}
    assert recorded == set(cells.cases("headline"))


def test_a_machine_without_a_gpu_measures_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path / "record.jsonl")])
    _harness.main("gpu.py", gpu.__doc__, gpu.cases, gpu.measure, gpu=True)
    assert capsys.readouterr().out.strip() == _harness.NO_GPU
    assert list(tmp_path.iterdir()) == []
