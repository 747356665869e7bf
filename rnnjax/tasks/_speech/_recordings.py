"""Recordings of one's own: a folder of WAV files with a table of their words."""

from pathlib import Path

import numpy as np

from ...data import read_table, read_wav
from ._utterances import Speech, Utterance, vocabulary_of

TABLE = "transcripts.tsv"
_LEAST = 10


def recordings(folder: Path, seed: int = 0, rate: int | None = None) -> Speech:
    """The recordings of a folder; a tenth each, at random, for validation and for the test.

    Every line of `transcripts.tsv` has the name of a file, a tab, and its words, separated by
    spaces. Sounds are resampled to `rate`, by default that of the first file. Labels are words if
    there are at most 100 different ones, else characters.

    Raises:
        ValueError: in one line, if a file is missing or no sound, the table has other columns, a
            file has no words, or there are fewer than 10 recordings.
    """
    if not folder.is_dir():
        raise ValueError(
            f"expected 'dialled', 'digits' or a folder of WAV files with {TABLE}, got {folder}"
        )
    table = folder / TABLE
    rows = read_table(table)
    if len(rows[0]) != 2:
        raise ValueError(
            f"expected 2 columns in {table}, the name of a file and its words with a tab between "
            f"them, got {len(rows[0])}"
        )
    wordless = [name for name, words in rows if not words.split()]
    if wordless:
        raise ValueError(f"expected words for every file in {table}, got none for {wordless[0]}")
    if len(rows) < _LEAST:
        raise ValueError(f"expected at least {_LEAST} recordings in {table}, got {len(rows)}")
    rate = rate or read_wav(folder / rows[0][0]).rate
    every = [
        Utterance(read_wav(folder / name, rate).samples, tuple(words.split()))
        for name, words in rows
    ]
    tenth = len(every) // 10
    order = np.random.default_rng(seed).permutation(len(every))
    valid, test, train = (
        [every[i] for i in places] for places in np.split(order, [tenth, 2 * tenth])
    )
    return Speech(train, valid, test, rate, vocabulary_of(every))
