"""What a number depends on besides the script: machine, versions, commit."""

import platform
from pathlib import Path
from typing import Any

import jax
from _program import program

PACKAGES = ("jax", "jaxlib", "flax", "dm-haiku", "equinox", "keras", "onnxruntime", "numpy")


def surroundings(worker: Any = None) -> dict[str, Any]:
    """The entries of a record that say where and with what it was measured."""
    about = program(PACKAGES)
    about["versions"] |= worker.versions if worker else {}
    return {**about, "device": jax.devices()[0].device_kind, "cpu": _cpu_model()}


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
