"""How well do the applications learn standard sets, next to trivial and published numbers?

Each run is a command such as `rnnjax tagging train --data conll2000`, in a process of its own. The
test numbers and the trivial ones are those that the command prints; the state that they belong to
was chosen on the validation part alone. The record is kept: a run replaces the lines of its own
application and set, so that an afternoon is enough for one of them.

    benchmarks/applications.py                  # those that take a few minutes
    benchmarks/applications.py translation      # one of them, however long
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import _record
from _record import RESULTS, append_rows, read, start

from rnnjax.interop import read_extra

RECORD = RESULTS / "applications.cpu.jsonl"
OURS = "this network"

Lines = list[dict[str, Any]]


class Standard(NamedTuple):
    """A run on a standard set.

    Attributes:
        application: the name of its command.
        data: the name of the set.
        options: the other options of `train`.
        seeds: number of runs.
        minutes: about how long one of them takes on two cores.
        published: numbers by measure and source.
    """

    application: str
    data: str
    options: str
    seeds: int
    minutes: int
    published: dict[str, dict[str, float]] = {}

    def command(self, seed: int, out: Path) -> list[str]:
        """The command of one run."""
        words = ["train", "--data", self.data, "--seed", str(seed), "--out", str(out)]
        return [sys.executable, "-m", "rnnjax", self.application, *words, *self.options.split()]


RUNS = (
    Standard(
        "sentiment",
        "films",
        "--embedding 300 --hidden-words 0.1 --embedding-dropout 0.5 --least 1 --steps 534",
        seeds=3,
        minutes=1,
        published={"accuracy": {"Kim 2014, random vectors": 0.761}},
    ),
    Standard(
        "speech",
        "digits",
        "--hidden 128 --steps 1750",
        seeds=1,
        minutes=5,
    ),
    Standard(
        "tagging",
        "conll2000",
        "--hidden 200 --steps 5000",
        seeds=1,
        minutes=9,
        published={
            "F1 of chunks": {
                "Huang et al. 2015, random vectors": 0.9413,
                "Huang et al. 2015, Senna vectors": 0.9446,
            }
        },
    ),
    Standard(
        "text",
        "shakespeare",
        "--hidden 512 --dropout 0.4 --steps 8000",
        seeds=1,
        minutes=13,
        published={"bits per character": {"Feng et al. 2024, minGRU": 2.233}},
    ),
    Standard(
        "text",
        "shakespeare",
        "--unit words --hidden 256 --embedding 256 --tied --dropout 0.5 --per-sequence "
        "--steps 1500",
        seeds=1,
        minutes=5,
    ),
    Standard(
        "translation",
        "multi30k",
        "--hidden 512 --embedding 256 --dropout 0.4 --learning-rate 1e-3 --minutes 32",
        seeds=1,
        minutes=36,
        published={"perplexity": {"B. Trevett, GRU with attention": 25.6}},
    ),
)
TINY = Standard("sentiment", "made", "--hidden 4 --embedding 4 --steps 2", seeds=1, minutes=1)


def rows(run: Standard, folder: Path) -> Iterator[dict[str, Any]]:
    """Trains, and gives the lines of the record: trivial, published, ours."""
    ours = []
    for seed in range(run.seeds):
        began = time.monotonic()
        subprocess.run(run.command(seed, folder), check=True)
        minutes = (time.monotonic() - began) / 60
        ours.append((seed, minutes, read_extra(folder / "model.safetensors")["compared"]))
    case = {"application": run.application, "data": run.data, "options": run.options}
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


def main() -> None:
    """Runs the wanted applications, and brings the record up to date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = sorted({run.application for run in RUNS})
    parser.add_argument("application", nargs="*", help=", ".join(names))
    parser.add_argument("--smoke", action="store_true", help="one tiny run, and no record")
    parser.add_argument("--out", type=Path, default=RECORD)
    parser.add_argument("--note", help="a sentence below the table")
    options = parser.parse_args()
    chosen = [
        run
        for run in RUNS
        if run.application in options.application or not options.application and run.minutes <= 5
    ]
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
