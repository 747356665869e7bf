"""Recorded sound: WAV files as samples."""

import warnings
from io import BytesIO
from math import gcd
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .._checks import brief, check_positive


class Audio(NamedTuple):
    """Sound of one channel."""

    samples: Float[np.ndarray, "n"]  # full scale is 1
    rate: int  # samples a second


def read_wav(path: str | Path, rate: int | None = None) -> Audio:
    """The samples of a WAV file in float32, scaled so that full scale is 1.

    Several channels become their mean. SciPy reads integers (PCM) of 8, 16, 24 and 32 bits and
    floats. Bytes behind the sound, such as tags, are left out.

    Args:
        path: the file.
        rate: samples a second to resample to; by default those of the file.

    Raises:
        ValueError: in one line, if the file does not exist, is empty, or is no WAV file of
            integers or floats.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from scipy.io import wavfile
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "click.wav")
        ...     wavfile.write(path, 8000, np.array([0, 16384, -32768], np.int16))
        ...     read_wav(path)
        Audio(samples=array([ 0. ,  0.5, -1. ], dtype=float32), rate=8000)
    """
    if not isinstance(path, str | Path):
        raise ValueError(f"expected the path of a WAV file, got {brief(path)}")
    found, samples = _read(Path(path))
    if samples.ndim == 2:
        samples = samples.mean(1, dtype=np.float32)
    if rate is None or check_positive("rate", rate) == found:
        return Audio(samples, found)
    from scipy.signal import resample_poly

    common = gcd(rate, found)
    return Audio(resample_poly(samples, rate // common, found // common), rate)


def _read(path: Path) -> tuple[int, np.ndarray]:
    """The rate and the scaled samples `[n]` or `[n, channels]`."""
    from scipy.io import wavfile

    expected = f"expected a WAV file of PCM or float samples, got {path}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"expected a WAV file, got {path}: {error.strerror}") from None
    if not content:
        raise ValueError(f"{expected}: it is empty")
    try:
        with warnings.catch_warnings():
            # SciPy warns of tags, and of sound that is shorter than its header says.
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate, samples = wavfile.read(BytesIO(content))
    # SciPy does not check a header: of a broken one it divides by 0, unpacks too few bytes, or
    # reads a variable that it has not set.
    except Exception as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{expected}: {cause}") from None
    if not samples.size:
        raise ValueError(f"{expected}: it has no samples")
    if not np.isfinite(samples).all():
        raise ValueError(f"{expected}: it has samples that are NaN or infinite")
    return rate, _scaled(samples)


def _scaled(samples: np.ndarray) -> np.ndarray:
    """Samples in float32; SciPy puts 24 bits into the upper ones of 32."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    middle = half if samples.dtype.kind == "u" else 0.0
    return ((samples - middle) / half).astype(np.float32)
