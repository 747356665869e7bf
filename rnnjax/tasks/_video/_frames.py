"""Frames as the networks take them: numbers from 0 to 1, patches as pixels, full batches."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

_ROWS = 50


def patches(
    frames: UInt8[np.ndarray, "*lead height width"], size: int = 1
) -> Float[np.ndarray, "*lead h w pixels"]:
    """Frames of 0 to 1 whose pixels are patches of `size * size` pixels."""
    *lead, height, width = frames.shape
    blocks = frames.reshape(*lead, height // size, size, width // size, size)
    blocks = blocks.swapaxes(-3, -2).reshape(*lead, height // size, width // size, size**2)
    return blocks.astype(np.float32) / 255


def joined(
    patched: Float[np.ndarray, "*lead h w pixels"], size: int
) -> Float[np.ndarray, "*lead height width"]:
    """The frames whose patches these are."""
    *lead, height, width, _ = patched.shape
    blocks = patched.reshape(*lead, height, width, size, size).swapaxes(-3, -2)
    return blocks.reshape(*lead, height * size, width * size)


def in_parts(function: Callable[[Any], Any], rows: np.ndarray) -> np.ndarray:
    """A function of rows, called for few at a time, of equal number, so that one program serves."""
    found = []
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        full = np.resize(some, (_ROWS, *rows.shape[1:])) if len(rows) > _ROWS else some
        found.append(np.asarray(function(full))[: len(some)])
    return np.concatenate(found)
