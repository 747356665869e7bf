"""Texts as tokens, and batches of them."""

from typing import Any, NamedTuple

import numpy as np

from ...data import Batch, Batches, data_file, load_text, streams, windows
from ._units import Units

_HELD_OUT_ROWS = 16
_LARGEST_HELD_OUT = 200_000
_SHAKESPEARE = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)
_CHECKSUM = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


class Data(NamedTuple):
    """A text as tokens."""

    train: np.ndarray  # tokens to learn from
    held_out: np.ndarray  # the tokens after them
    units: Units  # the tokens' meaning
    text: str  # the beginning of the held-out text


def read(data: str) -> str:
    """The text of a data set or of a file."""
    if data == "shakespeare":
        return load_text(data_file("text/tinyshakespeare.txt", url=_SHAKESPEARE, sha256=_CHECKSUM))
    return load_text(None if data == "documentation" else data)


def split(text: str) -> tuple[str, str]:
    """The text to learn from, and the tenth at its end that is held out."""
    cut = len(text) - min(len(text) // 10, _LARGEST_HELD_OUT)
    return text[:cut], text[cut:]


def load(config: Any) -> Data:
    """The data of a run."""
    text = read(config.data)
    known, unseen = split(text)
    # Every character has a token; rare words are unknown, by the text to learn from.
    units = Units.of(config.unit, text if config.unit == "characters" else known)
    train, held_out = units.encode(known), units.encode(unseen)
    if len(held_out) <= config.window:
        raise ValueError(
            f"expected a text of at least {10 * (config.window + 1)} {config.unit}, so that a "
            f"window of {config.window} fits into the tenth that is held out, got "
            f"{len(train) + len(held_out)}"
        )
    return Data(train, held_out, units, unseen[:1000])


def batches(tokens: np.ndarray, config: Any) -> Batches:
    """Windows of a text; every epoch starts at another place, so that they differ."""
    rows = min(config.batch, len(tokens) // (config.window + 1))
    rest = len(tokens) % config.window
    count = ((len(tokens) - rest) // rows - 1) // config.window

    def batch(epoch: int, index: int) -> Batch:
        offset = np.random.default_rng((config.seed, epoch)).integers(rest + 1)
        return windows(streams(tokens[offset:], rows), config.window)(index)

    return Batches(batch, count)


def held_out_windows(tokens: np.ndarray, window: int) -> Any:
    """Windows of a held-out text."""
    rows = min(_HELD_OUT_ROWS, len(tokens) // (window + 1))
    return windows(streams(tokens, max(rows, 1)), window)
