"""What scripts share that make a table of their own: their options, and how rows are kept."""

import argparse
import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from _clock import in_turn, seconds
from _harness import RESULTS
from _surroundings import surroundings
from rich.console import Console
from rich.table import Table

Name = TypeVar("Name", bound=Hashable)


def quartiles(calls: Mapping[Name, Callable[[], Any]], repeats: int) -> dict[Name, np.ndarray]:
    """The three quartiles of the milliseconds of every call, each waited for, all in turn."""

    def clock(call: Callable[[], Any]) -> float:
        return 1e3 * seconds(lambda: jax.block_until_ready(call()))

    times = in_turn({name: partial(clock, call) for name, call in calls.items()}, repeats)
    return {name: np.quantile(found, (0.25, 0.5, 0.75)) for name, found in times.items()}


def options(doc: str | None, seeds: int | None = None) -> argparse.Namespace:
    """The options of a script; of one that trains, with so many seeds, also their number."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, and no record")
    if seeds is None:
        parser.add_argument("--repeats", type=int, help="timed calls of each contestant")
    else:
        parser.add_argument("--seeds", type=int, default=seeds, help="runs of each network")
    parser.add_argument("--out", type=Path, help="where to write the record")
    found = parser.parse_args()
    found.question = parser.description
    return found


def place(script: str, options: argparse.Namespace) -> Path | None:
    """Where the record goes; `None` where none is kept."""
    if options.smoke:
        return options.out
    return options.out or RESULTS / f"{Path(script).stem}.{jax.default_backend()}.json"


def keep(out: Path | None, question: str, rows: list[dict[str, str]], **entries: Any) -> None:
    """Shows the rows as a table, and writes the record, with other entries."""
    table = Table(*rows[0], title=question)
    for row in rows:
        table.add_row(*row.values())
    Console(width=160, highlight=False).print(table)
    if out:
        about = {"question": question, **surroundings(), "missing": []}
        out.parent.mkdir(parents=True, exist_ok=True)
        record = {**about, **entries, "rows": rows}
        out.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def spread(values: Iterable[float], form: str) -> str:
    """Mean and standard deviation over seeds, each as `form` says."""
    values = list(values)
    if len(values) == 1:
        return format(values[0], form)
    return f"{np.mean(values):{form}} ± {np.std(values, ddof=1):{form}}"


def size(params: Any) -> int:
    """Number of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
