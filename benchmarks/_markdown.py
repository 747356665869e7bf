"""Tables in Markdown."""

from collections.abc import Iterable


def table(columns: Iterable[str], lines: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table."""
    columns = list(columns)
    rows = [columns, ["---"] * len(columns), *lines]
    return [f"| {' | '.join(row)} |" for row in rows]
