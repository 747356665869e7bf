"""Pictures of ±1 to remember, cues of them with damage, and how well they are recalled."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ... import cells
from ..._optional import optional
from ...data import read_lines
from ...engine import scan
from .._digits import Digits, mnist, sklearn_digits

Memory = cells.Hopfield | cells.ModernHopfield
Rows = Float[np.ndarray, "rows n"]

SETS: dict[str, Callable[[], Digits]] = {"digits": sklearn_digits, "mnist": mnist}
SWEEPS = 10
_CUES = 1000  # of an evaluation
HALF = "lower half unknown"
_SIGNS = {"#": 1.0, ".": -1.0, "?": 0.0}


class Pictures(NamedTuple):
    """Pictures as rows of ±1, where 0 is an unknown pixel, and their height and width."""

    rows: Rows
    shape: tuple[int, int]


def load_pictures(data: str, count: int) -> Pictures:
    """The first pictures of a set, of a folder of images, or of a text file.

    Raises:
        ValueError: in one line, if there are fewer, or the data is of another form.
    """
    if data in SETS:
        digits = SETS[data]()
        found = _in_turn(digits.train_images, digits.train_labels, count)
    elif Path(data).is_dir():
        found = read_images(Path(data))
    elif Path(data).is_file():
        found = read_pictures(data)
        if not found.rows.all():
            raise ValueError(f"expected pictures of '#' and '.' to store, got a '?' in {data}")
    else:
        raise ValueError(
            "expected 'digits', 'mnist', a folder of images, or a text file of pictures, got "
            f"no file {data}"
        )
    if len(found.rows) < count:
        raise ValueError(f"expected at least {count} pictures, got {len(found.rows)} in {data}")
    return Pictures(found.rows[:count], found.shape)


def read_images(folder: Path) -> Pictures:
    """The images in a folder, by name; a pixel above the middle of its image's range is 1.

    Raises:
        ValueError: in one line, if there is no image, or they differ in size.
    """
    pillow, images = optional("PIL.Image", "to read images", "plots"), []
    for path in sorted(folder.iterdir()):
        try:
            images.append(np.asarray(pillow.open(path).convert("L")))
        except OSError:
            continue  # another kind of file, or a folder
    sizes = {image.shape for image in images}
    if len(sizes) != 1:
        raise ValueError(f"expected images of one size in {folder}, got sizes {sorted(sizes)}")
    return _binary(np.stack(images))


def read_pictures(path: str | Path) -> Pictures:
    """The pictures of a text file: lines of `#` and `.`, unknown pixels `?`, an empty line between.

    Raises:
        ValueError: in one line, if a line has other characters, or the pictures differ in size.
    """
    pictures: list[list[str]] = [[]]
    for number, line in enumerate(map(str.strip, read_lines(path)), 1):
        if not set(line) <= set(_SIGNS):
            raise ValueError(
                f"expected pictures of '#', '.' and '?', got {line[:40]!r} in line {number} of "
                f"{path}"
            )
        if line:
            pictures[-1].append(line)
        elif pictures[-1]:
            pictures.append([])
    pictures = [picture for picture in pictures if picture]
    shapes = {(len(picture), len(line)) for picture in pictures for line in picture}
    if len(shapes) != 1:
        raise ValueError(f"expected pictures of one size in {path}, got sizes {sorted(shapes)}")
    rows = [[_SIGNS[sign] for line in picture for sign in line] for picture in pictures]
    return Pictures(np.array(rows), shapes.pop())


def as_text(row: Any, shape: tuple[int, int]) -> str:
    """A picture as lines of `#` and `.`."""
    signs = np.where(np.asarray(row) > 0, "#", ".").reshape(shape)
    return "\n".join(map("".join, signs))


def damaged(pictures: Pictures, noise: float | None, seed: int) -> tuple[Rows, Rows]:
    """Pictures in turn, and cues of them.

    Args:
        pictures: the stored ones.
        noise: share of the pixels that change their sign; `None` makes the lower half unknown.
        seed: of the noise.
    """
    rows = pictures.rows[np.arange(_CUES) % len(pictures.rows)]
    if noise is None:
        return rows, np.where(np.arange(rows.shape[1]) < rows.shape[1] // 2, rows, 0)
    return rows, np.where(np.random.default_rng(seed).random(rows.shape) < noise, -rows, rows)


def answers(pictures: Pictures, cues: Rows, found: Rows) -> dict[str, Rows]:
    """The answers of a network to cues, behind simpler ones."""
    near = pictures.rows[(cues @ pictures.rows.T).argmax(1)]
    return {"the cue itself": cues, "nearest stored picture": near, "this network": found}


def recall(cell: Memory, params: Any, cues: Rows, sweeps: int = SWEEPS) -> np.ndarray:
    """The states after each sweep, `[sweeps, rows, N]`."""
    carry = jnp.asarray(cues, params.w_h.dtype)
    return np.asarray(scan(cell, params, None, carry, length=sweeps)[1])


def right(found: np.ndarray, rows: Rows) -> float:
    """The share of pixels that are right."""
    return float(np.mean(np.sign(found) == rows))


def complete(found: np.ndarray, rows: Rows) -> float:
    """The share of pictures without a wrong pixel."""
    return float(np.mean((np.sign(found) == rows).all(1)))


def overlaps(rule: str, size: int, loads: np.ndarray, seed: int = 0) -> np.ndarray:
    """The mean overlap of recalled and stored random patterns, by load `P / size`.

    Recall starts from the stored patterns themselves, so a memory without errors has 1.
    """
    random, cell = np.random.default_rng(seed), cells.Hopfield(size)
    found = []
    for load in loads:
        rows = random.choice([-1.0, 1.0], (round(load * size), size))
        params = getattr(cell, rule)(rows)
        cues = rows[np.arange(50) % len(rows)]  # as many each time, so that one program serves all
        found.append(np.mean(recall(cell, params, cues, 2 * SWEEPS)[-1] * cues))
    return np.array(found)


def _in_turn(images: np.ndarray, labels: np.ndarray, count: int) -> Pictures:
    """The first images, each digit in its turn."""
    order = [np.flatnonzero(labels == digit) for digit in range(10)]
    turns = range(min(map(len, order)))
    places = [order[digit][turn] for turn in turns for digit in range(10)]
    return _binary(images[places[:count]])


def _binary(images: np.ndarray) -> Pictures:
    values = images.reshape(len(images), -1).astype(float)
    middle = (values.min(1, keepdims=True) + values.max(1, keepdims=True)) / 2
    return Pictures(np.where(values > middle, 1.0, -1.0), images.shape[1:])
