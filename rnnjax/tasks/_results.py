"""Results of a reproduction: one line a run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._files import replace_file
from ..training import Fit, as_table
from ..training._step import num_parameters

Run = dict[str, Any]


def summarise(cell: str, seed: int, run: Fit, **numbers: Any) -> Run:
    """A run as a line: its numbers, and the held-out losses by step."""
    return {
        "cell": cell,
        "seed": seed,
        "parameters": num_parameters(run.state.params),
        **numbers,
        "seconds": round(run.history[-1]["seconds"], 1),
        "history": [[record["step"], round(record["eval_loss"], 5)] for record in run.history],
    }


def report(runs: Sequence[Run], out: Path) -> None:
    """Prints the numbers of all runs and writes them, a line a run."""
    print(as_table([{k: v for k, v in run.items() if k != "history"} for run in runs]))
    out.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(run) + "\n" for run in runs)
    replace_file(out / "results.jsonl", lines.encode())
    print(f"results  {out / 'results.jsonl'}")
