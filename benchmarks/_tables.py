"""The tables in the READMEs and the guide to the cells, written from the records in `results/`.

The text between `<!-- table: NAME -->` and `<!-- end -->` is rewritten, and empty without a
record: `cells.cpu` shows `results/cells.cpu.jsonl`, `cells.full.cpu` sums up a whole grid,
`speed.cpu` is a small table of the cells' record, and `guide.cpu` the text of the guide to them.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from _case import Case
from _choosing import tables as choosing
from _choosing.analysis import Comparison
from _choosing.guide import guide
from _markdown import table
from _peers import BEST, FLAX, LIBRARIES, OURS, TORCH
from _record import RESULTS, ROOT, Measurement, measured, read
from scaling import CEILING

GUIDE = ROOT / "docs" / "choosing.md"
READMES = (ROOT / "README.md", GUIDE, ROOT / "benchmarks" / "README.md")
BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
# The numbers of a measurement in a table; by default only the time.
NUMBERS = {
    "long_sequences": {"median": "ms", "growth_mb": "MB of growth"},
    "precision": {"median": "ms", "error": "error"},
}
RECORDS = {"speed": "cells", "guide": "choosing"}  # blocks of another record
# The results of the applications and of the reproductions of papers in `rnnjax.tasks`.
SUBJECTS = ("cell", "application", "data", "measure")
NOT_SHOWN = ("seed", "history", "options", "commit")
TITLES = {
    "error": "mean squared error",
    "solved": "updates until 0.002",
    "valid": "validation, nats per frame",
    "test": "test, nats per frame",
}
RATIO = "best other ÷ ours"
# Two contestants, both of this library: the time of the second is divided by that of the first.
PAIRS = {"any_cell": ("native loop", "XLA's loop")}
Lines = list[str]


def filled(text: str, results: Path = RESULTS) -> str:
    """The text with all its tables rewritten from the records."""

    def block(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        return start + _content(name, results) + end

    return BLOCK.sub(block, text)


def best(found: Iterable[Measurement], case: Case, what: str, families: Iterable[str]) -> Any:
    """The fastest of these families, or `None`; those that did not run on do not count."""
    found = [m for m in found if (m.case, m.what) == (case, what) and m.family in families]
    most = max((m.repeats for m in found), default=0)
    found = [m for m in found if m.repeats == most and m.median]
    return min(found, key=lambda m: m.median or 0, default=None)


def ratios(found: list[Measurement]) -> dict[tuple[Case, str], float]:
    """The time of the fastest other library over ours, by case and kind of computation."""
    families = {m.family for m in found}
    return over(found, OURS, {f for f in families if not f.startswith(OURS) and f != CEILING})


def over(found: list[Measurement], ours: str, others: Iterable[str]) -> dict:
    """The time of the fastest of the others over ours, by case and kind of computation."""
    times = {}
    for point in dict.fromkeys((m.case, m.what) for m in found):
        here, there = best(found, *point, (ours,)), best(found, *point, others)
        if here and there:
            times[point] = there.median / here.median
    return times


def _content(name: str, results: Path) -> str:
    kind, platform = name.rsplit(".", 1)
    file = results / f"{RECORDS.get(kind, kind)}.{platform}.jsonl"
    if not file.exists():
        return ""
    about, rows = read(file)
    if kind == "guide":
        return "\n".join(guide(rows, about, _footer(about, rows)))
    if kind == "choosing":
        lines = choosing.of_results(Comparison(rows))
    elif rows and "family" not in rows[0]:
        lines = _runs(rows)
    elif kind == "speed":
        lines = _speed(measured(rows))
    elif kind.endswith(".full"):
        lines = _summary(measured(rows))
    else:
        lines = _medians(measured(rows), kind)
    plot = file.with_suffix(".png")
    if plot.exists():
        lines += ["", f"![{about['question']}](results/{plot.name})"]
    title = [] if kind == "speed" else [f"**{about['question']}**", ""]
    return "\n".join([*title, *lines, "", _footer(about, rows)]) + "\n"


def _medians(found: list[Measurement], kind: str) -> Lines:
    """A line for each case and number: the best of each library, and their ratio.

    Where nothing is compared with ours, the multiple of the first column is in brackets.
    """
    groups: dict[str, list[str]] = {OURS: [], TORCH: []}
    for family in dict.fromkeys(m.family for m in found):
        label = family.replace(FLAX[0], "Flax").replace(FLAX[1], "Flax")
        groups.setdefault(label, []).append(family)
    groups = {label: families for label, families in groups.items() if families}
    columns = {RATIO: ratios(found)} if OURS in groups else {}
    if kind in PAIRS:
        ours, other = PAIRS[kind]
        columns[f"{other} ÷ {ours}"] = over(found, ours, (other,))
    lines = []
    for point in dict.fromkeys((m.case, m.what) for m in found):
        fastest = [best(found, *point, families) for families in groups.values()]
        for number, unit in NUMBERS.get(kind, {"median": "ms"}).items():
            values = [m and getattr(m, number) for m in fastest]
            entries = [_number(value) for value in values]
            times = [f"{r[point]:.2f}" if point in r else "—" for r in columns.values()]
            if number != "median":
                times = ["—"] * len(times)
            elif not columns:
                entries = [f"{_number(value)} ({value / values[0]:.2f})" for value in values]
            lines.append([str(point[0]), f"{point[1]}, {unit}", *entries, *times])
    return table(["case", "what", *groups, *columns], lines)


def _speed(found: list[Measurement]) -> Lines:
    """The time of PyTorch and of the best other JAX library over ours, for LSTM and GRU."""
    sides = {"PyTorch": (TORCH,), "best other in JAX": LIBRARIES}
    columns = {
        f"{what}: {side}": (what, over(found, OURS, families))
        for what in ("training", "forward")
        for side, families in sides.items()
    }
    cases = dict.fromkeys(m.case for m in found if m.case.cell in ("LSTM", "GRU"))
    lines = [
        [str(case), *(f"{times[case, what]:.2f}" for what, times in columns.values())]
        for case in cases
    ]
    return table(["time of the other ÷ ours", *columns], lines)


def _summary(found: list[Measurement]) -> Lines:
    """The sizes of a grid at which ours is at least as fast, and the spread of the ratios."""
    batches = sorted({m.case.batch for m in found})
    lines = []
    for what in dict.fromkeys(m.what for m in found):
        for title in (BEST, TORCH):
            points = over(found, OURS, (title,)).items()
            times = {case: time for (case, kind), time in points if kind == what}
            by_batch = [[t for case, t in times.items() if case.batch == b] for b in batches]
            least, middle, most = np.quantile(list(times.values()), (0, 0.5, 1))
            count = f"{sum(t >= 1 for t in times.values())} of {len(times)}"
            lines.append([what, title, count, f"{least:.2f} … {middle:.2f} … {most:.2f}"])
            lines[-1] += [f"{np.median(some):.2f}" if some else "—" for some in by_batch]
    heads = ["", "time of …", "at least ours", "÷ ours: least … median … most"]
    return table([*heads, *(f"median at B={b}" for b in batches)], lines)


def _runs(rows: list[dict[str, Any]]) -> Lines:
    """A line for each cell or application, and source: mean and standard deviation over seeds."""
    names = dict.fromkeys(name for row in rows for name in row if name not in NOT_SHOWN)
    words = [name for name in (*SUBJECTS, "source") if name in names]
    columns = [name for name in names if name not in words]
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name, "ours") for name in words), []).append(row)
    lines = []
    for subject, group in groups.items():
        numbers = ([row[name] for row in group if row.get(name) is not None] for name in columns)
        seeds = str(len(group)) if "seed" in group[0] else "—"
        lines.append([*subject, seeds, *map(_spread, numbers)])
    return table([*words, "seeds", *(TITLES.get(name, name) for name in columns)], lines)


def _spread(values: list[float]) -> str:
    if len(values) < 2:
        return _number(values[0], 4) if values else "—"
    mean, deviation = np.mean(values), np.std(values, ddof=1)
    return _number(mean, 4) + (f" ± {_number(deviation, 2)}" if deviation else "")


def _number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "—"
    return f"{value:,.0f}" if value >= 10**digits else f"{value:.{digits}g}"


def _footer(about: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    missing = f" Not installed: {', '.join(about['missing'])}." if about["missing"] else ""
    commit = f"commit {about['commit'] or 'unknown'}{' with changes' if about['dirty'] else ''}"
    cores = f"{about['cores']} core{'s' * (about['cores'] != 1)}"
    words = [about["date"], f"{about['device']} ({about['cpu']}, {cores})"]
    words += [f"jax {about['versions']['jax']}", commit]
    words += _repeats(rows)
    return ", ".join(words) + "." + missing + (f" {about['note']}" if "note" in about else "")


def _repeats(rows: list[dict[str, Any]]) -> Lines:
    """The number of calls in every case of those that ran on, or the least and the most."""
    most: dict[tuple[str, str], int] = {}
    for row in rows:
        if count := row.get("repeats"):
            point = str(row["case"]), row["what"]
            most[point] = max(count, most.get(point, 0))
    ends = dict.fromkeys((min(most.values()), max(most.values()))) if most else ()
    return [f"{' to '.join(map(str, ends))} repeats"] if ends else []


def main() -> None:
    """Rewrites all tables."""
    for readme in READMES:
        readme.write_text(filled(readme.read_text()))


if __name__ == "__main__":
    main()
