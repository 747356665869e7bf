"""The free spoken digits: 3000 recordings of ten digits by six speakers, single and in strings."""

import io
import zipfile
from pathlib import Path

import numpy as np

from ...data import Vocabulary, data_file
from ._utterances import BLANK, DIGITS, Speech, Utterance

URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/heads/master.zip"
# Of the recordings one after the other, by name: GitHub packs the archive anew.
SHA256 = "ddb17656a0bca4c5ddace082be188ca630516dc2ef1110afe3c4e9cc71173de4"
RATE = 8000
_TEST, _VALID, _TRAIN = range(5), range(5, 10), range(10, 50)  # takes; the first are official

Takes = dict[tuple[str, int, int], np.ndarray]  # by speaker, digit and take


def spoken_digits(seed: int = 0, strings: int = 4000) -> Speech:
    """Single digits, and strings of up to five of one speaker with short silences between them.

    Takes 0 to 4 of each digit and speaker are the official test set. Takes 5 to 9 are for
    validation. Strings of the test are of test takes only.
    """
    name = "speech/free-spoken-digit-dataset.zip"
    path = data_file(
        name, url=URL, sha256=SHA256, part=lambda content: b"".join(_files(content).values())
    )
    takes = read_takes(path.read_bytes())
    random = np.random.default_rng(seed)
    train, valid, test = (_single(takes, some) for some in (_TRAIN, _VALID, _TEST))
    few = max(strings // 10, 1)
    return Speech(
        train + _strings(takes, _TRAIN, strings, 2, random),
        valid + _strings(takes, _VALID, few, 2, random),
        _strings(takes, _TEST, few, 1, random),
        RATE,
        Vocabulary((BLANK, *DIGITS)),
        train,
        test,
    )


def read_takes(content: bytes) -> Takes:
    """The recordings of an archive."""
    from scipy.io import wavfile

    takes: Takes = {}
    for name, file in _files(content).items():
        digit, speaker, take = name.split("_")
        _, samples = wavfile.read(io.BytesIO(file))
        takes[speaker, int(digit), int(take)] = samples.astype(np.float32) / 2**15
    return takes


def _files(content: bytes) -> dict[str, bytes]:
    """The files `…/recordings/{digit}_{speaker}_{take}.wav` of an archive by their stems."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = {Path(name).stem: name for name in archive.namelist() if ".wav" in name}
            return {stem: archive.read(names[stem]) for stem in sorted(names)}
    except zipfile.BadZipFile:
        return {}


def _single(takes: Takes, some: range) -> list[Utterance]:
    return [
        Utterance(samples, (DIGITS[digit],))
        for (_, digit, take), samples in takes.items()
        if take in some
    ]


def _strings(
    takes: Takes, some: range, count: int, least: int, random: np.random.Generator
) -> list[Utterance]:
    speakers = sorted({speaker for speaker, _, _ in takes})

    def string() -> Utterance:
        speaker = speakers[random.integers(len(speakers))]
        digits = random.integers(0, 10, random.integers(least, 6)).tolist()
        parts = [_silence(random)]
        for digit in digits:
            parts += [takes[speaker, digit, int(random.choice(some))], _silence(random)]
        return Utterance(np.concatenate(parts), tuple(DIGITS[digit] for digit in digits))

    return [string() for _ in range(count)]


def _silence(random: np.random.Generator) -> np.ndarray:
    """Faint noise for up to a fifth of a second."""
    size = int(random.uniform(0, 0.2) * RATE)
    return (3e-4 * random.normal(size=size)).astype(np.float32)
