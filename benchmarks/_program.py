"""What a number depends on wherever it is measured: commit and versions.

It does without JAX, for a process that leaves an accelerator to its workers.
"""

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ("rnnjax", "benchmarks", ":!benchmarks/results", ":!*.md")


def program(packages: Iterable[str]) -> dict[str, Any]:
    """The entries of a record that say what was measured, and when.

    The commit is the last that changed what is measured, and "dirty" tells whether that has
    changed since; text, tests and notebooks may.
    """
    changes = output("git", "status", "--porcelain", "--", *MEASURED)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": output("git", "log", "-1", "--format=%H", "--", *MEASURED) or None,
        "dirty": None if changes is None else bool(changes),
        "cores": cores(),
        "versions": {
            "python": platform.python_version(),
            **{package: found for package in packages if (found := _version(package))},
        },
    }


def cores() -> int:
    """How many cores this process may use."""
    here = getattr(os, "sched_getaffinity", None)
    return len(here(0)) if here else os.cpu_count() or 1


def output(*command: str) -> str | None:
    """What a command in the root of the project writes; `None` if it fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
