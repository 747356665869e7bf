"""MIDI files as piano rolls, and piano rolls as MIDI files."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from .._checks import brief, check_above
from .._files import check_path, replace_file
from .._optional import optional

LOWEST, KEYS = 21, 88  # the lowest key of a piano, A0, and their number
_TICKS = 480  # of a beat in the files that are written
_DRUMS = 9  # the channel whose notes are drums
_VELOCITY = 80
_PURPOSE = "to read or write MIDI files"


def read_midi(path: str | Path, *, frame: float = 0.5) -> Float[np.ndarray, "time 88"]:
    """The piano roll of a MIDI file: `roll[t, k]` is 1 where key `k` sounds in frame `t`.

    Key 0 is the lowest of a piano, A0 (MIDI number 21); key 39 is the middle C. A note sounds from
    the frame boundary next to its start to the one next to its end, for one frame at least. All
    tracks and channels are one piano. Drums, keys beyond the piano, loudness, tempo and pedals are
    left out. A key that is struck again without a silent frame sounds on.

    Args:
        path: the file, of format 0 or 1.
        frame: duration of a frame in beats (quarter notes).

    Raises:
        ValueError: in one line, if the file does not exist, is no such MIDI file, or has no note.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = write_midi(Path(folder, "fifth.mid"), np.eye(88)[[39, 39, 46]])
        ...     read_midi(path).argmax(1)
        array([39, 39, 46])
    """
    frame = check_above("frame", frame)
    file = _parsed(path)
    notes, end = _notes(file)
    ticks = file.ticks_per_beat * frame
    bounds = [(key, round(start / ticks), round(stop / ticks)) for key, start, stop in notes]
    spans = [(key, on, max(on + 1, off)) for key, on, off in bounds if 0 <= key < KEYS]
    if not spans:
        raise ValueError(f"expected a MIDI file with notes of a piano, got {path}: it has none")
    roll = np.zeros((max(round(end / ticks), *(off for *_, off in spans)), KEYS), np.float32)
    for key, on, off in spans:
        roll[on:off, key] = 1
    return roll


def write_midi(
    path: str | Path,
    roll: Float[np.ndarray, "time 88"] | Bool[np.ndarray, "time 88"],
    *,
    frame: float = 0.5,
    tempo: float = 100.0,
) -> Path:
    """Write a piano roll as a MIDI file of one piano; `read_midi` gives the roll again.

    A key that sounds in successive frames is one note, held over all of them.

    Args:
        path: the file to write.
        roll: 1 or true where a key sounds, as `read_midi` gives it.
        frame: duration of a frame in beats (quarter notes).
        tempo: beats a minute.

    Returns:
        The path of the file.

    Raises:
        ValueError: if the roll is not one of 88 keys and of zeros and ones, or a frame is too
            short for the 480 ticks of a beat.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> chord = np.zeros((8, 88))
        >>> chord[:, [39, 43, 46]] = 1  # C major, for four beats
        >>> with TemporaryDirectory() as folder:
        ...     write_midi(Path(folder, "chord.mid"), chord, tempo=60).name
        'chord.mid'
    """
    mido, path = optional("mido", _PURPOSE), check_path(path)
    roll, ticks = _checked(roll), _TICKS * check_above("frame", frame)
    if ticks < 1:
        raise ValueError(f"expected a frame of at least 1/{_TICKS} beats, got {frame}")
    file = mido.MidiFile(type=0, ticks_per_beat=_TICKS)
    track = mido.MidiTrack()
    file.tracks.append(track)
    microseconds = mido.bpm2tempo(check_above("tempo", tempo))
    track.append(mido.MetaMessage("set_tempo", tempo=min(microseconds, 2**24 - 1)))
    closed = np.zeros((1, KEYS), bool)
    changes = np.diff(np.concatenate([closed, roll, closed]).astype(np.int8), axis=0)
    before = 0
    # Notes end before others start at the same tick.
    for time, key in sorted(np.argwhere(changes), key=lambda at: (at[0], changes[*at], at[1])):
        tick = round(time * ticks)
        kind = "note_on" if changes[time, key] > 0 else "note_off"
        note = {"note": int(key) + LOWEST, "velocity": _VELOCITY if kind == "note_on" else 0}
        track.append(mido.Message(kind, time=tick - before, **note))
        before = tick
    track.append(mido.MetaMessage("end_of_track", time=round(len(roll) * ticks) - before))
    content = BytesIO()
    file.save(file=content)
    replace_file(path, content.getvalue())
    return path


def _checked(roll: Any) -> Bool[np.ndarray, "time 88"]:
    """A roll as truth values.

    Raises:
        ValueError: if it is none.
    """
    try:
        array = np.asarray(roll)
    except ValueError:  # rows of unequal length
        array = np.array("")
    whole = array.dtype.kind in "fiub" and np.isin(array, (0, 1)).all()
    if not whole or not array.size or array.shape != (len(array), KEYS):
        raise ValueError(f"expected a piano roll of zeros and ones, [T, {KEYS}], got {brief(roll)}")
    return array.astype(bool)


def _parsed(path: Any) -> Any:
    """A MIDI file, as mido reads it.

    Raises:
        ValueError: in one line, if it is none whose ticks are parts of a beat.
    """
    mido, path = optional("mido", _PURPOSE), check_path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"expected a MIDI file, got {path}: {error.strerror}") from None
    try:
        file = mido.MidiFile(file=BytesIO(content), clip=True)
    # Mido does not check a file: of a broken one it runs past the end, indexes a table that it has
    # not filled, or raises errors of its own, which have no common class.
    except Exception as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"expected a MIDI file, got {path}: {cause}") from None
    if file.type not in (0, 1) or file.ticks_per_beat <= 0 or file.ticks_per_beat >= 2**15:
        raise ValueError(
            f"expected a MIDI file of format 0 or 1 with ticks that are parts of a beat, got {path}"
        )
    return file


def _notes(file: Any) -> tuple[list[tuple[int, int, int]], int]:
    """The key, the start and the end of every note, in ticks, and the end of the file."""
    found, end = [], 0
    for track in file.tracks:
        now, open_notes = 0, {}
        for message in track:
            now += message.time
            if message.type not in ("note_on", "note_off") or message.channel == _DRUMS:
                continue
            voice = message.channel, message.note
            # A note that starts again ends the one before.
            if voice in open_notes:
                found.append((message.note - LOWEST, open_notes.pop(voice), now))
            if message.type == "note_on" and message.velocity:
                open_notes[voice] = now
        found += [(note - LOWEST, start, now) for (_, note), start in open_notes.items()]
        end = max(end, now)
    return found, end
