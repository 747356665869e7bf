"""Which cell learns what best, at equal size, time and tuning?

Each cell meets each task in a process of its own on one core: three learning rates times five seeds
are trained at once, the rate is chosen on validation, the test numbers of its seeds are recorded.
`docs/choosing.md` is written from the record.

    benchmarks/choosing.py                          # all of it: 40 minutes on two cores
    benchmarks/choosing.py --only LSTM --resume     # what is missing of one cell
    benchmarks/choosing.py --collect                # the record from the files of finished jobs
    benchmarks/choosing.py --guide                  # figure, tables and guide from the record
"""

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import _record
from _choosing import jobs
from _choosing.analysis import Comparison
from _choosing.jobs import Job
from _choosing.networks import CELLS
from _choosing.tasks import ADDING, TASKS
from _record import RESULTS, ROOT, append_rows, read, save_figure, start

RECORD = RESULTS / "choosing.cpu.jsonl"
ABOUT = "about.json"
SMOKE = Job("LSTM", "adding-25", 0.1), Job("LRU", "adding-25", 0.1)


def plan(scale: float = 1.0, only: tuple[str, ...] = ()) -> list[Job]:
    """All jobs, or those whose cell or task, or both of `CELL,TASK`, are wanted."""
    every = [Job(c, t, scale * task.seconds) for c in CELLS for t, task in TASKS.items()]
    wanted = [set(words.split(",")) for words in only]
    return [job for job in every if not only or any(w <= {job.cell, job.task} for w in wanted)]


def collect(folder: Path, out: Path) -> None:
    """Writes the record of the finished jobs, in the order of the tables, with baselines."""
    from _choosing.training import baselines

    about = json.loads((folder / ABOUT).read_text())
    if about["commit"] is None:  # the run was in a copy without a history
        about |= {name: _record.about()[name] for name in ("commit", "dirty")}
    found = sorted(jobs.rows(folder), key=lambda row: (_place(row), row.get("seed", 0)))
    tasks = {row["task"] for row in found}
    start(out, about)
    append_rows(out, found)
    for task in (task for task in TASKS if task in tasks and task not in [*ADDING][1:]):
        append_rows(out, baselines(task))
    print(f"{out}: {len(found)} rows")


def _place(row: dict[str, Any]) -> tuple[int, int]:
    return [*CELLS].index(row["cell"]), [*TASKS].index(row["task"])


def write_guide() -> None:
    """Draws the figure of the record, and rewrites all tables and the guide."""
    import _tables
    from _choosing.figure import figure

    save_figure(figure(Comparison(read(RECORD)[1])), RECORD)
    _tables.main()


def run(options: argparse.Namespace) -> None:
    """Runs the jobs, and says how long they take."""
    folder: Path = options.folder
    wanted = plan(options.scale, tuple(options.only))
    wanted = jobs.remaining(wanted, folder) if options.resume else wanted
    cores = sorted(os.sched_getaffinity(0))[: options.workers]
    about = {"question": (__doc__ or "").partition("\n")[0], **_record.about(), "missing": []}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).write_text(json.dumps(about | {"scale": options.scale}))
    seconds = sum(job.expected for job in wanted) / len(cores)
    print(
        f"{len(wanted)} jobs on {len(cores)} cores: at most {seconds / 60:.0f} minutes", flush=True
    )
    end = time.monotonic() + options.deadline
    for stage in stages(wanted, folder):
        jobs.run(stage, folder, cores, end - time.monotonic())


def stages(wanted: list[Job], folder: Path) -> Iterator[list[Job]]:
    """The jobs in turn: a cell meets a longer adding problem once it has learnt the shorter."""
    yield [job for job in wanted if job.task not in [*ADDING][1:]]
    for shorter, task in pairwise(ADDING):
        found = Comparison(jobs.rows(folder))
        yield [job for job in wanted if job.task == task and found.learns(job.cell, shorter)]


def smoke() -> None:
    """Two jobs of a few updates, and no record."""
    with tempfile.TemporaryDirectory() as folder:
        jobs.run(SMOKE, Path(folder), sorted(os.sched_getaffinity(0))[:2], math.inf)
        found = jobs.rows(Path(folder))
        print(*found, sep="\n")
        if not all("seed" in row for row in found):
            raise SystemExit("a job failed")


def main() -> None:
    """Runs what is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="two tiny jobs, and no record")
    parser.add_argument("--workers", type=int, help="cores to use; by default all")
    parser.add_argument("--scale", type=float, default=1.0, help="factor of all budgets")
    parser.add_argument("--deadline", type=float, default=math.inf, help="seconds until the end")
    parser.add_argument("--only", action="append", default=[], metavar="CELL,TASK")
    parser.add_argument("--resume", action="store_true", help="keep the jobs that have ended well")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "choosing")
    parser.add_argument("--out", type=Path, default=RECORD)
    parser.add_argument("--jobs", action="store_true", help="run the jobs, and write no record")
    parser.add_argument("--collect", action="store_true", help="write the record, and run no job")
    parser.add_argument("--guide", action="store_true", help="write tables, figure and guide")
    options = parser.parse_args()
    if options.smoke:
        smoke()
        return
    if not (options.collect or options.guide):
        run(options)
    if not (options.jobs or options.guide):
        collect(options.folder, options.out)
    if options.guide:
        write_guide()


if __name__ == "__main__":
    main()
