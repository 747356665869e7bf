"""Pieces for four voices, made from a small grammar of harmony."""

from functools import lru_cache
from itertools import pairwise, product

import numpy as np
from jaxtyping import Float, Int

from ...data._midi import KEYS, LOWEST

_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 11)}
# The degrees that may follow a degree, and how often; the first is 0, the tonic.
_NEXT = {
    0: {1: 2, 2: 1, 3: 3, 4: 3, 5: 3},
    1: {4: 4, 6: 1},
    2: {3: 2, 5: 3},
    3: {0: 2, 1: 2, 4: 4},
    4: {0: 5, 5: 2},
    5: {1: 2, 3: 2, 4: 1},
    6: {0: 1},
}
_CADENCES = ((4, 0), (4, 0), (3, 0), (1, 4))
_PHRASES, _CHORDS = 4, 8
# Bass, tenor, alto and soprano, as MIDI numbers.
_RANGES = ((40, 60), (48, 67), (55, 74), (60, 81))
_WIDEST = 12  # interval of neighbours above the bass
_PASSING = 0.6  # share of the thirds that are filled by the note between


def made_piece(rng: np.random.Generator) -> Float[np.ndarray, "time 88"]:
    """A piece of four phrases: two frames a chord, four for the last one of a phrase.

    Chords follow each other by a grammar of degrees, and end in a cadence. Voices move little, and
    fill some thirds with the note between them, which belongs to no chord.
    """
    tonic, scale = int(rng.integers(12)), _SCALES[str(rng.choice(list(_SCALES)))]
    degrees = [degree for _ in range(_PHRASES) for degree in _phrase(rng)]
    chords: list[np.ndarray] = []
    for place, degree in enumerate(degrees):
        triad = tuple((tonic + scale[(degree + step) % 7]) % 12 for step in (0, 2, 4))
        ends = (place + 1) % _CHORDS == 0
        inverted = not ends and rng.random() < 0.25
        before = chords[-1] if chords else np.array([48, 58, 64, 71])
        chords.append(_voiced(rng, triad, triad[int(inverted)], before))
    notes = {(tonic + step) % 12 for step in scale}
    roll = np.zeros((_PHRASES * (2 * _CHORDS + 2), KEYS), np.float32)
    now = 0
    for place, (chord, after) in enumerate(pairwise([*chords, chords[-1]])):
        last = (place + 1) % _CHORDS == 0
        for frame in range(4 if last else 2):
            passing = frame == 1 and not last
            sounding = _passed(rng, chord, after, notes) if passing else chord
            roll[now, sounding - LOWEST] = 1
            now += 1
    return roll


def _phrase(rng: np.random.Generator) -> list[int]:
    """The degrees of a phrase, which starts on the tonic and ends in a cadence."""
    cadence = _CADENCES[rng.integers(len(_CADENCES))]
    while True:
        degrees = [0]
        while len(degrees) < _CHORDS - 2:
            after, weights = zip(*_NEXT[degrees[-1]].items(), strict=True)
            degrees.append(int(rng.choice(after, p=np.divide(weights, sum(weights)))))
        if cadence[0] in _NEXT[degrees[-1]]:
            return [*degrees, *cadence]


def _voiced(
    rng: np.random.Generator, triad: tuple[int, ...], bass: int, before: Int[np.ndarray, "4"]
) -> Int[np.ndarray, "4"]:
    """The notes of a chord, near those of the one before."""
    found = _voicings(tuple(sorted(triad)), bass)
    moves = found - before
    # Voices that stay or step are likelier than leaps, and all in one direction unlikely.
    cost = np.abs(moves).sum(1) / 3 + 3 * (np.abs(np.sign(moves).sum(1)) == 4)
    weights = np.exp(cost.min() - cost)
    return found[rng.choice(len(found), p=weights / weights.sum())]


@lru_cache(maxsize=256)
def _voicings(triad: tuple[int, ...], bass: int) -> Int[np.ndarray, "n 4"]:
    """All notes of four voices that make a triad over a bass."""
    ranges = [range(low, high + 1) for low, high in _RANGES]
    low = [note for note in ranges[0] if note % 12 == bass]
    others = [[note for note in voice if note % 12 in triad] for voice in ranges[1:]]
    return np.array(
        [
            (b, t, a, s)
            for b, t, a, s in product(low, *others)
            if b < t < a < s
            and max(a - t, s - a) <= _WIDEST
            and {note % 12 for note in (b, t, a, s)} == {*triad}
        ]
    )


def _passed(
    rng: np.random.Generator, chord: np.ndarray, after: np.ndarray, notes: set[int]
) -> Int[np.ndarray, "4"]:
    """A chord whose bass or soprano may already be on its way, by a third, to the next one."""
    chord = chord.copy()
    for voice in (0, 3):
        first, last = sorted((int(chord[voice]), int(after[voice])))
        between = [note for note in range(first + 1, last) if note % 12 in notes]
        free = last - first in (3, 4) and len(between) == 1 and between[0] not in chord
        if free and rng.random() < _PASSING:
            chord[voice] = between[0]
    return chord
