"""Data: batches, sequences, streams, text and files."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.io import wavfile

from rnnjax import data as da

from .kinds import (
    OBJECTS,
    TEXTS,
    Argument,
    array,
    call,
    choice,
    flag,
    function,
    number,
    optional_size,
    signal,
    size,
)

B, T = 4, 9
XS, YS = np.ones((B, T, 3), "float32"), np.ones((B, T), int)
SEQUENCES = [np.ones((n, 2)) for n in (3, 1, 4)]
STEPS = [np.ones(n, int) for n in (3, 1, 4)]
SEED = size(1, least=0)
RAGGED = [[1.0, 2.0], [3.0]]
PAIRS = (None, "text", 3, XS, (XS,), (XS, YS, YS), {"inputs": XS, "targets": YS})
UNEVEN = ((XS, YS[:1]), (XS, TEXTS), (OBJECTS, OBJECTS), ("text", YS), (1.0, YS), ([], []))
BATCHES = da.Batches(lambda epoch, index: da.Batch(XS, YS), 2)
WORDS = da.Vocabulary(("a", "b", "c"))
TEXT = Argument("abba", (None, 3, ["a", "b"], b"ab", TEXTS, ("a",)))
WORD = Argument("abba", (None, 3, [1, "a"], b"ab", [["a"]], {"a"}, OBJECTS, np.array("a")))
HERE = Path(__file__)
PATH = Argument(HERE, (None, 3, 1.5, b"text", "", "nonsense", HERE.parent, ["a"]))
SAMPLES = np.ones(400, "float32")
ROLL = np.ones((4, 88))
MUSIC = TemporaryDirectory()
PIECE = da.write_midi(Path(MUSIC.name, "piece.mid"), ROLL)
CHECKSUM = hashlib.sha256(HERE.read_bytes()).hexdigest()


def sequences(good):
    one = good[0]
    bad = (None, "text", b"ab", 3, [], {0: one}, iter(good), np.array(1.0), TEXTS, OBJECTS)
    entries = ("ab", None, 1.0, object(), [RAGGED], OBJECTS, one[:, None], np.zeros((2, 7)))
    return Argument(good, (*bad, *([*good[1:], entry] for entry in entries)))


PADDED = {"inputs": sequences(SEQUENCES), "targets": sequences(STEPS)}
EDGES = (
    "text",
    3,
    np.array(4),
    (),
    (1.5, 4),
    ("1", "4"),
    (4, 1),
    (4, 4),
    (0, 4),
    (3,),
    (None,),
    RAGGED,
)


def read_wav(path, rate):
    """`None` is a file that can be read."""
    with TemporaryDirectory() as folder:
        good = Path(folder, "click.wav")
        wavfile.write(good, 8000, SAMPLES)
        return da.read_wav(good if path is None else path, rate)


def read_midi(path, frame):
    """`HERE` is a file that can be read."""
    return da.read_midi(PIECE if path == HERE else path, frame=frame)


def read_table(path, columns=None, read=da.read_table):
    """`HERE` is a table that can be read."""
    with TemporaryDirectory() as folder:
        good = Path(folder, "table.tsv")
        good.write_text("text\tlabel\nfine\tgood\n")
        return read(good if path is HERE else path, *(() if columns is None else (columns,)))


def read_columns(path):
    return read_table(path, read=da.read_columns)


CALLS = [
    call("rnnjax.data.as_batch", da.as_batch, data=Argument((XS, YS), PAIRS)),
    call("rnnjax.data.Batches", da.Batches, make=function(BATCHES.make), per_epoch=size(2)),
    call("a batch", BATCHES, position=SEED),
    call(
        "rnnjax.data.shuffled",
        da.shuffled,
        data=Argument((XS, YS), (*PAIRS, *UNEVEN)),
        batch_size=size(2)._replace(bad=(*size(2).bad, B + 1)),
        seed=SEED,
    ),
    call(
        "rnnjax.data.padded",
        da.padded,
        **PADDED,
        target=choice("step", None),
        steps=optional_size(None)._replace(bad=(*optional_size(None).bad, 3)),
        batch_size=optional_size(None)._replace(bad=(*optional_size(None).bad, 2)),
    ),
    call(
        "rnnjax.data.bucketed",
        da.bucketed,
        **PADDED,
        batch_size=size(2),
        target=choice("step", None),
        edges=Argument(None, EDGES),
        buckets=size(2),
        frames=Argument(None, (8, "8")),
        seed=SEED,
    ),
    call(
        "batches of frames",
        da.bucketed,
        inputs=SEQUENCES,
        targets=STEPS,
        frames=size(8),
        batch_size=Argument(None, (2, "2")),
    ),
    call("rnnjax.data.joined", da.joined, sequences=sequences(SEQUENCES)),
    call(
        "rnnjax.data.streams",
        da.streams,
        sequence=array(np.arange(9), 3, iter([1, 2]), {"a": 1}, {1, 2}),
        batch_size=size(2)._replace(bad=(*size(2).bad, 10)),
    ),
    call(
        "rnnjax.data.windows",
        da.windows,
        streams=array(YS, 3, np.arange(9), {"a": 1}),
        steps=size(3)._replace(bad=(*size(3).bad, T)),
        context=SEED,
        resets=Argument(YS > 0, (*signal(YS > 0).bad, [[True], [True, False]])),
    ),
    call("rnnjax.data.tokenize", da.tokenize, text=TEXT, lower=flag(False)),
    call(
        "rnnjax.data.Vocabulary",
        da.Vocabulary,
        entries=Argument(
            ("a", "bc"), (None, (), "abc", ("a", "a"), ("a", ""), ["a"], (b"a",), 3, TEXTS)
        ),
        unknown=Argument(None, ("b", 3, ("a",), ["a"], b"a")),
    ),
    call(
        "Vocabulary.of",
        da.Vocabulary.of,
        sequences=Argument(["abba", ["ab"]], (None, 3, [], [""], [1, 2], [[1]], [[["a"]]], b"ab")),
        specials=Argument((), (None, 3, (3,), ("",), ("<pad>", "<pad>"))),
        unknown=Argument(None, (3, "", ("a",), b"a")),
        least=size(1)._replace(bad=(*size(1).bad, 9)),
        largest=optional_size(None),
    ),
    call("Vocabulary.encode", WORDS.encode, sequence=Argument("abba", (*WORD.bad, "abcd", [""]))),
    call(
        "Vocabulary.__getitem__", WORDS.__getitem__, entry=Argument("a", (None, 3, "", "ab", b"a"))
    ),
    call(
        "Vocabulary.decode",
        WORDS.decode,
        tokens=array([0, 2], 1, [3], [-1], [0, 2**40], [0.0, 1.0], [True], [[0]], [np.nan], {1}),
    ),
    call(
        "rnnjax.data.read_midi",
        read_midi,
        path=PATH,
        frame=number(1.0, 0.0, -1.0),
    ),
    call(
        "rnnjax.data.write_midi",
        da.write_midi,
        path=Argument(PIECE, (None, 3, 1.5, b"text", "", ["a"])),
        roll=array(ROLL, ROLL[:, 1:], ROLL[:0], ROLL[0], ROLL + 1, ROLL * 1j, ROLL * np.nan),
        frame=number(1.0, 0.0, -1.0, 0.001),
        tempo=number(100.0, 0.0, -1.0),
    ),
    call(
        "rnnjax.data.read_wav",
        read_wav,
        path=Argument(None, (3, 1.5, b"text", "", "nonsense", HERE, HERE.parent, ["a"])),
        rate=optional_size(None),
    ),
    call(
        "rnnjax.data.log_mel",
        da.log_mel,
        samples=array(SAMPLES, SAMPLES[:9], SAMPLES > 0, SAMPLES + 1j, YS, 1.0),
        rate=size(8000),
        window=number(0.025, 0.0, -1.0),
        step=number(0.01, 0.0, -1.0),
        mels=size(20)._replace(bad=(*size(20).bad, 500)),
        low=number(0.0, -1.0, 4000.0),
        high=Argument(None, number(1.0, 0.0, -1.0, 4001.0).bad[1:]),
        floor=number(1e-10, 0.0, -1.0),
    ),
    call(
        "rnnjax.data.standardized",
        da.standardized,
        features=array(XS, XS[0, 0], XS > 0, XS + 1j, YS, 1.0),
        mask=signal(YS > 0),
    ),
    call(
        "rnnjax.data.load_text",
        da.load_text,
        path=PATH._replace(bad=PATH.bad[1:]),
    ),
    call("rnnjax.data.read_lines", da.read_lines, path=PATH),
    call(
        "rnnjax.data.read_table",
        read_table,
        path=PATH,
        columns=Argument(("label",), ("nonsense", 3, (), ("absent",), (3,))),
    ),
    call("rnnjax.data.read_columns", read_columns, path=PATH),
    call(
        "rnnjax.data.data_file",
        da.data_file,
        name=Argument(str(HERE), (None, 3, "", b"ab", ["a"])),
        url=Argument("https://example.org", (None, 3, "", "example.org", b"ab", ["a"])),
        sha256=Argument(CHECKSUM, (None, 3, "", "abc", b"ab", CHECKSUM[:-1], "g" * 64, "0" * 64)),
        part=Argument(None, (3, "all", b"ab")),
    ),
]
