"""A record: a file of JSON lines, the first about the run, and then a measurement a line."""

import json
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import jax
from _case import Case
from _clock import cores

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
MEASURED = ("rnnjax", "benchmarks", ":!benchmarks/results", ":!*.md")
PACKAGES = ("jax", "jaxlib", "flax", "dm-haiku", "equinox", "keras", "onnxruntime", "numpy")


class Measurement(NamedTuple):
    """The numbers of one contestant in one case; `None` where one is unknown.

    Attributes:
        case: what was computed, and its sizes.
        what: "forward", "training" (the gradient in all parameters), one streaming "step", …
        family: the library; of several contestants of a family only the fastest runs on.
        contestant: the cell of that library, and how it is run.
        repeats: number of timed calls; few for a contestant that was not the fastest.
        median: milliseconds of one call.
        quartile_1: a quarter of the calls were faster.
        quartile_3: a quarter of the calls were slower.
        compile_s: seconds to trace and compile.
        temp_mb: memory for intermediate results, as planned by XLA.
        growth_mb: growth of the resident set during one call, at most.
        peak_mb: the whole resident set at that moment.
        error: the largest ||got - wanted|| / ||wanted|| of all arrays in the result.
        failed: the reason why nothing was measured.
    """

    case: Case
    what: str
    family: str
    contestant: str
    repeats: int = 0
    median: float | None = None
    quartile_1: float | None = None
    quartile_3: float | None = None
    compile_s: float | None = None
    temp_mb: float | None = None
    growth_mb: float | None = None
    peak_mb: float | None = None
    error: float | None = None
    failed: str | None = None


def about(worker: Any = None) -> dict[str, Any]:
    """The facts on which numbers depend besides the script: program, versions, machine.

    The commit is the last that changed the measured code, and "dirty" states whether that code
    has changed since. Text, tests and notebooks do not count.
    """
    changes = output("git", "status", "--porcelain", "--", *MEASURED)
    versions = {"python": platform.python_version()}
    versions |= {package: found for package in PACKAGES if (found := _version(package))}
    commit = output("git", "log", "-1", "--format=%H", "--", *MEASURED)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit[:10] if commit else None,
        "dirty": None if changes is None else bool(changes),
        "device": jax.devices()[0].device_kind,
        "cpu": _cpu_model(),
        "cores": cores(),
        "versions": versions | (worker.versions if worker else {}),
    }


def start(out: Path, about: dict[str, Any], measurements: Iterable[Measurement] = ()) -> None:
    """Begins a record."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(_line(about))
    append(out, measurements)


def append(out: Path, measurements: Iterable[Measurement]) -> None:
    """Adds measurements to a record."""
    append_rows(out, ({**m._asdict(), "case": m.case.row()} for m in measurements))


def append_rows(out: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Adds lines to a record, without the entries that are `None`, and with short numbers."""
    with out.open("a") as file:
        for row in rows:
            file.write(_line({name: _short(v) for name, v in row.items() if v is not None}))


def read(out: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The first line of a record, and all others."""
    about, *rows = map(json.loads, out.read_text().splitlines())
    return about, rows


def measured(rows: Iterable[dict[str, Any]]) -> list[Measurement]:
    """The measurements in the lines of a record."""
    return [Measurement(**{**row, "case": Case(**row["case"])}) for row in rows]


def resumed(out: Path, about: dict[str, Any]) -> list[Measurement]:
    """The measurements of an interrupted run of the same program on the same machine."""
    if not out.exists() or about["dirty"] or about["commit"] is None:
        return []
    before, rows = read(out)
    return measured(rows) if before | {"date": about["date"]} == about else []


def save_figure(figure: Any, out: Path) -> None:
    """Writes a figure beside a record, in 256 colours, which make the file a third as large."""
    from PIL import Image

    drawn = BytesIO()
    figure.savefig(drawn, dpi=100)
    few = Image.open(drawn).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    few.save(out.with_suffix(".png"), optimize=True)


def output(*command: str) -> str | None:
    """The output of a command in the root of the project; `None` if it fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
