"""How fast is a layer on a GPU, next to cuDNN, Flax and a plain scan?

One command, one GPU, a fixed time: what matters most is measured first, the record is written
after every row, and what the time does not suffice for is recorded as not reached. Every
contestant runs in a process of its own kind, is first compared with the same loop in full
float32, and fails on its own. Precisions stand apart: "fp32" multiplies in full, "tf32" as
accelerators do by default, "bf16" and "fp16" have weights, inputs and outputs in 16 bits (our
carry stays float32). A call gets the same numbers again, so what fits into the caches is there.
Layouts are everybody's own: time first, but for `jax.experimental.rnn`.

In a row of the record, `median_ms` and `quartiles` are wall-clock times of one call that is
waited for, `enqueued_ms` is that of one of ten that are waited for together, `event_ms` lies
between two CUDA events; `temp_bytes` is what XLA plans besides inputs and outputs, and for
PyTorch what a call adds at most, outputs counted; `difference` is the largest
||got - wanted|| / ||wanted|| of outputs and gradients; `kernels` counts the kernels of a call of
PyTorch, and what stands in a program of XLA.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from _gpu_grid import TORCH, Job, jobs
from _gpu_problem import TOLERANCE, Case
from _gpu_record import NOT_REACHED, Row, row, surroundings, write
from _gpu_worker import Failed, Worker
from _program import ROOT
from rich.console import Console
from rich.table import Table

RESULTS = ROOT / "benchmarks" / "results"
LONGEST = 60.0  # seconds that one row may take
SHORTEST = 2.0  # seconds without which a row is not begun

ON_GPU = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
ON_CPU = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
MODULES = {
    "jax": "_gpu_jax",
    "jax apart": "_gpu_jax",
    "torch": "_gpu_torch",
    "torch apart": "_gpu_torch",
    "torch kernels": "_gpu_torch",  # A process that has been profiled is no longer timed.
}


class Asked(Protocol):
    """Somebody who computes: a `Worker`, or its like."""

    def ask(self, request: tuple[Any, ...], timeout: float) -> Any:
        """The answer, or `Failed`."""
        ...


class Absent:
    """A worker that there is not."""

    def __init__(self, why: str):
        self.why = why

    def ask(self, request: tuple[Any, ...], timeout: float) -> Any:
        raise Failed(self.why)


class Run:
    """Measures one job after the other, up to a deadline on `time.monotonic`."""

    def __init__(self, workers: Mapping[str, Asked], deadline: float):
        self.workers, self.deadline = workers, deadline
        self._references: dict[Case, Any] = {}

    def rows(self, jobs: Iterable[Job], keep: Callable[[Row], None]) -> None:
        """Gives every row to `keep` as soon as it is known."""
        for job in jobs:
            keep(self.row(job))

    def row(self, job: Job) -> Row:
        """The row of a job, whatever happens to it."""
        try:
            entries = self._ask(job.worker, "time", job, self._reference(job.case))
        except Failed as failed:
            return row(job, {}, str(failed))
        if job.who == TORCH:
            try:
                entries["kernels"] = self._ask("torch kernels", "kernels", job)
            except Failed as failed:
                entries["kernels"] = f"not known: {failed}"
        return row(job, entries, _wrong(job, entries["difference"]))

    def _reference(self, case: Case) -> Any:
        """What is right; `None` if that cannot be had."""
        if case not in self._references:
            try:
                self._references[case] = self._ask("jax", "reference", case)
            except Failed as failed:
                if str(failed) == NOT_REACHED:
                    raise
                self._references[case] = None
        return self._references[case]

    def _ask(self, worker: str, *request: Any) -> Any:
        left = self.deadline - time.monotonic()
        if left < SHORTEST:
            raise Failed(NOT_REACHED)
        try:
            return self.workers[worker].ask(request, min(left, LONGEST))
        except Failed as failed:
            late = time.monotonic() >= self.deadline
            raise Failed(NOT_REACHED if late else str(failed)) from None


def main() -> None:
    """Runs what the command line asks for."""
    options = _options()
    deadline = time.monotonic() + options.seconds
    console = Console(width=160, highlight=False)
    workers = _workers(options.smoke)
    try:
        about = _about(workers, deadline)
        if about["platform"] != "gpu" and not options.smoke:
            console.print("There is no GPU here: nothing is measured, the record waits for one.")
            return
        out = options.out
        if out is None and not options.smoke:
            out = RESULTS / f"gpu.{about['platform']}.json"
        rows: list[Row] = []

        def keep(row: Row) -> None:
            rows.append(row)
            if row["error"] != NOT_REACHED:
                console.print(*_line(row).values(), sep=" | ", markup=False, soft_wrap=True)
                if out:
                    write(out, about, rows)

        Run(workers, deadline).rows(jobs(options.smoke), keep)
        if out:
            write(out, about, rows)
        _show(console, rows)
    finally:
        for worker in workers.values():
            if isinstance(worker, Worker):
                worker.close()


def _workers(smoke: bool) -> dict[str, Asked]:
    environment = ON_GPU | ON_CPU if smoke else ON_GPU
    workers = {name: Worker(module, environment) for name, module in MODULES.items()}
    for name in ("jax", "torch"):  # Both take their time, so both start now.
        workers[name].start()
    return dict(workers)


def _about(workers: dict[str, Asked], deadline: float) -> dict[str, Any]:
    """The record but for its rows; who is missing or has no GPU becomes `Absent`."""
    found, missing = {}, [] if find_spec("flax") else ["flax"]
    for name in ("jax", "torch"):
        worker: Any = workers[name]
        try:
            found[name] = worker.greet(deadline - time.monotonic())
            if found[name]["platform"] != found["jax"]["platform"]:
                raise Failed("it does not find the GPU")
        except Failed as failed:
            missing.append(f"{name}: {failed}")
            worker.close()
            absent = [key for key in workers if key.startswith(name)]
            workers.update(dict.fromkeys(absent, Absent(f"{name} is missing: {failed}")))
            if name == "jax":
                raise
    question = (__doc__ or "").partition("\n")[0]
    return {
        "question": question,
        **surroundings(),
        "platform": found["jax"]["platform"],
        "device": found["jax"]["device"],
        "torch": found.get("torch"),
        "missing": missing,
    }


def _wrong(job: Job, difference: float | None) -> str | None:
    """The error of those who compute something else; their time is recorded nevertheless."""
    if difference is None:
        return "not compared: there is no reference"
    tolerance = TOLERANCE[job.precision][job.mode]
    if difference <= tolerance:
        return None
    return f"wrong: differs by {difference:.2g}, more than {tolerance}"


def _line(row: Row) -> dict[str, str]:
    """A row as it is printed, by column."""

    def number(key: str) -> str:
        return "—" if row[key] is None else f"{row[key]:.3g}"

    return {
        "case": "{cell} B={B} T={T} I=H={H}".format(**row),
        "mode": row["mode"],
        "precision": row["precision"],
        "contestant": row["contestant"],
        "median ms": number("median_ms"),
        "us a step": number("us_per_step"),
        "enqueued ms": number("enqueued_ms"),
        "temp MB": "—" if row["temp_bytes"] is None else f"{row['temp_bytes'] / 1e6:.1f}",
        "difference": number("difference"),
        "error": row["error"] or "",
    }


def _show(console: Console, rows: list[Row]) -> None:
    lines = [_line(row) for row in rows if row["error"] != NOT_REACHED]
    if lines:
        table = Table(*lines[0], title=(__doc__ or "").partition("\n")[0])
        for line in lines:
            table.add_row(*line.values())
        console.print(table, markup=False)
    console.print(f"{len(lines)} rows measured, {len(rows) - len(lines)} not reached")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="tiny sizes on the CPU, no record")
    parser.add_argument("--seconds", type=float, default=450.0, help="time for everything")
    parser.add_argument("--out", type=Path, help="where to write the record")
    return parser.parse_args()


if __name__ == "__main__":
    main()
