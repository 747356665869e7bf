"""The guide to the cells: what is compared, how, and that the text follows from the record."""

import json
import os
import sys
from itertools import combinations
from math import comb
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import choosing
import numpy as np
import pytest
from _choosing import jobs, tables
from _choosing.analysis import MEMORY, PAIRS_OF_CHANCE, SUBJECTS, Comparison, wins
from _choosing.figure import figure
from _choosing.findings import findings
from _choosing.guide import guide
from _choosing.jobs import Job
from _choosing.networks import CELLS
from _choosing.rule import cheaper, exceptions, first, rule, to_keep
from _choosing.tasks import ADDING, LENGTHS, OTHERS, TASKS
from _record import read
from _tables import GUIDE, filled

ABOUT = {"scale": 0.9, "commit": "0123456789", "dirty": False}
COMMON = {"rate": 0.01, "units": 20, "parameters": 8000, "updates": 600, "seconds": 70.0}


def record(strength: dict[str, float], reach: dict[str, int], cost: dict[str, float]) -> list[dict]:
    """The rows of some cells: strength is better, reach a length, cost the time of an update."""
    rows = []
    for cell in strength:
        for task, about in TASKS.items():
            good = 1e-4 if about.length <= reach[cell] else 0.1
            value = good if about.length else (1 if about.higher else -1) * strength[cell] + 50
            common = {"cell": cell, "task": task, "ms": 10 * cost[cell], **COMMON}
            rows += [common | {"seed": s, "value": value * (1 + s / 1e4)} for s in range(5)]
    rows += [
        {"cell": "nothing", "source": "trivial", "task": task, "value": 50.5} for task in OTHERS
    ]
    return rows


def made(gru: float = 3, lru: int = 400, elman: float = 1.0) -> list[dict]:
    strength = {"Elman": 1.0, "LSTM": 2.0, "GRU": gru, "LRU": 1.5}
    reach = {"Elman": 25, "LSTM": 100, "GRU": 200, "LRU": lru}
    return record(strength, reach, {"Elman": elman, "LSTM": 2.0, "GRU": 1.6, "LRU": 3.0})


def changed(rows: list[dict], cell: str, task: str, **new) -> list[dict]:
    return [row | new if (row["cell"], row["task"]) == (cell, task) else row for row in rows]


# Statistics


def test_a_cell_that_wins_four_pairs_or_fewer_is_behind_by_chance_in_5_percent():
    most = PAIRS_OF_CHANCE * 25
    assert most == 4
    counts = [
        sum(a < b for a in mine for b in set(range(10)) - set(mine))
        for mine in combinations(range(10), 5)
    ]
    assert len(counts) == comb(10, 5)
    below = [np.mean(np.array(counts) <= limit) for limit in (4, 5)]
    assert below[0] <= 0.05 < below[1]


def test_equal_pairs_count_half_and_a_failure_loses():
    assert wins((1.0, 2.0), (2.0, 3.0)) == 3.5
    assert wins((np.inf, np.inf), (1.0, 2.0)) == 0
    assert wins((1.0,), (np.inf,)) == 1


def test_the_best_has_the_best_median_and_only_who_wins_pairs_is_level_with_it():
    rows = made()
    found = Comparison(rows)
    assert found.ranking("characters") == ["GRU", "LSTM", "LRU", "Elman"]
    assert all(found.levels[task] == ["GRU"] for task in OTHERS)
    assert found.levels[MEMORY] == ["LRU"]
    assert found.score == {"Elman": 0, "LSTM": 0, "GRU": 5, "LRU": 1}
    near = [47.0 + 0.01 * s for s in range(5)]  # as many lower as higher ones
    for seed, value in enumerate(near):
        rows = [
            row | {"value": value}
            if (row["cell"], row["task"], row.get("seed")) == ("LSTM", "chorales", seed)
            else row
            for row in rows
        ]
    assert Comparison(rows).levels["chorales"] == ["GRU", "LSTM"]


def test_a_higher_accuracy_is_better():
    found = Comparison(made())
    assert found.ranking("digits")[0] == found.ranking("characters")[0] == "GRU"
    assert found.shown("digits", found.results["GRU", "digits"].median) > 50
    assert found.baseline("digits") == ("nothing", 50.5)


def test_a_cell_reaches_a_length_if_it_learns_all_up_to_it():
    found = Comparison(made())
    assert found.reach == {"Elman": 25, "LSTM": 100, "GRU": 200, "LRU": 400}
    gap = changed(made(), "LRU", "adding-50", value=0.1)
    assert Comparison(gap).reach["LRU"] == 25 and Comparison(gap).climbed("LRU")[-1] == "adding-50"
    short = [row for row in gap if (row["cell"], row["task"]) != ("LRU", "adding-100")]
    assert not Comparison(short).missing  # a longer problem than the first that is not learnt
    short = [row for row in gap if (row["cell"], row["task"]) != ("LRU", "adding-50")]
    assert Comparison(short).missing == [("LRU", "adding-50")]
    failed = [
        {k: v for k, v in row.items() if k != "value"} | {"failed": "diverged"}
        if (row["cell"], row["task"]) == ("LRU", "adding-25")
        else row
        for row in made()
    ]
    assert Comparison(failed).reach["LRU"] == 0


def test_the_cost_is_the_geometric_mean_over_tasks():
    rows = changed(made(), "LSTM", "digits", ms=200.0)
    ratio = (2 ** (len(TASKS) - 1) * 20) ** (1 / len(TASKS))
    np.testing.assert_allclose(Comparison(rows).cost["LSTM"], ratio)


# Text


def text(rows: list[dict]) -> str:
    return "\n".join(guide(rows, ABOUT, "A machine."))


def test_the_rule_names_the_first_choice_its_exceptions_and_the_cheap_one():
    found = Comparison(made())
    assert first(found) == "GRU" and exceptions(found) == {"LRU": [MEMORY]}
    lines = "\n".join(rule(found))
    assert "**Start with `GRU`.** It is level with the best in 5 of 6 subjects" in lines
    assert "`LRU` for long memory" in lines and "agrees with these numbers" in lines
    assert "the most here, only `LRU` remembers" in lines
    assert "Time is no reason for another cell" in lines and cheaper(found) is None
    assert to_keep(found) == "Start with `GRU`; take `LRU` for long memory."


def test_numbers_that_contradict_the_usual_advice_say_so():
    strength = {"Elman": 9.0, "LSTM": 2.0, "GRU": 1.0, "IndRNN": 3.0}
    cost = {"Elman": 1.0, "LSTM": 2.0, "GRU": 2.0, "IndRNN": 0.5}
    reach = dict.fromkeys(strength, 100)
    found = Comparison(record(strength, reach, cost))
    lines = "\n".join([*rule(found), *findings(found)])
    assert first(found) == "Elman" and "does not agree with these numbers" in lines
    assert "**No subject here needs another cell.**" in lines
    assert "every cell here remembers" in lines and "Gates do not decide it" in lines
    assert cheaper(found) == "IndRNN" and "0.50 of the time of `Elman`" in lines


def test_no_first_choice_is_said_to_be_safe_where_none_is():
    rows = made()
    for cell, tasks in {"LSTM": ("characters", "tagging"), "Elman": ("digits",)}.items():
        for task in tasks:
            rows = changed(rows, cell, task, value=99.0 if TASKS[task].higher else 1.0)
    assert "**No cell is a safe first choice.** The widest, `LSTM`" in "\n".join(
        rule(Comparison(changed(rows, "GRU", "chorales", value=90.0)))
    )


def test_no_memory_at_all_is_said():
    cells = {"Elman": 1.0, "GRU": 2.0}
    lines = text(record(cells, dict.fromkeys(cells, 0), cells))
    assert "No cell learns the adding problem, not even at 25 steps" in lines
    assert "no cell learns to remember over 25 steps" in lines


def test_another_record_gives_another_text():
    rows = made()
    others = {
        "another best": made(gru=1.8),
        "another reach": made(lru=50),
        "another cost": made(elman=2.5),
        "another rate": [row | {"rate": 0.03} if "seed" in row else row for row in rows],
        "a failure": changed(rows, "GRU", "digits", value=None),
        "a gap": [r for r in rows if (r["cell"], r["task"]) != ("LRU", "digits")],
        "a better baseline": changed(rows, "nothing", "chorales", value=1.0),
    }
    others["a failure"] = [
        {k: v for k, v in row.items() if v is not None} for row in others["a failure"]
    ]
    texts = {text(rows), *map(text, others.values())}
    assert len(texts) == 1 + len(others)
    assert "5 of `GRU`" in text(others["a failure"])
    assert "Not measured: `LRU` on digits" in text(others["a gap"])
    assert "which no cell beats in this time" in text(others["a better baseline"])


def test_an_end_of_the_grid_that_wins_is_said():
    rows = [row | {"rate": 0.03} if "seed" in row else row for row in made()]
    assert "Most are at 0.03, an end of the grid" in text(rows)
    assert "an end of the grid" not in text(made())


def test_the_table_has_medians_spreads_and_the_level_in_bold():
    lines = tables.of_results(Comparison(made()))
    assert len(lines) == 2 + 4 + 1
    gru = next(line for line in lines if line.startswith("| `GRU`"))
    assert "| 20 | 16 (1.60) | 200 | **47.0 ± 0.009** |" in gru
    assert "**400**" in next(line for line in lines if line.startswith("| `LRU`"))
    adding = tables.of_adding(Comparison(made()))
    assert "| `Elman` | **0.000100 (5 of 5)** | 0.100 (0 of 5) |" in adding[2]


def test_the_figure_has_a_panel_for_each_task_and_a_dot_for_each_seed():
    found = Comparison(made())
    panels = figure(found).axes
    assert [panel.get_title() for panel in panels[1:6]] == [t.title for t in OTHERS.values()]
    dots = [line for line in panels[1].lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [5] * 4
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in panels[0].lines[:4]}
    np.testing.assert_allclose(lines["Elman"][[0, -1]], (1e-4, 0.1), rtol=1e-3)


def test_the_guide_is_written_from_a_record_of_every_cell_and_task():
    rows = read(choosing.RECORD)[1]
    seeds = {(row["cell"], row["task"], row["seed"]) for row in rows if "seed" in row}
    found = Comparison(rows)
    pairs = {(cell, task) for cell in CELLS for task in (*found.climbed(cell), *OTHERS)}
    wanted = {(*pair, seed) for pair in pairs - {*found.missing} for seed in range(5)}
    assert seeds >= wanted and len(found.missing) < len(CELLS)
    assert choosing.RECORD.with_suffix(".png").stat().st_size > 10_000
    written = GUIDE.read_text()
    assert written == filled(written) and to_keep(Comparison(rows)) in written


# The run


def test_the_plan_is_every_cell_on_every_task_or_what_is_wanted():
    every = choosing.plan()
    assert len(every) == len(CELLS) * len(TASKS) == len({*every})
    assert [job.seconds for job in choosing.plan(2.0)] == [2 * job.seconds for job in every]
    assert len(choosing.plan(only=("LSTM",))) == len(TASKS)
    assert len(choosing.plan(only=("LSTM,digits", "GRU,digits"))) == 2
    assert len(choosing.plan(only=("digits",))) == len(CELLS)
    per_step = {job.seconds / TASKS[job.task].length for job in every if job.task in ADDING}
    assert max(per_step) - min(per_step) < 1e-9 and {*LENGTHS} == {
        task.length for task in ADDING.values()
    }


CODE = """
import json, os, sys, time
cell, task, seconds, file = sys.argv[1:]
if cell == "stuck": time.sleep(60)
if cell == "broken": raise ValueError("no such cell")
row = {"cell": cell, "task": task, "seed": 0, "cores": sorted(os.sched_getaffinity(0))}
open(file, "w").write(json.dumps(row) + "\\n")
"""


@pytest.fixture
def scripted(monkeypatch):
    """Jobs whose processes only leave a line."""

    def command(self, folder):
        words = (self.cell, self.task, str(self.seconds), str(self.file(folder)))
        return [sys.executable, "-c", CODE, *words]

    monkeypatch.setattr(Job, "command", command)
    monkeypatch.setattr(jobs, "START", 0.0)
    monkeypatch.setattr(jobs, "PATIENCE", 1.0)


# Only the script needs this, and only Linux has it; CI is Linux.
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no process can choose its cores")
def test_each_process_has_a_core_and_a_failure_leaves_its_reason(scripted, tmp_path, capsys):
    cores = sorted(os.sched_getaffinity(0))
    wanted = [Job("a", "x", 30.0), Job("broken", "x", 20.0), Job("stuck", "x", 0.5)]
    jobs.run([*wanted, Job("long", "x", 1e6)], tmp_path, cores[:1], 60.0)
    assert sorted(os.sched_getaffinity(0)) == cores
    found = {row["cell"]: row for row in jobs.rows(tmp_path)}
    assert found["a"]["cores"] == cores[:1]
    assert found["broken"]["failed"] == "ValueError: no such cell"
    assert found["stuck"]["failed"].startswith("took more than")
    assert "long on x: no time left" in capsys.readouterr().out and "long" not in found
    assert [job.cell for job in jobs.remaining(wanted, tmp_path)] == ["broken", "stuck"]


def test_the_record_has_the_rows_in_the_order_of_the_tables(monkeypatch, tmp_path):
    from _choosing import training

    monkeypatch.setattr(training, "baselines", lambda task: [{"cell": "b", "task": task}])
    monkeypatch.setattr(choosing._record, "about", lambda: {"commit": "new", "dirty": True})
    folder, out = tmp_path / "jobs", tmp_path / "record.jsonl"
    folder.mkdir()
    (folder / "about.json").write_text(json.dumps({"commit": None, "dirty": None, "scale": 1.0}))
    for cell, task in (("GRU", "digits"), ("Elman", "digits"), ("GRU", "adding-50")):
        rows = [{"cell": cell, "task": task, "seed": seed} for seed in (1, 0)]
        Job(cell, task, 1.0).file(folder).write_text("\n".join(map(json.dumps, rows)) + "\n")
    choosing.collect(folder, out)
    about, rows = read(out)
    assert about == {"commit": "new", "dirty": True, "scale": 1.0}
    assert [(row["cell"], row["task"]) for row in rows[::2]] == [
        ("Elman", "digits"),
        ("GRU", "adding-50"),
        ("GRU", "digits"),
        ("b", "digits"),
    ]
    assert [row["seed"] for row in rows[:2]] == [0, 1]


def test_the_options_of_a_run_reach_the_jobs(monkeypatch, tmp_path):
    seen: list[Any] = []
    monkeypatch.setattr(jobs, "run", lambda *args: seen.extend(args))
    options = SimpleNamespace(
        folder=tmp_path, scale=0.5, only=["LSTM,digits"], resume=True, workers=1, deadline=9.0
    )
    choosing.run(options)  # pyright: ignore[reportArgumentType]
    (job,), folder, cores, deadline = seen[:4]
    assert job == Job("LSTM", "digits", 0.5 * TASKS["digits"].seconds)
    assert (Path(folder), len(cores)) == (tmp_path, 1) and 8 < deadline <= 9
    assert json.loads((tmp_path / "about.json").read_text())["scale"] == 0.5


def test_a_cell_meets_a_longer_problem_once_it_has_learnt_the_shorter(tmp_path):
    met = []
    for stage in choosing.stages(choosing.plan(only=("Elman", "GRU", "LRU")), tmp_path):
        met.append({(job.cell, job.task) for job in stage if job.task in ADDING})
        for row in made():
            if (row["cell"], row["task"]) in met[-1]:
                with Job(row["cell"], row["task"], 1.0).file(tmp_path).open("a") as file:
                    file.write(json.dumps(row) + "\n")
    reached = [("Elman", 25), ("GRU", 200), ("LRU", 400)]
    for place, length in enumerate(LENGTHS):
        shorter = LENGTHS[place - 1] if place else 0
        cells = [cell for cell, reach in reached if reach >= shorter]
        assert met[place] == {(cell, f"adding-{length}") for cell in cells}


def test_the_subjects_are_memory_and_every_other_task():
    assert [*SUBJECTS] == [MEMORY, *OTHERS]
