"""Writes the tables in the READMEs, here and at the top, from the records in `results/`.

What stands between `<!-- table: lstm_vs_flax.cpu -->` and `<!-- end -->` is rewritten from
`results/lstm_vs_flax.cpu.json`, and is empty as long as there is no such record.
"""

import json
import re
from pathlib import Path
from typing import Any

from _harness import RESULTS, ROOT, Measurement, verdicts

READMES = (ROOT / "README.md", ROOT / "benchmarks" / "README.md")
BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str, results: Path = RESULTS) -> str:
    """The text with all its tables rewritten from the records."""

    def block(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        record = results / f"{name}.json"
        return start + (markdown(json.loads(record.read_text())) if record.exists() else "") + end

    return BLOCK.sub(block, text)


def markdown(record: dict[str, Any]) -> str:
    """A record as a Markdown table, with its question above and its surroundings below."""
    measurements = [Measurement(**measurement) for measurement in record["measurements"]]
    rows = [measurement.row() for measurement in measurements]
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    commit = f"{(record['commit'] or 'unknown')[:10]}{' with changes' if record['dirty'] else ''}"
    lines = [
        f"**{record['question']}**",
        "",
        _line(rows[0]),
        _line("---" for _ in rows[0]),
        *(_line(row.values()) for row in rows),
        "",
        *(f"* {verdict}" for verdict in verdicts(measurements)),
        "",
        f"{record['date']}, {record['device']} ({record['cpu']}, {record['cores']} cores), "
        f"{versions}, commit {commit}, {measurements[0].repeats} repeats.",
    ]
    return "\n".join(lines) + "\n"


def _line(cells) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for readme in READMES:
        readme.write_text(filled(readme.read_text()))
