"""WAV files, log-mel features and SpecAugment."""

import struct
import wave
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.io import wavfile

from rnnjax.data import log_mel, read_wav, standardized
from rnnjax.layers import Dense, Pool, Sequential, SpecAugment
from rnnjax.losses import valid_steps

RATE = 8000


# WAV files


def sound(channels=1, count=500):
    """Samples between -1 and 1, both included."""
    samples = np.random.default_rng(0).uniform(-1, 0.99, (count, channels))
    samples[0], samples[1] = -1, 0.99
    return samples


def write_pcm(path, samples, bits):
    """Integers by the standard library, which writes bytes as they are."""
    half = 2 ** (bits - 1)
    values = np.round(samples * half).astype(np.int64) + (half if bits == 8 else 0)
    content = b"".join(int(v).to_bytes(bits // 8, "little", signed=bits > 8) for v in values.flat)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(bits // 8)
        file.setframerate(RATE)
        file.writeframes(content)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
@pytest.mark.parametrize("channels", [1, 2])
def test_integers_of_every_width_are_read_at_full_scale_and_channels_become_their_mean(
    tmp_path, bits, channels
):
    samples = sound(channels)
    write_pcm(tmp_path / "a.wav", samples, bits)
    found, rate = read_wav(tmp_path / "a.wav")
    assert (rate, found.dtype, found.shape) == (RATE, np.float32, (500,))
    np.testing.assert_allclose(found, samples.mean(1), atol=2.0**-bits + 1e-6)
    assert found[0] == -1


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_floats_are_read_as_they_are(tmp_path, kind):
    samples = 3 * sound(2)
    wavfile.write(tmp_path / "a.wav", 44100, samples.astype(kind))
    found, rate = read_wav(str(tmp_path / "a.wav"))
    assert (rate, found.dtype) == (44100, np.float32)
    np.testing.assert_allclose(found, samples.mean(1), 1e-5, 1e-6)


def test_tags_and_a_header_that_promises_too_much_are_no_obstacle(tmp_path):
    path = tmp_path / "a.wav"
    write_pcm(path, sound(), 16)
    content = path.read_bytes()
    tag = b"LIST" + struct.pack("<I", 8) + b"INFOabcd"
    path.write_bytes(content[:36] + tag + content[36:])
    np.testing.assert_allclose(read_wav(path).samples, sound()[:, 0], atol=1e-4)
    endless = content[:40] + struct.pack("<I", 4000) + content[44:]  # as a pipe writes it
    path.write_bytes(endless)
    np.testing.assert_allclose(read_wav(path).samples, sound()[:, 0], atol=1e-4)


@pytest.mark.parametrize("rate", [44100, 8000, 48000, 11025])
def test_a_sound_is_resampled(tmp_path, rate):
    time = np.arange(rate) / rate
    wavfile.write(tmp_path / "a.wav", rate, np.sin(2 * np.pi * 440 * time).astype(np.float32))
    found = read_wav(tmp_path / "a.wav", RATE)
    assert (found.rate, found.samples.dtype, len(found.samples)) == (RATE, np.float32, RATE)
    expected = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(found.samples[500:-500], expected[500:-500], atol=5e-3)


def header(tag, bits=8, data=b"\x01" * 64):
    fmt = struct.pack("<HHIIHH", tag, 1, RATE, RATE * bits // 8, bits // 8, bits)
    chunks = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "a WAV file, got .*: No such file"),
        (b"", "a WAV file of PCM or float samples, got .*: it is empty"),
        (b"ID3\x04 some music", "PCM or float samples, got .*: File format"),
        (b"just text", "PCM or float samples, got .*: File format"),
        (b"RIFF\x10\x00\x00\x00AVI LIST", "PCM or float samples, got .*: Not a WAV file"),
        (header(7), "PCM or float samples, got .*: Unknown wave file format: MULAW"),
        (header(2, 8), "PCM or float samples, got .*: Unknown wave file format: ADPCM"),
        (header(1, 8, b""), "PCM or float samples, got .*: it has no samples"),
        (header(3, 32, struct.pack("<ff", 1, np.nan)), "PCM .*: it has samples that are NaN"),
        (header(1)[:20], "a WAV file of PCM or float samples, got .*: "),
        (header(1)[:36], "a WAV file of PCM or float samples, got .*: "),
        (header(1, 0), "a WAV file of PCM or float samples, got .*: "),
    ],
)
def test_a_file_that_is_no_sound_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_wav(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


# Log-mel features


def reference(samples, rate, window, step, mels, low, high):
    """The definition in float64: a direct Fourier transform, bands one frequency at a time."""
    size, hop = round(window * rate), round(step * rate)
    points = 1 << (size - 1).bit_length()
    bins = np.arange(points // 2 + 1)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(size), bins) / points)
    hann = np.sin(np.pi * np.arange(size) / size) ** 2
    starts = range(0, len(samples) - size + 1, hop)
    power = np.stack([abs((samples[s : s + size] * hann) @ waves) ** 2 for s in starts])

    def mel(f):
        return 1127.0104803341574 * np.log(1 + f / 700)  # 2595 / ln 10

    width = (mel(high) - mel(low)) / (mels + 1)
    energies = np.zeros((len(power), mels))
    for k in range(mels):
        centre = mel(low) + (k + 1) * width
        for bin in bins:
            weight = 1 - abs(mel(bin * rate / points) - centre) / width
            energies[:, k] += max(0, weight) * power[:, bin]
    return np.log(np.maximum(energies, 1e-10))


def speech_like(rate, seconds=0.2):
    random = np.random.default_rng(1)
    time = np.arange(int(rate * seconds)) / rate
    tones = sum(np.sin(2 * np.pi * f * time) / f * 200 for f in (210, 420, 1330, 2500))
    return 0.3 * tones * np.sin(9 * time) + 0.01 * random.normal(size=len(time))


@pytest.mark.parametrize(
    "rate, options",
    [
        (8000, {"window": 0.025, "step": 0.01, "mels": 40, "low": 0.0, "high": 4000.0}),
        (16000, {"window": 0.032, "step": 0.02, "mels": 26, "low": 80.0, "high": 7000.0}),
    ],
)
def test_log_mel_equals_its_definition_in_float64(rate, options):
    samples = speech_like(rate)
    expected = reference(samples, rate, **options)
    found = log_mel(samples.astype(np.float32), rate, **options)
    assert found.shape == expected.shape and found.dtype == np.float32
    assert np.ptp(expected) > 5
    np.testing.assert_allclose(found, expected, atol=1e-4)
    # Any axes before time, and the defaults.
    batch = np.stack([[samples, samples[::-1]]]).astype(np.float32)
    found = jax.jit(partial(log_mel, rate=rate, **options))(batch)
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-4)
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        whole = log_mel(samples, rate, **options)
    np.testing.assert_allclose(whole, expected, 1e-9)


def test_log_mel_of_silence_is_the_floor_and_its_gradient_is_finite():
    assert np.all(log_mel(np.zeros(400), RATE, floor=1e-4) == np.float32(np.log(1e-4)))
    gradient = jax.grad(lambda x: log_mel(x, RATE).sum())
    assert not np.any(gradient(jnp.zeros(400)))
    samples = jnp.asarray(speech_like(RATE, 0.05))
    with jax.enable_x64(True):
        samples = jnp.asarray(speech_like(RATE, 0.05))
        step = 1e-6 * np.eye(len(samples))[123]
        slope = (log_mel(samples + step, RATE) - log_mel(samples - step, RATE)).sum() / 2e-6
        np.testing.assert_allclose(gradient(samples)[123], slope, 1e-5)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"samples": np.zeros(100)}, "at least 200 samples, one window of 0.025 s, got 100"),
        ({"samples": np.zeros(400, np.int16)}, "samples .* of real floating numbers, got int16"),
        ({"samples": 1.0}, r"samples \[\*batch, n\]"),
        ({"rate": 0}, "rate to be a positive integer, got 0"),
        ({"window": 0.0}, "window to be above 0"),
        ({"window": 1e-5}, r"window \* rate to be a positive integer, got 0"),
        ({"step": 1e-5}, r"step \* rate to be a positive integer, got 0"),
        ({"low": -1.0}, "0 <= low < high <= 4000 Hz, half the rate, got low=-1 and high=4000"),
        ({"low": 300.0, "high": 200.0}, "0 <= low < high .* got low=300 and high=200"),
        ({"high": 4001.0}, "0 <= low < high <= 4000 Hz.* high=4001"),
        ({"mels": 128}, "bands wider than the 31 Hz .* got mels=128, of which one is empty"),
        ({"floor": 0.0}, "floor to be above 0"),
    ],
)
def test_log_mel_refuses_what_does_not_fit(options, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        log_mel(**{"samples": np.zeros(400), "rate": RATE} | options)


# Normalisation


def test_standardized_features_have_mean_0_and_variance_1_over_the_valid_frames():
    random = np.random.default_rng(2)
    features = random.normal(3, 5, (3, 8, 4)).astype(np.float32)
    features[..., 3] = -23  # silence at the floor
    mask = random.random((3, 8)) < 0.7
    mask[2] = False
    garbage = np.where(mask[..., None], features, np.nan)
    found = standardized(garbage, mask)
    gradient = jax.grad(lambda x: (standardized(x, mask) ** 3).sum())(garbage)
    assert np.isfinite(gradient).all() and not np.any(np.asarray(gradient)[~mask])
    assert np.any(np.asarray(gradient)[mask])
    for row, valid, whole in zip(found, mask, features, strict=True):
        assert not np.any(row[~valid])
        if valid.any():
            kept = whole[valid][:, :3].astype(float)
            np.testing.assert_allclose(
                row[valid][:, :3], (kept - kept.mean(0)) / kept.std(0), 1e-4, 1e-5
            )
            np.testing.assert_allclose(row[valid][:, 3], 0, atol=1e-3)
    np.testing.assert_allclose(standardized(features[0][mask[0]]), found[0][mask[0]], 1e-4, 1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((np.zeros(3),), r"features \[\*batch, time, features\]"),
        ((np.zeros((3, 2)), np.ones(3)), r"a bool mask of shape \[3\], got float"),
        ((np.zeros((3, 2)), np.ones((3, 2), bool)), r"a bool mask of shape \[3\], got bool\[3, 2"),
    ],
)
def test_standardized_refuses_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        standardized(*arguments)


# SpecAugment


def hidden(layer, lengths, seeds=200, steps=12, features=6, mask=None):
    """What the layer zeroes, `[seeds, B, T, F]`."""
    xs = jnp.ones((len(lengths), steps, features))
    run = partial(layer.apply, (), xs, lengths=np.array(lengths), mask=mask)
    keys = jax.random.split(jax.random.key(0), seeds)
    ys = np.asarray(jax.jit(jax.vmap(lambda key: run(key=key)[1]))(keys))
    assert set(np.unique(ys)) <= {0.0, 1.0}
    return ys == 0


def test_one_stretch_of_time_is_uniform_in_width_and_lies_within_the_valid_steps():
    layer = SpecAugment(time_width=3, time_masks=1)
    found = hidden(layer, [12, 5, 1, 0], seeds=2000)
    assert (found[..., :1] == found).all()  # all features alike
    found = found[..., 0]
    widths = found[:, 0].sum(-1)
    np.testing.assert_allclose(np.bincount(widths) / 2000, 0.25, atol=0.04)
    for row in found[:50, 0]:
        assert (np.diff(np.flatnonzero(row)) == 1).all()
    # Beyond the length the output is zero anyway.
    inside = found[:, 1, :5]
    assert set(inside.sum(-1)) == {0, 1, 2, 3} and inside[:, 0].any() and inside[:, 4].any()
    np.testing.assert_allclose(found[:, 2, 0].mean(), 0.5, atol=0.05)  # of width 0 or 1


def test_bands_of_features_are_the_same_at_every_step_and_differ_between_sequences():
    found = hidden(SpecAugment(frequency_width=2, frequency_masks=2), [12, 12])
    assert (found[:, :, :1] == found).all()
    counts = found[:, :, 0].sum(-1)
    assert set(counts.ravel()) == {0, 1, 2, 3, 4}
    assert (found[:, 0] != found[:, 1]).any() and found[..., 0].any() and found[..., 5].any()


def test_a_share_of_the_valid_steps_bounds_a_stretch_and_gaps_are_not_there():
    layer = SpecAugment(time_width=9, time_masks=1, time_share=0.5)
    mask = np.ones((1, 12), bool)
    mask[0, 3:6] = False
    found = hidden(layer, [10], mask=mask)[:, 0, :, 0][:, np.r_[0:3, 6:10]]
    assert set(found.sum(-1)) == {0, 1, 2, 3}
    assert all((np.diff(np.flatnonzero(row)) == 1).all() for row in found)


def test_spec_augment_without_a_key_or_a_width_is_the_identity_and_hides_nan():
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 3)))
    layer = SpecAugment(time_width=4, frequency_width=2)
    np.testing.assert_array_equal(layer.apply((), xs)[1], xs)
    key = jax.random.key(1)
    np.testing.assert_array_equal(SpecAugment().apply((), xs, key=key)[1], xs)
    everything = hidden(SpecAugment(frequency_width=9, frequency_masks=50), [12], seeds=1)
    assert everything.all()
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        gradient = jax.grad(lambda xs: layer.apply((), xs, key=key)[1].sum())(xs)
    assert set(np.unique(gradient)) == {0.0, 1.0}
    model = Sequential((SpecAugment(time_width=4), Dense(2), Pool("mean")))
    params = model.init(key, 3)
    lengths = np.array([5, 2])
    garbage = jnp.where(np.asarray(valid_steps(lengths, 5))[..., None], xs, np.nan)
    run = partial(model.apply, params, lengths=lengths, key=key)
    np.testing.assert_array_equal(run(garbage)[1], run(xs)[1])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"time_width": -1}, "time_width to be an integer of at least 0, got -1"),
        ({"time_masks": 0}, "time_masks to be a positive integer, got 0"),
        ({"time_share": 0.0}, "time_share to be above 0"),
        ({"time_share": 1.5}, "time_share to be at most 1, got 1.5"),
    ],
)
def test_spec_augment_refuses_what_does_not_fit(options, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        SpecAugment(**options)
