"""The measured numbers by which the engine chooses; `explain` prints them."""

# Rows, steps times batch, to project at once: fewer make a slow product, more leave the cache.
PROJECTED_ROWS = 512

# Steps of a chunk that are not worth dividing further.
STEPS_OF_A_CHUNK = 16

# Bytes of input weights that a CPU may as well read at every step, if no gradient is wanted.
INPUT_WEIGHT_BYTES = 2**19


# Entries of weight matrices from which compiling a loop from C++ pays.
NATIVE_WEIGHTS = 1024


def describe() -> tuple[str, ...]:
    """The numbers in words.

    Examples:
        >>> describe()[0]
        'NativeLoop compiles from 1024 weights on'
    """
    return (
        f"NativeLoop compiles from {NATIVE_WEIGHTS} weights on",
        f"Loop projects chunks of up to {PROJECTED_ROWS} rows; without a gradient on a CPU, "
        f"step by step below {INPUT_WEIGHT_BYTES // 1024} kB",
    )
