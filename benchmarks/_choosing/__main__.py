"""A cell on a task, in a process of its own: `python -m _choosing CELL TASK SECONDS FILE`."""

import json
import sys
from pathlib import Path

from .training import train


def main(cell: str, task: str, seconds: str, file: str) -> None:
    """Writes the rows, all of them or none."""
    rows = train(cell, task, float(seconds))
    part = Path(file).with_suffix(".part")
    part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    part.rename(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
