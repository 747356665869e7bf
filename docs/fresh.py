"""Compares the outputs that the notebooks store with those of a fresh run.

    docs/fresh.py FOLDER        # with the notebooks of a run, FOLDER/…/NAME.ipynb

Words have to be the same, and numbers near: training amplifies the rounding, which differs between
processors. The lines of `fit` are left out. A cell with the tag "varies" prints times, or text that
a model writes: of it, only the number of its pictures is compared.
"""

import difflib
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")
PROGRESS = re.compile(r"^(step \d|compiling|resum).*\n?", re.MULTILINE)
NEAR = {"rel_tol": 0.3, "abs_tol": 0.05}


def pictures(cell: dict[str, Any]) -> int:
    """The number of pictures that a cell shows."""
    return sum("image/png" in output.get("data", {}) for output in cell["outputs"])


def text(cell: dict[str, Any]) -> str:
    """All that a cell printed, and the text of its result."""
    found = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        shown = output.get("text", [] if "image/png" in data else data.get("text/plain", []))
        found.append("".join(shown))
    return PROGRESS.sub("", "".join(found))


def alike(stored: str, fresh: str) -> bool:
    """True if two texts have the same words and near numbers.

    Examples:
        >>> alike("loss  1.20 of 3", "loss 1.25 of 3"), alike("loss 1.2", "loss 2.4")
        (True, False)
    """
    words, numbers = ([NUMBER.sub("#", t).split() for t in (stored, fresh)], [])
    for t in (stored, fresh):
        numbers.append([float(number) for number in NUMBER.findall(t)])
    if words[0] != words[1]:
        return False
    return all(math.isclose(a, b, **NEAR) for a, b in zip(*numbers, strict=True))


def differences(stored: Path, fresh: Path) -> Iterator[str]:
    """A message for each cell whose outputs are not those of a fresh run."""
    pairs = zip(*(json.loads(path.read_text())["cells"] for path in (stored, fresh)), strict=True)
    for place, (old, new) in enumerate(pairs):
        if old["cell_type"] != "code":
            continue
        varies = "varies" in old["metadata"].get("tags", [])
        texts = text(old), text(new)
        if pictures(old) != pictures(new):
            yield f"{stored.name}, cell {place}: {pictures(old)} pictures, fresh {pictures(new)}"
        elif not varies and not alike(*texts):
            before, after = (t.splitlines() for t in texts)
            lines = difflib.unified_diff(before, after, "stored", "fresh", n=0, lineterm="")
            yield f"{stored.name}, cell {place}:\n" + "\n".join(lines)


def main() -> int:
    """Prints the differences; returns 1 if there are some."""
    folder = Path(sys.argv[1])
    runs = {path.name: path for path in folder.rglob("*.ipynb") if path.is_file()}
    found = []
    for stored in sorted(NOTEBOOKS.glob("*.ipynb")):
        found += differences(stored, runs[stored.name])
    print(*found, f"{len(found)} cells with other outputs than stored", sep="\n")
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main())
