"""Data that does not fit together, which is refused where it is given."""

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from mistakes import check_message, row

from rnnjax.data import Batch, bucketed, joined, padded, shuffled, streams, windows

ONES = [np.ones(n) for n in (2, 3, 9)]
TEN, TWELVE = np.ones((10, 2)), np.ones(12)
ROWS = np.ones((2, 9))
# Of no type, since a checker would refuse these calls itself.
HALF: Any = 0.5
NINE: Any = 9


@pytest.mark.parametrize(
    "call, expected, got, cause",
    [
        row(
            "shuffled: uneven",
            lambda: shuffled((TEN, TWELVE), 5),
            "an entry for each example",
            "inputs [10, …], targets [12, …]",
        ),
        row(
            "shuffled: a lone array",
            lambda: shuffled(TEN, 5),
            "a Batch or a pair",
            "ndarray",
            "one",
        ),
        row(
            "shuffled: uneven lengths",
            lambda: shuffled(Batch(TEN, TEN, lengths=np.ones(9, int)), 5),
            "an entry for each example",
            "inputs [10, …], targets [10, …], lengths [9, …]",
        ),
        row(
            "shuffled: lists",
            lambda: shuffled(([1, 2], [3, 4]), 1),
            "inputs to be arrays",
            "int",
            "np.asarray",
        ),
        row("shuffled: text", lambda: shuffled((np.array(["a"]), TEN), 1), "arrays of num", "<U1"),
        row("shuffled: a string", lambda: shuffled(("ab", TEN), 1), "inputs to be arrays", "str"),
        row(
            "shuffled: a number", lambda: shuffled((jnp.ones(()), TEN), 1), "an entry", "float32[]"
        ),
        row("shuffled: none", lambda: shuffled((TEN[:0], TEN[:0]), 1), "at least 1 examples", "0"),
        row("shuffled: few", lambda: shuffled((TEN, TEN), 12), "at least 12 examples", "10"),
        row("shuffled: 0", lambda: shuffled((TEN, TEN), 0), "batch_size to be a positive", "0"),
        row("shuffled: -2", lambda: shuffled((TEN, TEN), -2), "batch_size to be a positive", "-2"),
        row(
            "shuffled: 1.5",
            lambda: shuffled((TEN, TEN), 1 + HALF),
            "batch_size to be a posit",
            "1.5",
        ),
        row(
            "shuffled: seed", lambda: shuffled((TEN, TEN), 2, seed=-1), "seed to be an integ", "-1"
        ),
    ],
)
def test_examples_that_do_not_fit_together(call, expected, got, cause):
    check_message(call, expected, got, cause)


@pytest.mark.parametrize("make", [padded, partial(bucketed, batch_size=2)])
@pytest.mark.parametrize(
    "inputs, targets, options, message",
    [
        ([], [], {}, "expected inputs of at least one sequence, got none"),
        (iter(ONES), ONES, {}, "expected inputs to be a list of arrays.* got list_iterator"),
        ({0: 1}, ONES, {}, "expected inputs to be a list of arrays, one a sequence, got dict"),
        ("text", ONES, {}, "expected inputs to be a list of arrays, one a sequence, got str"),
        (jnp.ones(()), ONES, {}, "expected inputs to be a list of arrays"),
        (3, ONES, {}, "expected inputs to be a list of arrays, one a sequence, got int"),
        (ONES, 3, {}, "expected targets to be a list of arrays, one a sequence, got int"),
        (ONES, ONES[:2], {}, "expected inputs and targets of the same sequences, got 3 and 2"),
        (["ab"], [[1, 2]], {}, r"expected inputs\[0\] to be an array of numbers, got <U2"),
        ([[1], [None]], ONES[:2], {}, r"expected inputs\[1\] to be an array of num.*got object"),
        ([[[1], [1, 2]]], [[1]], {}, r"expected inputs\[0\] to be an array, got lists of differ"),
        ([1, 2], [[1], [2]], {}, r"inputs\[0\] to have a time axis, got the number 1"),
        ([np.ones((2, 3)), np.ones((2, 4))], ONES[:2], {}, r"shape \[n, 3\], got \[2, 4\] for seq"),
        (ONES, [*ONES[:2], np.ones(8)], {}, "each of the 9 steps of sequence 2, got 8;"),
        (ONES, [1.0, 2.0, 3.0], {}, r"expected targets\[0\] to have a time axis.*'sequence'"),
        (ONES, ONES, {"target": "sequence"}, r"shape \[2\], got \[3\] for sequence 1.*'labels'"),
        (ONES, ONES, {"target": "labels"}, r"integers as labels, got targets of float64\[n\]"),
        (ONES, ONES, {"target": "frames"}, "expected target to be 'step', .*, got 'frames'"),
    ],
)
def test_sequences_that_do_not_fit_together(make, inputs, targets, options, message):
    if not hasattr(inputs, "__len__") and hasattr(inputs, "__next__"):
        inputs = iter(list(ONES))
    with pytest.raises(ValueError, match=message):
        make(inputs, targets, **options)


@pytest.mark.parametrize(
    "call, expected, got, cause",
    [
        row("steps: few", lambda: padded(ONES, ONES, steps=8), "at most 8 steps", "one of 9"),
        row(
            "steps: 9.5",
            lambda: padded(ONES, ONES, steps=9 + HALF),
            "steps to be a positive",
            "9.5",
        ),
        row("rows: few", lambda: padded(ONES, ONES, batch_size=2), "at least 3", "2", "bucketed"),
        row("rows: -1", lambda: padded(ONES, ONES, batch_size=-1), "batch_size to be a posi", "-1"),
        row("rows: 0", lambda: bucketed(ONES, ONES, 0), "batch_size to be a positive int", "0"),
        row("no rows", lambda: bucketed(ONES, ONES), "either batch_size or", "batch_size=None"),
        row("both", lambda: bucketed(ONES, ONES, 2, frames=3), "either", "batch_size=2 and fr"),
        row("frames", lambda: bucketed(ONES, ONES, frames=0), "frames to be a positive int", "0"),
        row("buckets", lambda: bucketed(ONES, ONES, 2, buckets=0), "buckets to be a positive", "0"),
        row("edges: few", lambda: bucketed(ONES, ONES, 2, edges=(8,)), "at least 9 steps", "8"),
        row("edges: down", lambda: bucketed(ONES, ONES, 2, edges=(9, 4)), "ascend", "[9, 4]"),
        row("edges: twice", lambda: bucketed(ONES, ONES, 2, edges=(9, 9)), "ascend", "[9, 9]"),
        row("edges: none", lambda: bucketed(ONES, ONES, 2, edges=()), "a list of lengths", "()"),
        row("edges: 9", lambda: bucketed(ONES, ONES, 2, edges=NINE), "a list of lengths", "9"),
        row(
            "edges: 9.5",
            lambda: bucketed(ONES, ONES, 2, edges=[9 + HALF]),
            "every edge to be",
            "9.5",
        ),
        row("streams: few", lambda: streams(np.arange(4), 5), "at least 5 steps for 5", "4"),
        row("streams: 0", lambda: streams(np.arange(4), 0), "batch_size to be a positive", "0"),
        row("streams: text", lambda: streams("abc", 1), "sequence to be", "<U3", "Vocabulary"),
        row("streams: uneven", lambda: streams([[1], [1, 2]], 1), "sequence", "lists of", "joined"),
        row("streams: a number", lambda: streams(3, 1), "array of numbers [n, …]", "int64[]"),
        row("windows: long", lambda: windows(ROWS, 9), "streams of more than 9 steps", "9"),
        row("windows: 0", lambda: windows(ROWS, 0), "steps to be a positive integer", "0"),
        row("windows: flat", lambda: windows(np.arange(9), 2), "[B, n, …]", "int64[9]"),
        row("windows: context", lambda: windows(ROWS, 2, context=-1), "context to be an", "-1"),
        row(
            "windows: resets of numbers",
            lambda: windows(ROWS, 2, resets=np.zeros((2, 9))),
            "resets to be bool of shape [2, 9]",
            "float64[2, 9]",
        ),
        row(
            "windows: short resets",
            lambda: windows(ROWS, 2, resets=np.zeros((2, 8), bool)),
            "resets to be bool of shape [2, 9]",
            "bool[2, 8]",
        ),
        row("joined: none", lambda: joined([]), "sequences of at least one", "none"),
        row("joined: uneven", lambda: joined([[[1]], [[1, 2]]]), "shape [n, 1]", "[1, 2]"),
    ],
)
def test_sizes_out_of_range(call, expected, got, cause):
    check_message(call, expected, got, cause)
