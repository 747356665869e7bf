"""Pictures of handwritten digits: a small set that scikit-learn carries, and MNIST."""

import gzip
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

from .._optional import optional
from ..data import data_file

_HOME = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_SHA256 = {  # of the decompressed files
    "train-images-idx3": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_TEST = 360  # of the 1797 pictures of scikit-learn


class Digits(NamedTuple):
    """Pictures `[N, height, width]` from 0, paper, to 255, ink, and their digits `[N]`."""

    train_images: UInt8[np.ndarray, "n height width"]
    train_labels: Int[np.ndarray, "n"]
    test_images: UInt8[np.ndarray, "m height width"]
    test_labels: Int[np.ndarray, "m"]


def sklearn_digits() -> Digits:
    """The 1797 digits of 8 x 8 pixels in scikit-learn; the last fifth is for tests.

    Raises:
        ValueError: in one line, if scikit-learn is missing.
    """
    digits = optional("sklearn.datasets", "for its digits").load_digits()
    images, labels = map(np.asarray, (digits.images, digits.target))
    images = np.round(images * (255 / 16)).astype(np.uint8)
    return Digits(images[:-_TEST], labels[:-_TEST], images[-_TEST:], labels[-_TEST:])


def mnist() -> Digits:
    """The 60 000 and 10 000 digits of MNIST, of 28 x 28 pixels, as `data_file` finds them.

    Raises:
        OSError: in one line, if a file is not there and cannot be downloaded.
        ValueError: in one line, if it is another file.
    """
    return Digits(*(read_idx(_content(name)) for name in _SHA256))


def read_idx(content: bytes) -> np.ndarray:
    """The array of bytes in a file of the form idx.

    Raises:
        ValueError: if it is none.
    """
    axes = content[3] if content[:3] == b"\0\0\x08" else 0
    start = 4 + 4 * axes
    shape = tuple(int(n) for n in np.frombuffer(content[4:start], ">u4"))
    if not axes or len(content) != start + math.prod(shape):
        raise ValueError(f"expected a file of bytes in the form idx, got {len(content)} bytes")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _content(name: str) -> bytes:
    file = f"{name}-ubyte.gz"
    path = data_file(f"images/{file}", url=_HOME + file, sha256=_SHA256[name], part=gzip.decompress)
    return gzip.decompress(path.read_bytes())
