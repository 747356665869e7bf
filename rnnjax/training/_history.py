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

from .._checks import brief
from .._files import replace_file
from .._tables import as_text
from ..diagnostics._axes import axes

Record = dict[str, Any]


def check_history(history: Any, *names: str) -> Sequence[Record]:
    """A history as it is.

    Raises:
        ValueError: unless it is a list of records that have entries of all names.

    Examples:
        >>> check_history([{"step": 1}], "step")
        [{'step': 1}]
    """
    records = isinstance(history, list | tuple) and all(isinstance(r, dict) for r in history)
    if not records or any(name not in record for record in history for name in names):
        needed = f" with {' and '.join(names)}" * bool(names)
        raise ValueError(
            f"expected a history, a list of records{needed} such as run.history, got "
            f"{brief(history)}; does fit evaluate?"
        )
    return history


def held_out_losses(history: Sequence[Record]) -> np.ndarray:
    """The held-out losses of all rounds: one axis, or two with the members of an ensemble.

    Raises:
        ValueError: unless there is a round, and every round has a loss.

    Examples:
        >>> held_out_losses([{"eval_loss": 2.0}, {"eval_loss": 1.0}])
        array([2., 1.])
    """
    losses = [record["eval_loss"] for record in check_history(history, "eval_loss")]
    array = np.asarray(losses)
    if not losses or array.dtype.kind not in "fiu":
        raise ValueError(
            f"expected a history of held-out losses, got {losses or 'none'}; does fit evaluate?"
        )
    return array.astype(np.float64)


def improved(history: Sequence[Record]) -> Any:
    """Whether the last round's held-out loss is the lowest so far; for ensembles, `[members]`.

    Examples:
        >>> improved([{"eval_loss": 2.0}, {"eval_loss": 1.0}])
        np.True_
    """
    *before, last = held_out_losses(history)
    return np.isfinite(last) & np.all([~(loss <= last) for loss in before], axis=0)


def rounds_without_improvement(history: Sequence[Record]) -> int:
    """Number of rounds since the held-out loss (that of any member) was lowest.

    Examples:
        >>> rounds_without_improvement([{"eval_loss": loss} for loss in (3.0, 1.0, 2.0, 1.5)])
        2
    """
    for rounds in range(len(check_history(history))):
        if improved(history[: len(history) - rounds]).any():
            return rounds
    return len(history)


class HistoryTable(Table):
    """A table that `print` shows, and a notebook."""

    def __str__(self) -> str:
        return as_text(self, width=10_000)

    __repr__ = __str__


def as_table(history: Sequence[Record]) -> HistoryTable:
    """The history as a table to print, a row a round.

    An entry of an ensemble is shown as its lowest and its highest member.

    Examples:
        >>> print(as_table([{"step": 10, "loss": 0.5}, {"step": 20, "loss": 0.25}]))
        ┏━━━━━━┳━━━━━━┓
        ┃ step ┃ loss ┃
        ┡━━━━━━╇━━━━━━┩
        │   10 │  0.5 │
        │   20 │ 0.25 │
        └──────┴──────┘
    """
    check_history(history)
    names = list(dict.fromkeys(name for record in history for name in record))
    table = HistoryTable(*(name.replace("_", " ") for name in names))
    for column in table.columns:
        column.justify = "right"
    for record in history:
        table.add_row(*(_shown(record.get(name)) for name in names))
    return table


def plot_history(history: Sequence[Record], ax: Any = None) -> Any:
    """Draws the losses of a run over its steps; for an ensemble, a line a member.

    Needs matplotlib.

    Args:
        history: of a run, `run.history`.
        ax: the axes to draw into; new ones by default.

    Returns:
        The axes.

    Raises:
        ValueError: if the history has no round.

    Examples:
        >>> ax = plot_history([{"step": 10, "loss": 0.5}, {"step": 20, "loss": 0.25}])
        >>> ax.get_xlabel()
        'training step'
    """
    if not check_history(history, "step"):
        raise ValueError("expected a history of at least one round, got an empty one")
    ax = axes(ax)
    steps = [record["step"] for record in history]
    for name, color, label in (("loss", "C0", "training"), ("eval_loss", "C1", "held out")):
        losses = np.array([record.get(name, np.nan) for record in history], float)
        if np.isnan(losses).all():
            continue
        lines = ax.plot(steps, losses, color=color, marker="." if len(steps) < 30 else "")
        lines[0].set_label(f"{label}, lowest {np.nanmin(losses):.4g}")
    ax.set(xlabel="training step", ylabel="loss", title="Loss during training")
    ax.legend()
    return ax


def describe(record: Record) -> str:
    """A round in one line."""
    return "   ".join(f"{name.replace('_', ' ')} {_shown(entry)}" for name, entry in record.items())


def write_lines(path: Path, history: Sequence[Record]) -> None:
    """Writes a history as JSON lines, all at once."""
    replace_file(path, "".join(json.dumps(record) + "\n" for record in history).encode())


def _shown(entry: Any) -> str:
    if entry is None:
        return "—"
    if isinstance(entry, int | str):
        return str(entry)
    low, high = np.min(entry), np.max(entry)
    return f"{low:.4g}" if np.ndim(entry) == 0 else f"{low:.4g} … {high:.4g}"
