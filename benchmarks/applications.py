"""How well do the applications learn standard sets, next to trivial and published numbers?

Each run is a command such as `rnnjax tagging train --data conll2000`, in a process of its own. The
test numbers and the trivial ones are those that the command prints; the state that they belong to
was chosen on the validation part alone. The record is kept: a run replaces the lines of its own
application and set, so that an afternoon is enough for one of them.

    benchmarks/applications.py                  # those that take a few minutes
    benchmarks/applications.py translation      # one of them, however long
    benchmarks/applications.py "horizon 96"     # by other words of its command
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _record
from _record import RESULTS, append_rows, read, start
from _standard import RUNS, TINY, Standard

from rnnjax.interop import read_extra

RECORD = RESULTS / "applications.cpu.jsonl"
OURS = "this network"

Lines = list[dict[str, Any]]


def rows(run: Standard, folder: Path) -> Iterator[dict[str, Any]]:
    """Trains, and gives the lines of the record: trivial, published, ours."""
    ours = []
    for seed in range(run.seeds):
        began = time.monotonic()
        subprocess.run(run.command(seed, folder), check=True)
        minutes = (time.monotonic() - began) / 60
        ours.append((seed, minutes, read_extra(folder / "model.safetensors")["compared"]))
    data = ", ".join(name for name in (run.data, run.variant) if name)
    case = {"application": run.application, "data": data, "options": run.options}
    for measure, found in ours[0][2].items():
        common = case | {"measure": measure}
        others = [name for name in found if not name.startswith(OURS)]
        yield from (common | {"source": name, "value": found[name]} for name in others)
        for source, value in run.published.get(measure, {}).items():
            yield common | {"source": source, "value": value}
        for seed, minutes, compared in ours:
            value = next(v for name, v in compared[measure].items() if name.startswith(OURS))
            yield common | {"seed": seed, "value": value, "minutes": minutes}


def merged(before: Lines, new: Lines) -> Lines:
    """The lines of a record with those of a run in the place of its earlier ones."""
    same = ("application", "data", "options")
    kept = [line for line in before if any(line[key] != new[0][key] for key in same)]
    return kept + new


def wanted(run: Standard, words: list[str]) -> bool:
    """Whether words of its command choose a run; without any, whether it is short."""
    command = f" {run.application} {run.data} {run.options} ".replace(" --", " ")
    return any(f" {each} " in command for each in words) or not words and run.minutes <= 5


def main() -> None:
    """Runs the wanted applications, and brings the record up to date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = sorted({run.application for run in RUNS})
    parser.add_argument("words", nargs="*", help=f"{', '.join(names)}, or others of a command")
    parser.add_argument("--smoke", action="store_true", help="one tiny run, and no record")
    parser.add_argument("--out", type=Path, default=RECORD)
    parser.add_argument("--note", help="a sentence below the table")
    options = parser.parse_args()
    chosen = [run for run in RUNS if wanted(run, options.words)]
    with tempfile.TemporaryDirectory() as folder:
        if options.smoke:
            print(*rows(TINY, Path(folder)), sep="\n")
            return
        about = {"question": (__doc__ or "").partition("\n")[0], **_record.about(), "missing": []}
        about |= {"note": options.note} if options.note else {}
        for run in chosen:
            found = [*rows(run, Path(folder))]
            before = read(options.out)[1] if options.out.exists() else []
            start(options.out, about)
            append_rows(options.out, merged(before, found))


if __name__ == "__main__":
    main()
