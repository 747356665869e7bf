"""The measured numbers by which the engine chooses; `explain` prints them."""

from math import prod
from typing import Any

# Rows, steps times batch, to project at once: fewer make a slow product, more leave the cache.
PROJECTED_ROWS = 512

# Steps of a chunk that are not worth dividing further.
STEPS_OF_A_CHUNK = 16

# Bytes of input weights that a CPU may as well read at every step, if no gradient is wanted.
INPUT_WEIGHT_BYTES = 2**19

# Entries of weights from which the time pays to compile the native loop, some tenths of a second.
NATIVE_WEIGHTS = 2**10

# Steps from which it pays to pack the weights.
NATIVE_STEPS = 8

# With fewer rows than these, cores do better to share the work on so many weights than on rows.
NATIVE_ROWS, SHARED_WEIGHTS = 4, 2**18


def slower(weights: int, batch: tuple, steps: Any) -> str | None:
    """The reason why the native loop is not the fastest at these sizes, or `None`.

    Examples:
        >>> slower(100, (32,), 50)
        '100 weights are too few to be worth compiling'
    """
    if weights < NATIVE_WEIGHTS:
        return f"{weights} weights are too few to be worth compiling"
    if not isinstance(steps, int) or steps < NATIVE_STEPS:
        return f"{steps} steps are too few to be worth packing the weights"
    rows = prod(n for n in batch if isinstance(n, int))
    if rows < NATIVE_ROWS and weights >= SHARED_WEIGHTS:
        return f"there are {rows} rows for {weights} weights, which cores do better to share"
    return None


def describe() -> tuple[str, ...]:
    """The numbers in words.

    Examples:
        >>> describe()[0]
        'NativeLoop from 1024 weights and 8 steps on; from 262144 weights on with at least 4 rows'
    """
    return (
        f"NativeLoop from {NATIVE_WEIGHTS} weights and {NATIVE_STEPS} steps on; from "
        f"{SHARED_WEIGHTS} weights on with at least {NATIVE_ROWS} rows",
        f"Loop projects chunks of up to {PROJECTED_ROWS} rows; without a gradient on a CPU, "
        f"step by step below {INPUT_WEIGHT_BYTES // 1024} kB",
    )
