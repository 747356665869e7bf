"""The benchmarks' records, and that what their README shows comes from them."""

import ast
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import _harness
import _peers
import _program
import _targets
import numpy as np
import pytest
from _case import Case
from _harness import read, remaining, resumed, write
from _measure import HEAT, Measurement
from _scaling_plot import CEILING, draw
from _tables import READMES, filled

README = READMES[-1]
SCRIPTS = sorted(README.parent.glob("[a-z]*.py"))
TINY = Case("LSTM", 2, 3, 4, 5)


# Records


def measurement(case=TINY, what: Any = "training", family="rnnjax", **other) -> Measurement:
    fields: dict[str, Any] = {"minimum": 1.0, "quartile_1": 1.5, "median": 2.0, "quartile_3": 9.0}
    fields |= {"contestant": "cell", "repeats": 15, "compile_s": 0.5, "temp_bytes": 1_500_000}
    fields |= {"growth_bytes": None, "peak_bytes": None}
    return Measurement(**{"case": case, "what": what, "family": family, **fields, **other})


ABOUT = {
    "question": "Is it fast?",
    "scale": "full",
    "date": "2026-01-01",
    "commit": "0123456789abcdef",
    "dirty": False,
    "device": "cpu",
    "cpu": "a processor",
    "cores": 2,
    "versions": {"jax": "0.12"},
    "missing": ["PyTorch"],
}


def test_a_record_is_read_as_it_was_written(tmp_path):
    measurements = [measurement(), measurement(replace(TINY, members=3), compile_s=None)]
    write(tmp_path / "record.json", ABOUT, measurements)
    assert read(json.loads((tmp_path / "record.json").read_text())) == measurements


def test_an_interrupted_run_is_resumed(tmp_path):
    out, next_case = tmp_path / "record.json", replace(TINY, batch=9)
    assert resumed(out, ABOUT) == []
    write(out, ABOUT, [measurement()])
    assert resumed(out, ABOUT | {"date": "2026-01-02"}) == [measurement()]
    assert remaining([TINY, next_case], resumed(out, ABOUT)) == [next_case]


@pytest.mark.parametrize(
    "change", [{"commit": "another"}, {"versions": {"jax": "0.13"}}, {"dirty": True}, {"cpu": "b"}]
)
def test_a_run_of_another_program_is_not_resumed(tmp_path, change):
    out = tmp_path / "record.json"
    write(out, ABOUT, [measurement()])
    assert resumed(out, ABOUT | change) == []
    write(out, ABOUT | change, [measurement()])
    assert resumed(out, ABOUT) == []


def test_a_record_names_the_last_change_of_what_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(_program, "ROOT", tmp_path)
    assert _program.program(())["commit"] is None

    def commit(name):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
        author = ("-c", "user.name=A", "-c", "user.email=a@b.c")
        for command in (("add", "."), (*author, "commit", "-m", name)):
            assert _program.output("git", *command) is not None
        return _program.output("git", "rev-parse", "HEAD")

    _program.output("git", "init")
    measured = commit("rnnjax/a.py")
    assert commit("README.md") != measured
    for name, dirty in (
        ("tests/a.py", False),
        ("benchmarks/README.md", False),
        ("benchmarks/results/a.json", False),
        ("benchmarks/a.py", True),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("changed")
        about = _program.program(("numpy",))
        assert (about["commit"], about["dirty"]) == (measured, dirty)
    assert about["versions"]["numpy"] == np.__version__


def test_everybody_may_be_kept_on_one_core(monkeypatch):
    pinned = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 1}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda *given: pinned.append(given), raising=False)
    monkeypatch.setattr(sys, "argv", ["cells.py", "--one-core"])
    assert _harness._options("Is it fast?").one_core and pinned == [(0, {1})]
    assert _harness._place("cells.py", "full", one_core=True).name == "cells.full.one_core.cpu.json"
    assert _program.cores() == 2


# Tables


def table(folder: Path, name: str) -> str:
    return filled(f"<!-- table: {name} -->\nold\n<!-- end -->", folder)


def test_a_record_becomes_a_table(tmp_path):
    rivals = [("Flax Linen", 5.0), ("Flax NNX", 4.0), ("lax.scan", 3.0)]
    others = [measurement(family=family, median=median) for family, median in rivals]
    write(tmp_path / "cells.cpu.json", ABOUT, [measurement(), *others])
    medians, details = table(tmp_path, "cells.cpu"), table(tmp_path, "cells.cpu.details")
    assert "| case | ms of | rnnjax | Flax | lax.scan | best other ÷ ours |\n" in medians
    assert "| LSTM B=2 T=3 I=4 H=5 | training | 2 | 4 | 3 | 1.50 |\n" in medians
    assert "| Flax Linen cell | 5 | 1.5 … 9 | 1 | 15 | 0.50 | 1.5 | — | — |\n" in details
    assert "Missing, since not installed: PyTorch." in medians


def test_a_whole_grid_becomes_a_table_of_speeds(tmp_path):
    record = []
    for steps in (128, 32):
        for case in (replace(TINY, steps=steps), replace(TINY, steps=steps, hidden=9)):
            record += [measurement(case), measurement(case, family="Haiku", median=steps)]
    record.append(measurement(case, family="PyTorch", median=1.0))
    write(tmp_path / "cells.full.cpu.json", ABOUT, record)
    found = table(tmp_path, "cells.full.cpu")
    assert "in JAX / over PyTorch.\n\n| cell | what | T | B | H=5 | H=9 |\n" in found
    assert "| LSTM | training | 32 | 2 | 16.00 / — | 16.00 / 0.50 |\n" in found
    assert found.index("| 32 | 2 |") < found.index("| 128 | 2 |")
    assert "| 128 | 2 | 64.00 / — | 64.00 / — |\n" in found


def test_what_is_divided_is_compared_with_what_is_and_with_pytorch(tmp_path):
    times = {"rnnjax": 8.0, "Flax NNX": 1.0, "PyTorch": 6.0}
    times |= {"rnnjax" + _peers.EVERY_CORE: 4.0, "Flax Linen" + _peers.EVERY_CORE: 5.0}
    record = [measurement(family=family, median=median) for family, median in times.items()]
    write(tmp_path / "cores.cpu.json", ABOUT, record)
    medians = table(tmp_path, "cores.cpu")
    divided = f"rnnjax{_peers.EVERY_CORE} | Flax{_peers.EVERY_CORE}"
    assert f"| rnnjax | PyTorch | Flax | {divided} | best other ÷ ours |\n" in medians
    assert "| training | 8 | 6 | 1 | 4 | 5 | 1.25 |\n" in medians


def test_targets_are_met_or_missed_by_the_records(tmp_path):
    case = _targets.SIZES[0]
    record = [
        measurement(case, temp_bytes=100_000_000),
        measurement(case, family="PyTorch", median=2.5),
        measurement(case, family="Flax NNX", median=2.4),
        measurement(case, family="Flax Linen", median=3.0),
    ]
    write(tmp_path / "cells.cpu.json", ABOUT, record)
    found = table(tmp_path, "targets.cpu")
    assert f"| training, {case}: speed over PyTorch | ≥ 1 | 1.25 | met |\n" in found
    assert (
        f"| training, {case}: speed over the best Flax cell | ≥ 1.3 | 1.20 | **missed** |" in found
    )
    assert f"| forward, {case}: speed over PyTorch | ≥ 0.9 | — | not measured |" in found
    assert "at its worst | ≥ 1 | 1.20 | met |\n" in found
    assert "pre-activations and carries | ≤ 1.3 | 7.95 | **missed** |\n" in found


def test_who_did_not_run_on_does_not_count():
    lucky = measurement(family="Flax Linen", median=1.0, repeats=HEAT)
    found = [lucky, measurement(family="Flax Linen", median=3.0)]
    assert _targets.best(found, TINY, "training", _targets.FLAX) == 3.0


def test_every_target_is_of_a_case_that_is_measured():
    import cells
    import cores
    import ensembles
    import long_sequences
    import stacks
    import streaming

    def records(name):
        scripts = (cells, cores, ensembles, long_sequences, stacks, streaming)
        script = {script.__name__: script for script in scripts}
        families = (
            "rnnjax",
            "rnnjax" + _peers.EVERY_CORE,
            "rnnjax, checkpoint='sqrt'",
            _peers.ONE_DIRECTION,
            "PyTorch",
            "Flax NNX",
        )
        module = script.get(name.removesuffix(".jax010"))
        cases = module.cases("headline") if module else ()
        return [
            measurement(case, what, family, peak_bytes=1)
            for case in cases
            for what in ("forward", "training", "step")
            for family in families
        ]

    assert [text for text, _, number, _ in _targets.rows(records) if number == "—"] == []


def test_the_tables_are_those_of_the_records():
    for readme in READMES:
        assert readme.read_text() == filled(readme.read_text()), "run benchmarks/_tables.py"


def test_a_table_without_a_record_is_empty():
    for name in ("nothing.cpu", "targets.cpu"):
        block = f"<!-- table: {name} -->\nold\n<!-- end -->"
        assert filled(block, Path("nowhere")) == f"<!-- table: {name} -->\n<!-- end -->"


def test_the_plot_is_drawn(tmp_path):
    cases = [TINY, *(replace(TINY, **{field: 16}) for field in ("steps", "batch", "hidden"))]
    draw([measurement(c, family=f) for c in cases for f in ("rnnjax", CEILING)], tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_readme_tells_what_a_script_asks(script):
    question = (ast.get_docstring(ast.parse(script.read_text())) or "").splitlines()[0]
    assert f"| `{script.name}` | {question} |" in README.read_text()
    assert f"<!-- table: {script.stem}." in README.read_text()
