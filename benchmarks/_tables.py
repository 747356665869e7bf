"""Writes the tables in the READMEs, here and at the top, from the records in `results/`.

What stands between `<!-- table: NAME -->` and `<!-- end -->` is rewritten, and is empty as long
as there is no record. Of `results/cells.cpu.json`, `cells.cpu` is the medians of all libraries
side by side and `cells.cpu.details` every measurement; `cells.full.cpu` is how we compare over a
whole grid, and `targets.cpu` what is promised, met or missed.
"""

import json
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import _gpu_record
from _case import Case
from _harness import RESULTS, read, row
from _measure import Measurement, What
from _peers import EVERY_CORE
from _program import ROOT
from _targets import FLAX, LIBRARIES, NAMES, OURS, TORCH, best, rows

READMES = (ROOT / "README.md", ROOT / "benchmarks" / "README.md")
BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
PLAIN = "lax.scan"
RIVALS = (TORCH, *LIBRARIES, PLAIN)


def filled(text: str, results: Path = RESULTS) -> str:
    """The text with all its tables rewritten from the records."""

    def block(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        return start + _content(name, results) + end

    return BLOCK.sub(block, text)


def _content(name: str, results: Path) -> str:
    kind, platform = name.removesuffix(".details").rsplit(".", 1)
    if kind == "targets":
        return promises(platform, results)
    file = results / f"{kind}.{platform}.json"
    if not file.exists():
        return ""
    record = json.loads(file.read_text())
    if kind == "gpu":
        return _gpu_record.markdown(record) + "\n"
    # Of a long sequence memory counts as much as time, so its table is that of the details.
    details = name.endswith(".details") or kind.startswith("long_sequences")
    if kind.endswith(".full"):
        caption = "Our speed over the best other library in JAX / over PyTorch."
        lines = [caption, "", *_grid(read(record))]
    elif "rows" in record:
        lines = _table(record["rows"][0], (entries.values() for entries in record["rows"]))
    else:
        lines = _every(read(record)) if details else _medians(read(record))
    plot = file.with_suffix(".png")
    if plot.exists() and not details:
        lines += ["", f"![{record['question']}](results/{plot.name})"]
    return "\n".join([f"**{record['question']}**", "", *lines, "", *_footer(record)]) + "\n"


def promises(platform: str, results: Path) -> str:
    """The table of targets; empty as long as none was measured."""
    files = {name: results / f"{name}.{platform}.json" for name in NAMES}
    records = {name: json.loads(f.read_text()) for name, f in files.items() if f.exists()}
    measurements = {name: read(record) for name, record in records.items()}
    found = list(rows(lambda name: measurements.get(name, [])))
    measured = [entries for entries in found if entries[2] != "—"]
    if not measured:
        return ""
    met = sum(verdict == "met" for *_, verdict in measured)
    commits = dict.fromkeys(_commit(record) for record in records.values())
    machines = "; ".join(dict.fromkeys(_machine(record) for record in records.values()))
    lines = _table(("target", "wanted", "measured", ""), found)
    verdict = f"{met} of {len(found)} are met. {machines}; commits {', '.join(commits)}."
    return "\n".join([*lines, "", verdict]) + "\n"


def _medians(measurements: list[Measurement]) -> list[str]:
    """A line for each case, in milliseconds: ours, and the best that each other library has."""
    families = {m.family for m in measurements}
    groups = {OURS: (OURS,), TORCH: (TORCH,), "Flax": FLAX}
    groups |= {family: (family,) for family in (*LIBRARIES[2:], PLAIN)}
    # What is divided among devices is compared with what is, and then with PyTorch once more.
    groups |= {name + EVERY_CORE: tuple(f + EVERY_CORE for f in groups[name]) for name in groups}
    groups |= {family: (family,) for family in sorted(families - set().union(*groups.values()))}
    groups = {name: group for name, group in groups.items() if families & set(group)}
    ours = groups.get(OURS + EVERY_CORE, (OURS,))
    rivals = RIVALS if ours == (OURS,) else (TORCH, *groups.get("Flax" + EVERY_CORE, ()))

    def line(case: Case, what: What) -> Iterable[str]:
        median = partial(best, measurements, case, what)
        entries = [median(group) for group in groups.values()]
        here, there = median(ours), median(rivals)
        ratio = f"{there / here:.2f}" if here and there else "—"
        return (str(case), what, *("—" if e is None else f"{e:.3g}" for e in entries), ratio)

    lines: dict[tuple[Case, What], None] = dict.fromkeys((m.case, m.what) for m in measurements)
    columns = ("case", "ms of", *groups, "best other ÷ ours")
    return _table(columns, (line(case, what) for case, what in lines))


def _grid(measurements: list[Measurement]) -> list[str]:
    """A line for each cell, batch and length: our speed over the others, by number of units."""
    points: dict[tuple[Case, What], None] = dict.fromkeys((m.case, m.what) for m in measurements)
    units = sorted({case.hidden for case, _ in points})
    lines: dict[tuple[Any, ...], dict[int, str]] = {}
    for case, what in points:
        here, *there = (best(measurements, case, what, f) for f in ((OURS,), LIBRARIES, (TORCH,)))
        ratios = (f"{other / here:.2f}" if here and other else "—" for other in there)
        line = lines.setdefault((case.cell, what, case.steps, case.batch), {})
        line[case.hidden] = " / ".join(ratios)
    columns = ("cell", "what", "T", "B", *(f"H={h}" for h in units))
    entries = (
        [*map(str, key), *(line.get(h, "") for h in units)] for key, line in sorted(lines.items())
    )
    return _table(columns, entries)


def _every(measurements: list[Measurement]) -> list[str]:
    entries = [{"case": str(m.case), **row(m)} for m in measurements]
    return _table(entries[0], (entry.values() for entry in entries))


def _footer(record: dict[str, Any]) -> list[str]:
    repeats = record.get("repeats") or max(m["repeats"] for m in record["measurements"])
    missing = [f"Missing, since not installed: {', '.join(record['missing'])}."]
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    about = f"{_machine(record)}, {versions}, commit {_commit(record)}, {repeats} repeats."
    return [*(missing if record["missing"] else []), about]


def _machine(record: dict[str, Any]) -> str:
    cores = f"{record['cores']} core{'s' * (record['cores'] != 1)}"
    return f"{record['date']}, {record['device']} ({record['cpu']}, {cores})"


def _commit(record: dict[str, Any]) -> str:
    return f"{(record['commit'] or 'unknown')[:10]}{' with changes' if record['dirty'] else ''}"


def _table(columns: Iterable[str], lines: Iterable[Iterable[str]]) -> list[str]:
    columns = list(columns)
    return [_line(columns), _line("---" for _ in columns), *(_line(line) for line in lines)]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for readme in READMES:
        readme.write_text(filled(readme.read_text()))
