"""Made data: telephone numbers in the dual tones of a keypad, on lines good and bad."""

from collections.abc import Sequence

import numpy as np

from ...data import Vocabulary
from ._utterances import BLANK, DIGITS, Speech, Utterance

RATE = 8000
_ROWS, _COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477)  # Hz
_KEYS = "123456789*0#"


def dialled(seed: int = 0, count: int = 2000) -> Speech:
    """Numbers of 3 to 7 digits, and half as many single digits.

    Durations, gaps, levels, noise, and the error of the tones are random for each number. A tenth
    as many numbers are for validation, and as many for the test.
    """
    random = np.random.default_rng(seed)

    def numbers(count: int, least: int, most: int) -> list[Utterance]:
        sizes = random.integers(least, most + 1, count)
        return [_number(random.integers(0, 10, size), random) for size in sizes]

    tenth, half = max(count // 10, 1), max(count // 2, 10)
    train, valid, test = (numbers(n, 3, 7) for n in (count, tenth, tenth))
    single, other = numbers(half, 1, 1), numbers(half, 1, 1)
    vocabulary = Vocabulary((BLANK, *DIGITS))
    return Speech(train + single, valid, test, RATE, vocabulary, single, other)


def _number(digits: Sequence[int], random: np.random.Generator) -> Utterance:
    error, twist = random.uniform(-0.015, 0.015), 10 ** random.uniform(-0.2, 0.2)
    parts = [_silence(random)]
    for digit in digits:
        row, column = divmod(_KEYS.index(str(digit)), 3)
        time = np.arange(int(random.uniform(0.06, 0.2) * RATE)) / RATE
        low, high = (2 * np.pi * f * (1 + error) for f in (_ROWS[row], _COLUMNS[column]))
        parts += [np.sin(low * time) + twist * np.sin(high * time), _silence(random)]
    clean = np.concatenate(parts)
    noise = 10 ** random.uniform(-1.5, 0.2) * random.normal(size=len(clean))
    samples = 0.2 * 10 ** random.uniform(-1.0, 0.0) * (clean + noise)
    return Utterance(samples.astype(np.float32), tuple(DIGITS[digit] for digit in digits))


def _silence(random: np.random.Generator) -> np.ndarray:
    return np.zeros(int(random.uniform(0.04, 0.2) * RATE))
