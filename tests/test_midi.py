"""Piano rolls and MIDI files, read back by an independent reader of the bytes."""

import struct
import sys

import numpy as np
import pretty_midi
import pytest

from rnnjax.data import read_midi, write_midi

LOWEST = 21


def notes_of(content):
    """Start and end in beats and MIDI number of every note, and the tempo, by the standard."""
    assert content[:8] == b"MThd\0\0\0\x06"
    _, tracks, division = struct.unpack(">HHH", content[8:14])
    place, found, tempo = 14, [], None
    for _ in range(tracks):
        assert content[place : place + 4] == b"MTrk"
        end = place + 8 + struct.unpack(">I", content[place + 4 : place + 8])[0]
        place, now, status, sounding = place + 8, 0, 0, {}
        while place < end:
            delta, place = variable(content, place)
            now += delta
            if content[place] & 0x80:
                status, place = content[place], place + 1
            if status == 0xFF:
                kind, (size, place) = content[place], variable(content, place + 1)
                if kind == 0x51:
                    tempo = 6e7 / int.from_bytes(content[place : place + size], "big")
                place += size
                continue
            note, velocity = content[place : place + 2]
            place += 2
            if status >> 4 == 9 and velocity:
                assert note not in sounding
                sounding[note] = now
            elif status >> 4 in (8, 9):
                found.append((sounding.pop(note) / division, now / division, note))
        assert not sounding
    return sorted(found), tempo


def variable(content, place):
    value = 0
    while True:
        byte = content[place]
        value, place = value << 7 | byte & 0x7F, place + 1
        if not byte & 0x80:
            return value, place


def message(delta, *rest):
    return bytes([delta, *rest])


def file_of(*tracks, kind=1, division=4):
    """A MIDI file of tracks of bytes; `division` ticks are a beat."""
    head = b"MThd" + struct.pack(">IHHH", 6, kind, len(tracks), division)
    return head + b"".join(b"MTrk" + struct.pack(">I", len(t)) + t for t in tracks)


def ending(delta=0):
    return message(delta, 0xFF, 0x2F, 0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "piece.mid"


@pytest.mark.parametrize("frame", [0.5, 1 / 3, 1, 2.5, 0.07])
def test_a_roll_is_written_and_read_back_unchanged(path, frame):
    random = np.random.default_rng(0)
    roll = random.random((40, 88)) < 0.2
    roll[[0, 1, -1]] = False  # silence at both ends is music, too
    roll[5:9, [0, 87]] = True
    assert write_midi(path, roll, frame=frame, tempo=90) == path
    back = read_midi(path, frame=frame)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, roll)
    found, tempo = notes_of(path.read_bytes())
    closed = np.zeros((1, 88), int)
    changes = np.diff(np.concatenate([closed, roll, closed]), axis=0)
    wanted = [
        (on * frame, off * frame, key + LOWEST)
        for key in range(88)
        for on, off in zip(*(np.flatnonzero(changes[:, key] == s) for s in (1, -1)), strict=True)
    ]
    np.testing.assert_allclose(found, sorted(wanted), atol=1 / 480)
    assert tempo == pytest.approx(90, 1e-4)


def test_another_library_hears_the_same(path):
    roll = np.random.default_rng(1).random((30, 88)) < 0.1
    write_midi(path, roll, frame=0.5, tempo=60)  # so that a second is a beat
    heard = np.zeros_like(roll)
    for note in pretty_midi.PrettyMIDI(str(path)).instruments[0].notes:
        heard[round(2 * note.start) : round(2 * note.end), note.pitch - LOWEST] = True
    np.testing.assert_array_equal(heard, roll)


def test_files_of_others_are_read_as_the_docstring_says(path):
    piano = (
        message(0, 0x90, 60, 90)  # with a running status behind it
        + message(1, 64, 70)  # a quarter of a beat late: rounds to the beat
        + message(3, 60, 0)  # a note that ends by a velocity of 0
        + message(0, 60, 50)  # struck again at once: it sounds on
        + message(4, 0x80, 60, 0)
        + message(0, 0x80, 64, 0)
        + message(0, 0xB0, 64, 127)  # the pedal
        + message(0, 0x90, 67, 1)
        + message(1, 0x80, 67, 0)  # too short for a frame: one frame
        + message(3, 0x90, 20, 90)  # below the piano
        + message(0, 0x80, 20, 0)
        + ending()
    )
    drums = message(0, 0x99, 40, 90) + message(8, 0x89, 40, 0) + ending()
    flute = message(4, 0x91, 72, 90) + ending(12)  # a note without an end
    path.write_bytes(file_of(piano, drums, flute))
    roll = read_midi(path, frame=1)
    sounding = [[LOWEST + k for k in np.flatnonzero(frame)] for frame in roll]
    assert sounding == [[60, 64], [60, 64, 72], [67, 72], [72]]
    assert read_midi(path, frame=0.5).shape == (8, 88)
    path.write_bytes(file_of(piano, kind=0))
    assert read_midi(str(path), frame=1).shape == (3, 88)


@pytest.mark.parametrize(
    "content, cause",
    [
        (None, "expected a MIDI file, got .*: No such file"),
        (b"", "expected a MIDI file, got"),
        (b"RIFF----WAVEfmt ", "expected a MIDI file, got"),
        (file_of(message(0, 0x90, 60, 9) + ending())[:27], "expected a MIDI file, got"),
        (file_of(ending(), kind=2), "expected a MIDI file of format 0 or 1"),
        (file_of(ending(), division=0xE728), "expected a MIDI file of format 0 or 1"),
        (file_of(ending(9)), "expected a MIDI file with notes of a piano"),
    ],
)
def test_other_files_get_one_clear_line(path, content, cause):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=cause) as caught:
        read_midi(path)
    assert "\n" not in str(caught.value)


def test_without_mido_there_is_one_clear_line(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mido", None)
    for call in (lambda: read_midi(path), lambda: write_midi(path, np.ones((1, 88)))):
        with pytest.raises(ValueError, match="expected the package mido .* pip install"):
            call()


def test_a_frame_has_a_tick_at_least(path):
    with pytest.raises(ValueError, match="expected a frame of at least 1/480 beats, got 0.001"):
        write_midi(path, np.ones((1, 88)), frame=0.001)
