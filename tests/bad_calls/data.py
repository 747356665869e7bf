"""Data: batches, sequences, streams, text and files."""

import hashlib
from pathlib import Path

import numpy as np

from rnnjax import data as da

from .kinds import (
    OBJECTS,
    TEXTS,
    Argument,
    array,
    call,
    choice,
    function,
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
ALPHABET = da.Alphabet("abc")
TEXT = Argument("abba", (None, 3, ["a", "b"], b"ab", TEXTS, ("a",)))
HERE = Path(__file__)
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
    call(
        "rnnjax.data.Alphabet",
        da.Alphabet,
        characters=Argument("abc", (None, "", "aba", 3, ["a"], ("a", "b"), b"abc", TEXTS)),
    ),
    call("Alphabet.of", da.Alphabet.of, text=Argument(TEXT.good, (*TEXT.bad, ""))),
    call("Alphabet.encode", ALPHABET.encode, text=Argument(TEXT.good, (*TEXT.bad, "abcd"))),
    call(
        "Alphabet.decode",
        ALPHABET.decode,
        tokens=array([0, 2], 1, [3], [-1], [0, 2**40], [0.0, 1.0], [True], [[0]], [np.nan], {1}),
    ),
    call(
        "rnnjax.data.load_text",
        da.load_text,
        path=Argument(HERE, (3, 1.5, b"text", "", "nonsense", HERE.parent, ["a"])),
    ),
    call(
        "rnnjax.data.data_file",
        da.data_file,
        name=Argument(str(HERE), (None, 3, "", b"ab", ["a"])),
        url=Argument("https://example.org", (None, 3, "", "example.org", b"ab", ["a"])),
        sha256=Argument(CHECKSUM, (None, 3, "", "abc", b"ab", CHECKSUM[:-1], "g" * 64, "0" * 64)),
    ),
]
