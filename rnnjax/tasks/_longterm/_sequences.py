"""Labelled sequences: pictures of digits read pixel by pixel, and tables of one's own."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from ...data import Batch, read_table
from .._application import split
from .._digits import Digits

_LEAST = 20


class Sequences(NamedTuple):
    """Sequences to learn from, to choose by, and to report, and the names of their classes."""

    train: Batch
    valid: Batch
    test: Batch
    classes: tuple[str, ...]
    picture: tuple[int, int] | None = None  # height and width, of pictures

    @property
    def scale(self) -> tuple[float, float]:
        """The mean and the standard deviation of what there is to learn from."""
        values = (
            self.train.inputs if self.train.mask is None else self.train.inputs[self.train.mask]
        )
        return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64)) or 1.0


def read_pictures(
    images: UInt8[np.ndarray, "n height width"], read: str, seed: int
) -> Float[np.ndarray, "n t f"]:
    """Pictures as sequences, from 0 to 1: of rows, of pixels, or of pixels in a random order.

    Args:
        images: the pictures.
        read: "rows", "pixels" or "permuted".
        seed: of the order, which is the same for all pictures.
    """
    count, height, width = images.shape
    if read == "rows":
        return images.astype(np.float32) / 255
    flat = images.reshape(count, height * width, 1)
    if read == "permuted":
        flat = flat[:, np.random.default_rng(seed).permutation(height * width)]
    return flat.astype(np.float32) / 255


def digit_sequences(digits: Digits, read: str, seed: int) -> Sequences:
    """Digits as sequences; the last tenth of those to learn from is to choose by."""
    images, labels = digits.train_images, digits.train_labels.astype(np.int32)
    cut = len(images) - len(images) // 10
    pairs = [
        (images[:cut], labels[:cut]),
        (images[cut:], labels[cut:]),
        (digits.test_images, digits.test_labels.astype(np.int32)),
    ]
    parts = (Batch(read_pictures(shown, read, seed), named) for shown, named in pairs)
    height, width = images.shape[1:]
    return Sequences(*parts, classes=tuple(map(str, range(10))), picture=(height, width))


def own_sequences(path: str) -> Sequences:
    """The sequences of a table with a row each: a label, then its values.

    This is the form of the UCR archive: without a header, padded with NaN. Of a file whose name
    contains `_TRAIN`, the one with `_TEST` in its place is the test, and a fifth is to choose by;
    of another file, a tenth each.

    Raises:
        ValueError: in one line, if it is no such table, has fewer than 20 rows or one label, or
            the test has other lengths or labels.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(
            "expected 'adding', 'copy', 'digits', 'mnist' or a .csv or .tsv file with a label and "
            f"then values in every row, got no file {path}"
        )
    labels, values = _read(file)
    other = file.with_name(file.name.replace("_TRAIN", "_TEST"))
    order = np.arange(len(labels))
    if other != file and other.is_file():
        test_labels, test_values = _read(other)
        if test_values.shape[1] != values.shape[1]:
            raise ValueError(
                f"expected {values.shape[1]} values in every row of {other}, as in {path}, got "
                f"{test_values.shape[1]}"
            )
        if len(order) < _LEAST:
            raise ValueError(f"expected at least {_LEAST} sequences, got {len(order)} in {path}")
        order = np.random.default_rng(0).permutation(order)
        valid, train = np.split(order, [len(order) // 5])
        test = len(labels) + np.arange(len(test_labels))
        labels, values = labels + test_labels, np.concatenate([values, test_values])
    else:
        train, valid, test = map(np.array, split(range(len(labels)), "sequences", _LEAST))
    classes = tuple(sorted({labels[k] for k in train}))
    if len(classes) < 2:
        raise ValueError(f"expected at least two different labels in {path}, got {labels[0]!r}")
    if strange := sorted({*labels} - {*classes}):
        raise ValueError(
            f"expected the labels {', '.join(classes)}, which are learnt from, got {strange[0]!r}"
        )
    numbers = np.array([classes.index(label) for label in labels], np.int32)
    seen = ~np.isnan(values)
    whole = Batch(np.where(seen, values, 0)[..., None], numbers, mask=None if seen.all() else seen)
    return Sequences(*(_rows(whole, chosen) for chosen in (train, valid, test)), classes=classes)


def _rows(batch: Batch, chosen: np.ndarray) -> Batch:
    mask = None if batch.mask is None else np.asarray(batch.mask)[chosen]
    return Batch(batch.inputs[chosen], batch.targets[chosen], mask=mask)


def _read(path: Path) -> tuple[list[str], np.ndarray]:
    """The labels and the values `[N, T]` of a table."""
    rows = read_table(path)
    if len(rows) > 1 and not _is_number(rows[0][-1]):
        rows = rows[1:]
    try:
        values = np.array([[float(cell or "nan") for cell in row[1:]] for row in rows], np.float32)
    except ValueError as error:
        raise ValueError(f"expected numbers behind the labels in {path}: {error}") from None
    if not values.shape[1] or np.isnan(values).all(1).any() or np.isinf(values).any():
        raise ValueError(f"expected a label and finite values in every row of {path}, got none")
    return [row[0].strip() for row in rows], values


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True
