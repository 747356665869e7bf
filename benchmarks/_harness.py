"""The run of a script: its cases at the wanted scale, one after the other, and the record.

A script states its question in the first line of its docstring, its cases, and how to measure
one of them, and ends in `main(__file__, __doc__, cases, measure)`.
"""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import _peers
import _record
import _torch
import jax
from _case import Case
from _compare import Contestant, compare
from _record import RESULTS, Measurement
from rich.console import Console
from rich.table import Table

Scale = Literal["smoke", "headline", "full"]
NO_GPU = "There is no GPU here, so nothing is measured."


class Run(NamedTuple):
    """The options of a run.

    Attributes:
        scale: "smoke" is tiny, "headline" takes minutes, "full" is the whole grid.
        repeats: number of timed calls of each contestant.
        worker: the process that has PyTorch, if there is one.
    """

    scale: Scale
    repeats: int
    worker: _torch.Worker | None

    def contestants(self, case: Case, *families: str, unroll: bool = True) -> list[Contestant]:
        """The contestants of a case, ours first; `unroll`: those with unrolled steps, too."""
        unrolls = _peers.UNROLLS if unroll else (1,)
        found: list[Contestant] = list(_peers.contestants(case, *families, unrolls=unrolls))
        return found + ([] if families and _peers.TORCH not in families else self.torch(case))

    def torch(self, case: Case, module: str = "layer", **options: Any) -> list[Contestant]:
        """PyTorch's layer or "cell", if it is installed and has such a cell."""
        if self.worker is None or case.cell not in _torch.CELLS:
            return []
        return [_torch.TorchContestant(self.worker, case, module, **options)]


def measure(case: Case, run: Run) -> list[Measurement]:
    """All contestants, forward and in training."""
    return compare(case, run.contestants(case), ("forward", "training"), repeats=run.repeats)


def main(
    script: str,
    doc: str | None,
    cases: Callable[[Scale], Iterable[Case]],
    measure: Callable[[Case, Run], list[Measurement]] = measure,
    *,
    repeats: int = 15,
    finish: Callable[[list[Measurement], Path], None] | None = None,
    gpu: bool = False,
) -> None:
    """Measures all cases, prints a table of each, and writes the record.

    Args:
        script: its `__file__`.
        doc: its `__doc__`, whose first line is the question.
        cases: the cases of a scale.
        measure: measures one of them; by default all contestants, forward and in training.
        repeats: number of timed calls of each contestant.
        finish: gets all measurements and the path of the record.
        gpu: whether only a GPU can give the answer; a smoke run needs none.
    """
    question = (doc or "").partition("\n")[0]
    options = _options(question)
    console = Console(width=150, highlight=False)
    if gpu and options.scale != "smoke" and jax.default_backend() != "gpu":
        console.print(NO_GPU)
        return
    python = _torch.find(options.torch)
    worker = _torch.Worker(python) if python else None
    run = Run(options.scale, 2 if options.scale == "smoke" else options.repeats or repeats, worker)
    missing = [*_peers.missing(), *([] if worker else [_peers.TORCH])]
    about = {"question": question, "scale": run.scale, **_record.about(worker), "missing": missing}
    console.print(question, *(f"not installed: {family}" for family in missing), sep="\n")
    out = options.out or (None if run.scale == "smoke" else _place(script, run.scale))
    measurements = _record.resumed(out, about) if out and options.resume else []
    if out:
        _record.start(out, about, measurements)
    for case in remaining(cases(run.scale), measurements):
        measurements += (new := measure(case, run))
        console.print(_table(case, new))
        if out:
            _record.append(out, new)
    if finish and out:
        finish(measurements, out)
    if worker:
        worker.close()


def remaining(cases: Iterable[Case], measurements: Iterable[Measurement]) -> list[Case]:
    """The cases that have not been measured."""
    done = {measurement.case for measurement in measurements}
    return [case for case in cases if case not in done]


def _table(case: Case, measurements: list[Measurement]) -> Table:
    columns = ("median", "quartile_1", "quartile_3", "repeats", "compile_s")
    columns += ("temp_mb", "growth_mb", "peak_mb", "error")
    heads = ("what", "contestant", "median ms", *columns[1:])
    table = Table(*heads, title=str(case))
    for m in measurements:
        numbers = (getattr(m, name) for name in columns)
        entries = ["—" if number is None else f"{number:.3g}" for number in numbers]
        table.add_row(m.what, f"{m.family} {m.contestant} {m.failed or ''}".strip(), *entries)
    return table


def _place(script: str, scale: Scale) -> Path:
    name = Path(script).stem + ".full" * (scale == "full")
    return RESULTS / f"{name}.{jax.default_backend()}.jsonl"


def _options(question: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=question)
    scale = parser.add_mutually_exclusive_group()
    for name, about in (("smoke", "tiny sizes, and no record"), ("full", "the whole grid, hours")):
        scale.add_argument(f"--{name}", dest="scale", action="store_const", const=name, help=about)
    parser.set_defaults(scale="headline")
    parser.add_argument("--repeats", type=int, help="timed calls of each contestant")
    parser.add_argument("--torch", metavar="PYTHON", help="the interpreter that has PyTorch")
    parser.add_argument("--out", type=Path, help="the record to write")
    parser.add_argument("--resume", action="store_true", help="keep the cases already measured")
    return parser.parse_args()
