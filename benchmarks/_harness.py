"""Compares contestants honestly: one process, call by call in turn, compile time apart.

A script gives contestants as `{name: (function, args)}`, the one in question first, checks with
`agree` that they compute the same, and only then calls `compare`, which compiles, warms up and
waits for every result. `main` prints the table and writes the record.
"""

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"

Contestants = Mapping[str, tuple[Callable[..., Any], tuple[Any, ...]]]


class Measurement(NamedTuple):
    """What was measured of one contestant in one case; times of a call in milliseconds.

    Attributes:
        case: what was computed, and its sizes.
        contestant: who computed it.
        repeats: number of timed calls.
        minimum: the fastest call.
        quartile_1: a quarter of the calls were faster.
        median: half of the calls were faster.
        quartile_3: a quarter of the calls were slower.
        ratio: the median over that of the case's first contestant.
        compile_s: seconds to trace and compile.
        temp_bytes: memory for intermediate results, as planned by XLA.
    """

    case: str
    contestant: str
    repeats: int
    minimum: float
    quartile_1: float
    median: float
    quartile_3: float
    ratio: float
    compile_s: float
    temp_bytes: int

    def row(self) -> dict[str, str]:
        """The measurement as it stands in a table, by column."""
        return {
            "case": self.case,
            "contestant": self.contestant,
            "median ms": f"{self.median:.3g}",
            "quartiles": f"{self.quartile_1:.3g} … {self.quartile_3:.3g}",
            "min": f"{self.minimum:.3g}",
            "ratio": f"{self.ratio:.2f}",
            "compile s": f"{self.compile_s:.2f}",
            "temp MB": f"{self.temp_bytes / 1e6:.1f}",
        }


def agree(reference: Any, others: Mapping[str, Any], *, tolerance: float) -> None:
    """Raises unless each of `others` is `reference`, up to `tolerance` of its largest entry."""
    for name, tree in others.items():
        for wanted, got in zip(jax.tree.leaves(reference), jax.tree.leaves(tree), strict=True):
            wanted, got = np.asarray(wanted), np.asarray(got)
            if wanted.shape != got.shape:
                raise ValueError(f"expected {name} to give {wanted.shape}, got {got.shape}")
            error = np.abs(wanted - got).max() / np.abs(wanted).max()
            if not error <= tolerance:
                raise ValueError(f"expected {name} to agree within {tolerance}, got {error:.2g}")


def compare(
    case: str, contestants: Contestants, *, repeats: int, warm_up: int = 3
) -> list[Measurement]:
    """Times all contestants in turn, `repeats` times; ratios refer to the first."""
    compiled = {name: _compile(*contestant) for name, contestant in contestants.items()}
    names = list(contestants)
    times = {name: [] for name in names}
    for repeat in range(warm_up + repeats):
        # The order rotates: nobody always inherits the cache from the same neighbour.
        turn = repeat % len(names)
        for name in names[turn:] + names[:turn]:
            elapsed = _time(compiled[name].call, contestants[name][1])
            if repeat >= warm_up:
                times[name].append(1e3 * elapsed)
    spread = {name: np.quantile(times[name], (0, 0.25, 0.5, 0.75)).tolist() for name in names}
    return [
        Measurement(
            case,
            name,
            repeats,
            *spread[name],
            ratio=spread[name][2] / spread[names[0]][2],
            compile_s=compiled[name].seconds,
            temp_bytes=compiled[name].temp_bytes,
        )
        for name in names
    ]


def main(
    script: str, doc: str | None, measure: Callable[[bool, int], Iterable[Measurement]]
) -> None:
    """Runs a script: `measure(smoke, repeats)`, then the table and the record.

    `script` is its `__file__`, and `doc` its `__doc__`, whose first line is the question.
    """
    question = (doc or "").partition("\n")[0]
    options = _options(question)
    measurements = list(measure(options.smoke, options.repeats))
    rows = [measurement.row() for measurement in measurements]
    table = Table(*rows[0], title=question)
    for row in rows:
        table.add_row(*row.values())
    console = Console(width=120, highlight=False)
    console.print(table, *verdicts(measurements), sep="\n")
    out = options.out or RESULTS / f"{Path(script).stem}.{jax.default_backend()}.json"
    if options.out or not options.smoke:
        out.parent.mkdir(parents=True, exist_ok=True)
        measured = [measurement._asdict() for measurement in measurements]
        record = {"question": question, **_surroundings(), "measurements": measured}
        out.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def verdicts(measurements: list[Measurement]) -> Iterable[str]:
    """One line a case: how the first contestant did against the best of the others."""
    for case in dict.fromkeys(measurement.case for measurement in measurements):
        first, *others = (m for m in measurements if m.case == case)
        if others:
            rival = min(others, key=lambda other: other.median)
            yield (
                f"{case}: {first.contestant} is {rival.ratio:.2f} times as fast as "
                f"{rival.contestant}, the best of the others"
            )


def _options(question: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, and no record")
    parser.add_argument("--repeats", type=int, default=31, help="timed calls of each contestant")
    parser.add_argument("--out", type=Path, help="where to write the record")
    return parser.parse_args()


class _Compiled(NamedTuple):
    call: Callable[..., Any]
    seconds: float
    temp_bytes: int


def _compile(function: Callable[..., Any], args: tuple[Any, ...]) -> _Compiled:
    jax.clear_caches()  # What another contestant has traced would come for free.
    start = time.perf_counter()
    call = jax.jit(function).lower(*args).compile()
    seconds = time.perf_counter() - start
    memory: Any = call.memory_analysis()
    return _Compiled(call, seconds, memory.temp_size_in_bytes)


def _time(call: Callable[..., Any], args: tuple[Any, ...]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(call(*args))
    return time.perf_counter() - start


def _surroundings() -> dict[str, Any]:
    """What a number depends on besides the script."""
    changes = _git("status", "--porcelain", "--", ".", ":!benchmarks/results", ":!*.md")
    packages = ("jax", "jaxlib", "flax", "numpy")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if changes is None else bool(changes),
        "device": jax.devices()[0].device_kind,
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
    }


def _git(*args: str) -> str | None:
    done = subprocess.run(("git", *args), cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
