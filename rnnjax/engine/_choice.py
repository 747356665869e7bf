"""The measured numbers by which the engine chooses; `explain` prints them."""

# Rows, steps times batch, to project at once: fewer make a slow product, more leave the cache.
PROJECTED_ROWS = 512

# Steps of a chunk that are not worth dividing further.
STEPS_OF_A_CHUNK = 16

# Bytes of input weights that a CPU may as well read at every step, if no gradient is wanted.
INPUT_WEIGHT_BYTES = 2**19


def describe() -> str:
    """The numbers in words.

    Examples:
        >>> describe()
        'projects chunks of up to 512 rows; without a gradient on a CPU, step by step below 512 kB'
    """
    return (
        f"projects chunks of up to {PROJECTED_ROWS} rows; without a gradient on a CPU, step by "
        f"step below {INPUT_WEIGHT_BYTES // 1024} kB"
    )
