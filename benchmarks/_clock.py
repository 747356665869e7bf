"""Time and memory of one call. It needs Python alone, since PyTorch's process imports it, too."""

import ctypes
import os
import random
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

Name = TypeVar("Name", bound=Hashable)

WARM_UP = 0.005  # seconds of untimed calls before the timed one
LONG = 0.25  # seconds from which on a call needs no others before it


def seconds(call: Callable[[], Any]) -> float:
    """The time of one call that follows others of its own, untimed.

    Its threads are awake then and its data is in the caches, as in a loop. A long call warms
    up by itself.
    """
    warm = time.perf_counter() + WARM_UP
    while True:
        start = time.perf_counter()
        call()
        taken = time.perf_counter() - start
        if start >= warm or taken >= LONG:
            return taken


def in_turn(clocks: Mapping[Name, Callable[[], float]], repeats: int) -> dict[Name, list[float]]:
    """The times of each clock, `repeats` of them, one after the other in a shuffled order.

    Changes of the machine's speed meet all clocks alike, and none always follows the same one.
    """
    order, shuffle = list(clocks), random.Random(0).shuffle
    times: dict[Name, list[float]] = {name: [] for name in clocks}
    for _ in range(repeats):
        shuffle(order)
        for name in order:
            times[name].append(clocks[name]())
    return times


def memory(call: Callable[[], Any]) -> tuple[int, int] | None:
    """Bytes by which the resident set grows at most during a call, and its peak.

    Freed memory is first given back to the system, and the kernel's mark of the highest
    resident set is reset. `None` where that is not possible, which is everywhere but on Linux.
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


def cores() -> int:
    """The number of cores that this process may use."""
    here = getattr(os, "sched_getaffinity", None)
    return len(here(0)) if here else os.cpu_count() or 1


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
