"""How a call is timed, the same way for everybody."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

WARM_UP = 3
REPEATS = 31
FEWEST = 7  # of a call so slow that `REPEATS` of them would take more than `SECONDS`
SECONDS = 1.0
QUEUE = 10  # calls that are enqueued before one wait


def timed(call: Callable[[], Any], wait: Callable[[Any], Any]) -> dict[str, Any]:
    """Wall-clock milliseconds of one call: waited for each, and enqueued `QUEUE` at a time."""
    for _ in range(WARM_UP):
        wait(call())
    slowest = min(_seconds(call, wait) for _ in range(2))
    repeats = int(np.clip(SECONDS / slowest, FEWEST, REPEATS))
    times = [1e3 * _seconds(call, wait) for _ in range(repeats)]
    quartile_1, median, quartile_3 = np.quantile(times, (0.25, 0.5, 0.75)).tolist()
    rounds = [_queued(call, wait) for _ in range(3 if repeats == REPEATS else 1)]
    return {
        "repeats": repeats,
        "median_ms": median,
        "quartiles": [quartile_1, quartile_3],
        "enqueued_ms": 1e3 * float(np.median(rounds)),
    }


def _seconds(call: Callable[[], Any], wait: Callable[[Any], Any]) -> float:
    start = time.perf_counter()
    wait(call())
    return time.perf_counter() - start


def _queued(call: Callable[[], Any], wait: Callable[[Any], Any]) -> float:
    start = time.perf_counter()
    for _ in range(QUEUE - 1):
        call()
    wait(call())
    return (time.perf_counter() - start) / QUEUE
