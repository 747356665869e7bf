"""The record of a run on an accelerator: how it is written, and its tables."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from _gpu_grid import CUDNN, FLAX, OURS, PLAIN, TORCH, TORCH_GRAPH, Job
from _program import output, program

PACKAGES = ("jax", "jaxlib", "flax", "torch", "numpy")
NOT_REACHED = "not reached"
DRIVER = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")

Row = dict[str, Any]
Record = dict[str, Any]

# Columns of the table: title, contestants of whom the fastest counts, precision.
COLUMNS = (
    ("rnnjax TF32", (OURS,), "tf32"),
    ("rnnjax fp32", (OURS,), "fp32"),
    ("rnnjax bf16", (OURS,), "bf16"),
    ("cuDNN TF32", (TORCH, TORCH_GRAPH), "tf32"),
    ("cuDNN fp32", (TORCH, TORCH_GRAPH), "fp32"),
    ("cuDNN bf16", (TORCH, TORCH_GRAPH), "bf16"),
    ("cuDNN fp16", (TORCH, TORCH_GRAPH), "fp16"),
    (f"{CUDNN} TF32", (CUDNN,), "tf32"),
    ("Flax TF32", (FLAX,), "tf32"),
    ("plain scan TF32", (PLAIN,), "tf32"),
)
RATIO = "cuDNN / rnnjax, TF32"


def surroundings() -> Record:
    """What a number depends on besides the script; devices are added by those who have them."""
    return {**program(PACKAGES), "driver": output(*DRIVER)}


def row(job: Job, entries: Row, error: str | None) -> Row:
    """A row of the record: every key is there, whatever is known."""
    median = entries.get("median_ms")
    keys = ("median_ms", "quartiles", "enqueued_ms", "event_ms", "repeats")
    return {
        "cell": job.case.cell,
        "B": job.case.batch,
        "T": job.case.steps,
        "H": job.case.hidden,
        "precision": job.precision,
        "mode": job.mode,
        "contestant": job.contestant,
        **{key: entries.get(key) for key in keys},
        "us_per_step": None if median is None else 1e3 * median / job.case.steps,
        **{key: entries.get(key) for key in ("temp_bytes", "compile_s", "difference", "kernels")},
        "error": error,
    }


def write(out: Path, about: Record, rows: Iterable[Row]) -> None:
    """Writes a record, a row a line; who is killed meanwhile leaves the one before."""
    lines = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in rows)
    head = json.dumps(about, indent=2, ensure_ascii=False).removesuffix("\n}")
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_name(out.name + ".new")
    new.write_text(f'{head},\n  "rows": [\n{lines}\n  ]\n}}\n')
    new.replace(out)


def markdown(record: Record) -> str:
    """The tables of a record: the grid, and the knobs of the loops."""
    grid = [{"what": what, **entries} for what, entries in _grid(record["rows"])]
    knobs = [{"what": what, **entries} for what, entries in _knobs(record["rows"])]
    not_reached = sum(row["error"] == NOT_REACHED for row in record["rows"])
    texts = [
        f"**{record['question']}**",
        "Milliseconds of one call, waited for; *g*: fastest in a CUDA graph; —: not measured.",
        _table(grid),
        "Knobs of the loop, milliseconds; *whole*: the loop as one command buffer.",
        _table(knobs),
        _about(record) + (f" {not_reached} rows not reached." if not_reached else ""),
    ]
    return "\n\n".join(text for text in texts if text)


def entry(row: Row) -> str:
    """The time in a row as it stands in a table."""
    if row["error"] == NOT_REACHED:
        return "—"
    if row["error"]:
        return "wrong" if row["median_ms"] else "failed"
    return f"{row['median_ms']:.3g}"


def _grid(rows: list[Row]) -> Iterator[tuple[str, dict[str, str]]]:
    for what, found in _by_point(rows):
        best = {
            title: _best([r for r in found if (r["contestant"], r["precision"]) in wanted])
            for title, names, precision in COLUMNS
            if (wanted := [(name, precision) for name in names])
        }
        if any(row and row["error"] != NOT_REACHED for row in best.values()):
            entries = {title: _marked(row) for title, row in best.items()}
            yield what, entries | {RATIO: _ratio(best["cuDNN TF32"], best["rnnjax TF32"])}


def _knobs(rows: list[Row]) -> Iterator[tuple[str, dict[str, str]]]:
    """A line for a point and contestant; a column for how it was run."""
    knobs = [row for row in rows if "unroll=" in row["contestant"]]
    columns = dict.fromkeys(row["contestant"].partition(", ")[2] for row in knobs)
    for what, found in _by_point(knobs):
        for who in dict.fromkeys(row["contestant"].partition(", ")[0] for row in found):
            own = {r["contestant"].partition(", ")[2]: r for r in found if _is(r, who)}
            if any(row["error"] != NOT_REACHED for row in own.values()):
                entries = {c: entry(own[c]) if c in own else "—" for c in columns}
                yield f"{what}, {who}", {_short(c): text for c, text in entries.items()}


def _is(row: Row, who: str) -> bool:
    return row["contestant"].startswith(f"{who}, ")


def _short(knobs: str) -> str:
    return knobs.removeprefix("unroll=").replace(", whole loop", " *whole*")


def _by_point(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    points: dict[str, list[Row]] = {}
    for row in rows:
        what = "{cell} B={B} T={T} I=H={H}, {mode}".format(**row)
        points.setdefault(what, []).append(row)
    yield from points.items()


def _best(rows: list[Row]) -> Row | None:
    """The fastest of those who are right; where none is, the first."""
    right = [row for row in rows if not row["error"]]
    if right:
        return min(right, key=lambda row: row["median_ms"])
    return rows[0] if rows else None


def _marked(row: Row | None) -> str:
    if row is None:
        return "—"
    return entry(row) + (" *g*" if row["contestant"] == TORCH_GRAPH and not row["error"] else "")


def _ratio(theirs: Row | None, ours: Row | None) -> str:
    if theirs is None or ours is None or theirs["error"] or ours["error"]:
        return "—"
    return f"{theirs['median_ms'] / ours['median_ms']:.2f}"


def _table(rows: list[dict[str, str]]) -> str:
    if not rows:
        return ""
    lines = [rows[0].keys(), ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _about(record: Record) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    commit = (record["commit"] or "unknown")[:10] + (" with changes" if record["dirty"] else "")
    driver = f", driver {record['driver']}" if record["driver"] else ""
    missing = f" Missing: {'; '.join(record['missing'])}." if record["missing"] else ""
    device = record["device"]
    return f"{record['date']}, {device}{driver}, {versions}, commit {commit}.{missing}"
