"""How much memory the process takes during one call. Needs nothing but Python."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any


def memory(call: Callable[[], Any]) -> tuple[int, int] | None:
    """Bytes by which the resident set grows at most while `call` runs, and its peak.

    What was freed before is given back to the system first, and the mark of the highest
    resident set, which only the kernel sees without gaps, is reset. `None` where that is not
    possible, which is everywhere but on Linux.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        call()
        peak = _status("VmHWM")
    except (OSError, AttributeError, TypeError):
        return None
    return max(peak - before, 0), peak


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
