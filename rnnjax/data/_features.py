"""Features of sound: the spectrum on the mel scale, and its normalisation."""

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from .._checks import brief, check_above, check_array, check_number, check_positive
from .._numerics import carry_dtype


def log_mel(
    samples: Float[ArrayLike, "*batch n"],
    rate: int,
    *,
    window: float = 0.025,
    step: float = 0.01,
    mels: int = 40,
    low: float = 0.0,
    high: float | None = None,
    floor: float = 1e-10,
) -> Float[Array, "*batch frames mels"]:
    """The energies of overlapping frames in bands of the mel scale, as natural logarithms.

    A frame is weighted by a periodic Hann window and filled up with zeros to a power of two.
    Bands are triangles of height 1 over its power spectrum, linear in mels, whose centres are
    equally far apart in mels; a frequency `f` has `2595 log10(1 + f / 700)` mels, as in HTK. Only
    frames that lie within the samples count: `1 + (n - window) // step`.

    Args:
        samples: the sound; 1 is full scale.
        rate: samples a second.
        window: duration of a frame in seconds.
        step: time from a frame to the next in seconds.
        mels: number of bands.
        low: lower edge of the first band in Hz.
        high: upper edge of the last band in Hz; by default half the rate.
        floor: the least energy, which keeps silence finite.

    Raises:
        ValueError: if there are fewer samples than in a frame, an option is out of range, or a
            band is narrower than the resolution of the spectrum.

    Examples:
        >>> time = jnp.arange(800) / 8000
        >>> energies = log_mel(jnp.sin(2 * jnp.pi * 1000 * time), 8000, mels=20)
        >>> energies.shape, energies.mean(0).argmax()  # 1000 Hz are 1000 of 2146 mels
        ((8, 20), Array(9, dtype=int32))

    Reference:
        S. Young et al., The HTK book, 2006, section 5.4.
    """
    samples = _as_floats("samples", samples, 1, "[*batch, n]")
    rate, mels = check_positive("rate", rate), check_positive("mels", mels)
    size = check_positive("window * rate", round(check_above("window", window) * rate))
    hop = check_positive("step * rate", round(check_above("step", step) * rate))
    if samples.shape[-1] < size:
        raise ValueError(
            f"expected at least {size} samples, one window of {window:g} s, got {samples.shape[-1]}"
        )
    high = rate / 2 if high is None else check_above("high", high)
    if not 0 <= check_number("low", low) < high <= rate / 2:
        raise ValueError(
            f"expected 0 <= low < high <= {rate / 2:g} Hz, half the rate, got low={low:g} and "
            f"high={high:g}"
        )
    bands = _bands(mels, rate, 2 ** (size - 1).bit_length(), float(low), float(high))
    return _energies(samples, bands, check_above("floor", floor), size=size, hop=hop)


@partial(jax.jit, static_argnames=("size", "hop"))
def _energies(samples: Array, bands: Any, floor: Any, *, size: int, hop: int) -> Array:
    starts = np.arange(0, samples.shape[-1] - size + 1, hop)
    frames = samples[..., starts[:, None] + np.arange(size)]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    hann = hann.astype(frames.dtype).reshape((1,) * (frames.ndim - 1) + (size,))
    spectrum = jnp.fft.rfft(frames * hann, 2 * (bands.shape[0] - 1))
    power = spectrum.real**2 + spectrum.imag**2
    # A GPU may otherwise round the factors to fewer bits.
    energies = jnp.matmul(power, bands.astype(power.dtype), precision="highest")
    return jnp.log(jnp.maximum(energies, floor))


@lru_cache(maxsize=16)
def _bands(mels: int, rate: int, size: int, low: float, high: float) -> np.ndarray:
    """The weight of each frequency of a transform of `size` samples in each band."""

    def mel(frequency: Any) -> Any:
        return 2595 * np.log10(1 + frequency / 700)

    edges = np.linspace(mel(low), mel(high), mels + 2)
    found = mel(np.arange(size // 2 + 1) * (rate / size))[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (found - left) / (centre - left), (right - found) / (right - centre)
    weights = np.maximum(0, np.minimum(rising, falling))
    if not weights.any(0).all():
        raise ValueError(
            f"expected bands wider than the {rate / size:.0f} Hz between frequencies of the "
            f"spectrum, got mels={mels}, of which one is empty; a longer window resolves more"
        )
    return weights


def standardized(
    features: Float[ArrayLike, "*batch time features"],
    mask: Bool[ArrayLike, "*batch time"] | None = None,
) -> Float[Array, "*batch time features"]:
    """Each feature of an utterance with mean 0 and variance 1 over its valid frames.

    `(x - mean) / sqrt(variance + 1e-5)`. Speech recognition calls it mean and variance
    normalisation; it removes the level of a recording and the colour of its microphone. A feature
    that does not vary becomes 0 within rounding; masked frames become 0.

    Args:
        features: for example those of `log_mel`.
        mask: true at the valid frames, as `valid_steps` makes it; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together.

    Examples:
        >>> standardized(jnp.array([[1.0, 5.0], [3.0, 5.0]]))
        Array([[-0.999995,  0.      ],
               [ 0.999995,  0.      ]], dtype=float32)
    """
    features = _as_floats("features", features, 2, "[*batch, time, features]")
    mask = jnp.ones(features.shape[:-1], bool) if mask is None else check_array("mask", mask)
    if mask.dtype != jnp.bool_ or mask.shape != features.shape[:-1]:
        raise ValueError(
            f"expected a bool mask of shape {list(features.shape[:-1])}, got {brief(mask)}; does "
            "it need .astype(bool)?"
        )
    valid = mask[..., None]
    count = jnp.maximum(valid.sum(-2, keepdims=True), 1).astype(features.dtype)
    centred = jnp.where(valid, features, 0)
    centred = jnp.where(valid, centred - centred.sum(-2, keepdims=True) / count, 0)
    variance = (centred**2).sum(-2, keepdims=True) / count
    return centred / jnp.sqrt(variance + 1e-5)


def _as_floats(name: str, value: Any, axes: int, shape: str) -> Array:
    value = check_array(name, value)
    if not jnp.issubdtype(value.dtype, jnp.floating) or value.ndim < axes:
        raise ValueError(f"expected {name} {shape} of real floating numbers, got {brief(value)}")
    return value.astype(carry_dtype(value.dtype))
