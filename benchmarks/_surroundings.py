"""What a number depends on besides the script: machine, versions, commit."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("jax", "jaxlib", "flax", "dm-haiku", "equinox", "keras", "onnxruntime", "numpy")


def surroundings(worker: Any = None) -> dict[str, Any]:
    """The entries of a record that say where and with what it was measured."""
    changes = _git("status", "--porcelain", "--", ".", ":!benchmarks/results", ":!*.md")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if changes is None else bool(changes),
        "device": jax.devices()[0].device_kind,
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "versions": {
            "python": platform.python_version(),
            **{package: number for package in PACKAGES if (number := _version(package))},
            **(worker.versions if worker else {}),
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*args: str) -> str | None:
    done = subprocess.run(("git", *args), cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
