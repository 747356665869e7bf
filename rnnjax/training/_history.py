"""The history of a run: a list of records, one a round, that JSON can hold.

Whatever reacts to it (early stopping, a smaller learning rate) is a pure function of it, so a
resumed run reacts as an uninterrupted one.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

Record = dict[str, Any]


def improved(history: Sequence[Record]) -> Any:
    """Whether the last round's held-out loss is the lowest so far; for ensembles, `[members]`.

    Examples:
        >>> improved([{"held_out": 2.0}, {"held_out": 1.0}])
        np.True_
    """
    *before, last = (np.asarray(record["held_out"], float) for record in history)
    return np.isfinite(last) & np.all([~(loss <= last) for loss in before], axis=0)


def rounds_without_improvement(history: Sequence[Record]) -> int:
    """Number of rounds since the held-out loss (that of any member) was lowest.

    Examples:
        >>> rounds_without_improvement([{"held_out": loss} for loss in (3.0, 1.0, 2.0, 1.5)])
        2
    """
    for rounds in range(len(history)):
        if improved(history[: len(history) - rounds]).any():
            return rounds
    return len(history)


def as_table(history: Sequence[Record]) -> Table:
    """The history as a table, a row a round, to be printed by rich.

    An entry of an ensemble stands as its lowest and its highest member.

    Examples:
        >>> as_table([{"step": 10, "loss": 0.5}, {"step": 20, "loss": 0.25}]).row_count
        2
    """
    names = list(dict.fromkeys(name for record in history for name in record))
    table = Table(*(name.replace("_", " ") for name in names))
    for column in table.columns:
        column.justify = "right"
    for record in history:
        table.add_row(*(_shown(record.get(name)) for name in names))
    return table


def describe(record: Record) -> str:
    """A round in one line."""
    return "   ".join(f"{name.replace('_', ' ')} {_shown(entry)}" for name, entry in record.items())


def write_lines(path: Path, history: Sequence[Record]) -> None:
    """Writes a history as JSON lines, all at once."""
    new = path.with_suffix(".new")
    new.write_text("".join(json.dumps(record) + "\n" for record in history))
    new.replace(path)


def _shown(entry: Any) -> str:
    if entry is None:
        return "—"
    if isinstance(entry, int):
        return str(entry)
    low, high = np.min(entry), np.max(entry)
    return f"{low:.4g}" if np.ndim(entry) == 0 else f"{low:.4g} … {high:.4g}"
