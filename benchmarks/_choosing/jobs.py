"""A queue of processes, each on a core of its own; every finished one has left a file."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

START = 15  # seconds that a process takes before and after training, about
PATIENCE = 4  # times the expected seconds, after which a process counts as stuck
FOLDER = Path(__file__).resolve().parent.parent
# One thread each: what a cell costs is then the time of a core.
THREADS = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "OMP_NUM_THREADS": "1"}


class Job(NamedTuple):
    """A cell on a task, for so many seconds of training."""

    cell: str
    task: str
    seconds: float

    @property
    def expected(self) -> float:
        """Seconds from start to end, about."""
        return self.seconds + START

    def file(self, folder: Path) -> Path:
        """The file of its rows."""
        return folder / f"{self.cell}.{self.task}.jsonl"

    def command(self, folder: Path) -> list[str]:
        """The command of its process."""
        words = (self.cell, self.task, str(self.seconds), str(self.file(folder).resolve()))
        return [sys.executable, "-m", "_choosing", *words]


class Running(NamedTuple):
    """A process, and its core."""

    job: Job
    process: subprocess.Popen
    core: int
    began: float


def remaining(jobs: Iterable[Job], folder: Path) -> list[Job]:
    """The jobs that have no rows of seeds yet."""
    return [job for job in jobs if all("seed" not in row for row in _rows(job.file(folder)))]


def run(jobs: Sequence[Job], folder: Path, cores: Sequence[int], seconds: float) -> None:
    """Runs the jobs, the longest first; none starts that would not end within the seconds."""
    began, waiting = time.monotonic(), sorted(jobs, key=lambda job: -job.seconds)
    end, free, running = began + seconds, list(cores), []
    try:
        while waiting or running:
            late = [job for job in waiting if time.monotonic() + job.expected > end]
            waiting = [job for job in waiting if job not in late]
            for job in late:
                print(f"{job.cell} on {job.task}: no time left", flush=True)
            while waiting and free:
                running.append(_started(waiting.pop(0), folder, free.pop()))
            time.sleep(0.2)
            for one in [one for one in running if _ended(one, folder, end)]:
                running.remove(one)
                free.append(one.core)
                taken, since = (time.monotonic() - t for t in (one.began, began))
                left = f"{len(waiting)} waiting, {len(running)} running"
                print(
                    f"{since:4.0f} s  {one.job.cell} on {one.job.task}: {taken:.0f} s; {left}",
                    flush=True,
                )
    finally:
        for one in running:
            one.process.kill()


def rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of all files."""
    return [row for file in sorted(folder.glob("*.jsonl")) for row in _rows(file)]


def _started(job: Job, folder: Path, core: int) -> Running:
    """A process, which inherits the one core."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        with _log(job, folder).open("w") as log:
            process = subprocess.Popen(
                job.command(folder),
                cwd=FOLDER,
                env=os.environ | THREADS,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
    finally:
        os.sched_setaffinity(0, mine)
    return Running(job, process, core, time.monotonic())


def _ended(one: Running, folder: Path, end: float) -> bool:
    """Whether a process has ended; one that takes too long is ended. A failure leaves a row."""
    now = time.monotonic()
    if one.process.poll() is None:
        if now < min(end, one.began + PATIENCE * one.job.expected):
            return False
        one.process.kill()
        one.process.wait()
    if one.process.returncode:
        lines = _log(one.job, folder).read_text().splitlines() or ["ended without a word"]
        why = lines[-1] if one.process.returncode > 0 else f"took more than {now - one.began:.0f} s"
        row = {"cell": one.job.cell, "task": one.job.task, "failed": why[:200]}
        one.job.file(folder).write_text(json.dumps(row) + "\n")
    return True


def _log(job: Job, folder: Path) -> Path:
    return job.file(folder).with_suffix(".log")


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
