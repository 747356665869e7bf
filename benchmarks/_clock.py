"""How long calls take: each as in a loop of its own, all of them in turn. Needs only Python."""

import random
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

Name = TypeVar("Name", bound=Hashable)

WARM_UP = 0.005  # seconds of untimed calls before the one that is timed
LONG = 0.25  # a call that takes so many seconds needs no others before it


def seconds(call: Callable[[], Any]) -> float:
    """The time of one call that follows others of its own, untimed.

    Its threads are awake then and its data is near, as in a loop, whoever computed before and
    however long it had to wait for its turn. A long call warms up by itself.
    """
    warm = time.perf_counter() + WARM_UP
    while True:
        start = time.perf_counter()
        call()
        taken = time.perf_counter() - start
        if start >= warm or taken >= LONG:
            return taken


def in_turn(clocks: Mapping[Name, Callable[[], float]], repeats: int) -> dict[Name, list[float]]:
    """What each clock says, `repeats` times, one after the other in an order shuffled every time.

    So the machine's moods fall on all alike, and nobody always has the same one before.
    """
    order, shuffle = list(clocks), random.Random(0).shuffle
    times: dict[Name, list[float]] = {name: [] for name in clocks}
    for _ in range(repeats):
        shuffle(order)
        for name in order:
            times[name].append(clocks[name]())
    return times
