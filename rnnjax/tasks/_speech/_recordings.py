"""Recordings of one's own: a folder of WAV files with a table of their words."""

from pathlib import Path

from ...data import read_table, read_wav
from .._application import split
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
    parts = split(rows, f"recordings in {table}", _LEAST, seed)
    rate = rate or read_wav(folder / rows[0][0]).rate

    def heard(name: str, words: str) -> Utterance:
        return Utterance(read_wav(folder / name, rate).samples, tuple(words.split()))

    train, valid, test = ([heard(*row) for row in part] for part in parts)
    return Speech(train, valid, test, rate, vocabulary_of([*train, *valid, *test]))
