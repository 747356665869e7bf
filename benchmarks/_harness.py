"""Runs a script: its cases at the wanted scale, one after the other, and keeps the record.

A script says which cases it has and how to measure one, and ends in
`main(__file__, __doc__, cases, measure)`.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import _peers
import _torch
import jax
from _case import Case
from _measure import Contestant, Measurement
from _surroundings import surroundings
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).resolve().parent / "results"

Scale = Literal["smoke", "headline", "full"]

REPEATS: dict[Scale, int] = {"smoke": 2, "headline": 15, "full": 15}


class Run(NamedTuple):
    """What a measurement needs to know besides its case.

    Attributes:
        scale: "smoke" is tiny, "headline" takes minutes, "full" is the whole grid.
        repeats: number of timed calls of each contestant.
        worker: the process that has PyTorch, if there is one.
    """

    scale: Scale
    repeats: int
    worker: _torch.Worker | None

    def contestants(self, case: Case, *families: str) -> list[Contestant]:
        """All who can compute the case, ours first; only of these families, if any."""
        found: list[Contestant] = list(_peers.contestants(case, *families))
        if not families or _torch.FAMILY in families:
            found += _torch.contestants(case, self.worker)
        return found


def main(
    script: str,
    doc: str | None,
    cases: Callable[[Scale], Iterable[Case]],
    measure: Callable[[Case, Run], list[Measurement]],
    finish: Callable[[list[Measurement], Path], None] | None = None,
) -> None:
    """Measures all cases, prints a table of each, and writes the record.

    `script` is its `__file__`, and `doc` its `__doc__`, whose first line is the question.
    `finish` is given all measurements and the place of the record.
    """
    question = (doc or "").partition("\n")[0]
    options = _options(question)
    python = _torch.find(options.torch)
    worker = _torch.Worker(python) if python else None
    run = Run(options.scale, options.repeats or REPEATS[options.scale], worker)
    missing = [*_peers.missing(), *([] if worker else [_torch.FAMILY])]
    about = {"question": question, "scale": run.scale, **surroundings(worker), "missing": missing}
    out = options.out or _place(script, run.scale, options.one_core)
    measurements = resumed(out, about) if run.scale == "full" else []
    console = Console(width=140, highlight=False)
    console.print(
        question, *(f"missing: {family} is not installed" for family in missing), sep="\n"
    )
    for case in remaining(cases(run.scale), measurements):
        measurements += (new := measure(case, run))
        console.print(_table(case, new))
        if run.scale == "full":
            write(out, about, measurements)
    if options.out or run.scale != "smoke":
        write(out, about, measurements)
        if finish:
            finish(measurements, out)
    if worker:
        worker.close()


def write(out: Path, about: dict[str, Any], measurements: Iterable[Measurement]) -> None:
    """Writes a record."""
    out.parent.mkdir(parents=True, exist_ok=True)
    measured = [{**m._asdict(), "case": asdict(m.case)} for m in measurements]
    record = {**about, "measurements": measured}
    out.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def read(record: dict[str, Any]) -> list[Measurement]:
    """The measurements of a record."""
    return [
        Measurement(**{**measured, "case": Case(**measured["case"])})
        for measured in record["measurements"]
    ]


def resumed(out: Path, about: dict[str, Any]) -> list[Measurement]:
    """What an interrupted run of the same program on the same machine has measured."""
    if not out.exists() or about["dirty"] or about["commit"] is None:
        return []
    record = json.loads(out.read_text())
    same = ("scale", "commit", "dirty", "versions", "cpu", "cores", "missing")
    return read(record) if all(record[key] == about[key] for key in same) else []


def remaining(cases: Iterable[Case], measurements: Iterable[Measurement]) -> list[Case]:
    """The cases that have not been measured."""
    done = {measurement.case for measurement in measurements}
    return [case for case in cases if case not in done]


def row(m: Measurement) -> dict[str, str]:
    """A measurement as it stands in a table, by column."""

    def megabytes(size: int | None) -> str:
        return "—" if size is None else f"{size / 1e6:.1f}"

    return {
        "what": m.what,
        "contestant": f"{m.family} {m.contestant}",
        "median ms": f"{m.median:.3g}",
        "quartiles": f"{m.quartile_1:.3g} … {m.quartile_3:.3g}",
        "min": f"{m.minimum:.3g}",
        "repeats": f"{m.repeats}",
        "compile s": "—" if m.compile_s is None else f"{m.compile_s:.2f}",
        "temp MB": megabytes(m.temp_bytes),
        "growth MB": megabytes(m.growth_bytes),
        "peak MB": megabytes(m.peak_bytes),
    }


def _table(case: Case, measurements: list[Measurement]) -> Table:
    rows = [row(measurement) for measurement in measurements]
    table = Table(*rows[0], title=str(case))
    for entries in rows:
        table.add_row(*entries.values())
    return table


def _place(script: str, scale: Scale, one_core: bool) -> Path:
    name = Path(script).stem + ".full" * (scale == "full") + ".one_core" * one_core
    return RESULTS / f"{name}.{jax.default_backend()}.json"


def _options(question: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=question)
    scale = parser.add_mutually_exclusive_group()
    for name, about in (
        ("smoke", "tiny sizes, and no record"),
        ("full", "the whole grid, in hours; what an interrupted run has measured is kept"),
    ):
        scale.add_argument(f"--{name}", dest="scale", action="store_const", const=name, help=about)
    parser.set_defaults(scale="headline")
    parser.add_argument("--repeats", type=int, help="timed calls of each contestant")
    parser.add_argument("--torch", metavar="PYTHON", help="the interpreter that has PyTorch")
    parser.add_argument("--out", type=Path, help="where to write the record")
    parser.add_argument("--one-core", action="store_true", help="everybody on one core (Linux)")
    options = parser.parse_args()
    if options.one_core:
        # Threads and processes inherit it; JAX starts none before it is first asked for a device.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return options
