"""Compares the outputs that the notebooks store with those of a fresh run, or stores these.

    docs/fresh.py FOLDER        # the notebooks of a run are FOLDER/…/NAME.ipynb
    docs/fresh.py FOLDER NAME   # stores those of NAME.ipynb

Words have to be the same, and numbers near: training amplifies the rounding, which differs between
processors. The lines of `fit` are left out. A cell with the tag "varies" prints times, or text that
a model writes: of it, only the number of its pictures is compared.
"""

import base64
import difflib
import json
import math
import re
import sys
from collections.abc import Iterator
from io import BytesIO
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


def store(fresh: Path) -> None:
    """Stores the outputs of a run, without its times, and pictures in 256 colours."""
    from PIL import Image

    found = json.loads(fresh.read_text())
    for cell in found["cells"]:
        cell["metadata"].pop("execution", None)
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                picture, few = Image.open(BytesIO(base64.b64decode("".join(png)))), BytesIO()
                colours = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
                colours.save(few, "png", optimize=True)
                output["data"]["image/png"] = base64.b64encode(few.getvalue()).decode()
    text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True)
    (NOTEBOOKS / fresh.name).write_text(text + "\n")


def main() -> int:
    """Prints the differences, and returns 1 if there are some; or stores what is named."""
    folder, *names = sys.argv[1:]
    runs = {path.name: path for path in Path(folder).rglob("*.ipynb") if path.is_file()}
    if names:
        for name in names:
            store(runs[f"{name}.ipynb"])
        return 0
    found = []
    for stored in sorted(NOTEBOOKS.glob("*.ipynb")):
        found += differences(stored, runs[stored.name])
    print(*found, f"{len(found)} cells with other outputs than stored", sep="\n")
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main())
