"""Every mistake is answered with what was expected, what came, and the usual cause."""

# pyright: reportArgumentType=false, reportIndexIssue=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import GRU, LSTM, Elman, Jordan, Residual, Stack
from rnnjax.engine import Sequential as SequentialMethod
from rnnjax.layers import Bidirectional, Dense, Dropout, Embedding, Pool, Recurrent, Sequential

T, B, F, H = 5, 2, 3, 4
KEY = jax.random.key(0)
F32 = np.float32
LAYOUT = "scan takes [T, *batch, features], a layer [*batch, T, features]"

CELL, OTHER = LSTM(H), GRU(H)
PARAMS, OTHER_PARAMS = CELL.init(KEY, F), OTHER.init(KEY, F)
MEMBERS = jax.vmap(lambda key: CELL.init(key, F))(jax.random.split(KEY, 3))
DEEP = Stack((CELL, OTHER))
DEEP_PARAMS = DEEP.init(KEY, F)
XS = np.ones((T, B, F), F32)
BATCH_MAJOR = np.ones((B, T, F), F32)


class Plain(LSTM):
    """A subclass without `frozen`, which a dataclass does not pass on."""


def row(name, call, expected, got, cause=""):
    return pytest.param(call, expected, got, cause, id=name)


def scan(xs=XS, carry=None, cell=CELL, params=PARAMS, **signals):
    return lambda: rnnjax.scan(cell, params, xs, carry, **signals)


def ints(*values):
    return np.array(values, np.int32)


SCAN = [
    row("features", scan(np.ones((T, B, 7))), "xs with 3 features", "7 in xs of shape [5, 2, 7]"),
    row(
        "features of a stack",
        scan(np.ones((T, B, H)), cell=DEEP, params=DEEP_PARAMS),
        "xs with 3 features",
        "4 in xs of shape [5, 2, 4]",
    ),
    row("scalars", scan(np.ones(T)), "xs of shape [T, *batch, features]", "[5]", "xs[..., None]"),
    row("no arrays", scan(()), "xs to hold at least one array", "()"),
    row("no input", scan(None), "xs to hold at least one array", "None"),
    row(
        "unequal axes",
        scan((XS, XS[1:])),
        "all arrays in xs to have the same axes before the last",
        "[[5, 2, 3], [4, 2, 3]]",
    ),
    row(
        "batch-major, lengths",
        scan(BATCH_MAJOR, lengths=ints(5, 2)),
        "lengths to be integers of shape [5]",
        "int32[2]",
        LAYOUT,
    ),
    row(
        "batch-major, carry",
        scan(BATCH_MAJOR, CELL.init_carry(PARAMS, (B,))),
        f"a carry of {CELL}: LSTMCarry(h=float32[5, 4], c=float32[5, 4])",
        "LSTMCarry(h=float32[2, 4], c=float32[2, 4])",
        LAYOUT,
    ),
    row(
        "batch-major, mask",
        scan(BATCH_MAJOR, mask=np.ones((T, B), bool)),
        "mask to be bool of shape [2, 5]",
        "bool[5, 2]",
        LAYOUT,
    ),
    row(
        "carry of another cell",
        scan(carry=OTHER.init_carry(OTHER_PARAMS, (B,))),
        f"a carry of {CELL}: LSTMCarry(h=float32[2, 4], c=float32[2, 4])",
        "float32[2, 4]",
        "of another cell",
    ),
    row(
        "dtype of the carry",
        scan(cell=OTHER, params=OTHER_PARAMS, carry=np.zeros((B, H), np.int32)),
        f"a carry of {OTHER}: float32[2, 4]",
        "int32[2, 4]",
    ),
    row(
        "carry for resets",
        scan(cell=OTHER, params=OTHER_PARAMS, reset_carry=np.zeros((B, H + 1), F32)),
        f"a reset_carry of {OTHER}: float32[2, 4]",
        "float32[2, 5]",
    ),
    row("lengths over T", scan(lengths=ints(6, 2)), "lengths between 0 and 5", "2 … 6"),
    row("negative lengths", scan(lengths=ints(-1, 2)), "lengths between 0 and 5", "-1 … 2"),
    row(
        "float lengths",
        scan(lengths=np.ones(B, F32)),
        "lengths to be integers of shape [2]",
        "float32[2]",
    ),
    row("too many lengths", scan(lengths=ints(1, 2, 3)), "integers of shape [2]", "int32[3]"),
    row(
        "parameters of another cell",
        scan(params=OTHER_PARAMS),
        f"parameters of {CELL}: LSTMParams(w_x=[3, 16], w_h=[4, 16], b=[16])",
        "GRUParams(w_x=[3, 12], w_h=[4, 12], b=[12], b_hn=[4], w_hn=None)",
        "are they those of another cell",
    ),
    row(
        "parameters of another size",
        scan(cell=LSTM(5)),
        "LSTMParams(w_x=[3, 20], w_h=[5, 20], b=[20])",
        "LSTMParams(w_x=[3, 16], w_h=[4, 16], b=[16])",
    ),
    row(
        "parameters of several members",
        scan(params=MEMBERS),
        "LSTMParams(w_x=[3, 16], w_h=[4, 16], b=[16])",
        "LSTMParams(w_x=[3, 3, 16], w_h=[3, 4, 16], b=[3, 16])",
        "several members, which need vmap",
    ),
    row(
        "shape of the mask",
        scan(mask=np.ones(T, bool)),
        "mask to be bool of shape [5, 2]",
        "bool[5]",
    ),
    row(
        "dtype of the mask",
        scan(mask=np.ones((T, B), F32)),
        "mask to be bool of shape [5, 2]",
        "float32[5, 2]",
        "astype(bool)",
    ),
    row(
        "shape of resets",
        scan(resets=np.ones((B, T), bool)),
        "resets to be bool of shape [5, 2]",
        "bool[2, 5]",
        LAYOUT,
    ),
    row(
        "dtype of resets",
        scan(resets=np.ones((T, B), np.int32)),
        "resets to be bool of shape [5, 2]",
        "int32[5, 2]",
    ),
    row("a step", scan(cell=CELL.step), "cell to be a Cell, such as LSTM(8)", "<bound method"),
    row("a class", scan(cell=LSTM), "cell to be a Cell, such as LSTM(8)", "<class"),
    row(
        "not frozen",
        scan(cell=Plain(H)),
        "class Plain to be decorated with rnnjax.frozen",
        "it plain",
    ),
]

CELLS = [
    row("zero units", lambda: LSTM(0), "hidden_size to be a positive integer", "0"),
    row("negative units", lambda: GRU(-1), "hidden_size to be a positive integer", "-1"),
    row("fractional units", lambda: Elman(2.5), "hidden_size to be a positive integer", "2.5"),
    row("boolean units", lambda: LSTM(True), "hidden_size to be a positive integer", "True"),
    row("zero outputs", lambda: Jordan(4, 0), "out_size to be a positive integer", "0"),
    row("activation", lambda: Elman(4, "tanhh"), "activation in jax.nn, such as 'tanh'", "'tanhh'"),
    row("function for a name", lambda: Elman(4, jnp.tanh), "the name of an activation", "<"),
    row("module", lambda: Elman(4, "initializers"), "the name of an activation", "'initializers'"),
    row(
        "output activation",
        lambda: Jordan(4, 2, output_activation=""),
        "the name of an activation",
        "''",
    ),
    row("empty stack", lambda: Stack(()), "cells to be a tuple of at least one cell", "()"),
    row("list of cells", lambda: Stack([CELL]), "cells to be a tuple", f"[{CELL}]"),
    row("stack of others", lambda: Stack((CELL, "x")), "cell to be a Cell", "'x'"),
    row(
        "residual, not frozen",
        lambda: Residual(Plain(H)),
        "class Plain to be decorated",
        "it plain",
    ),
    row("residual of another", lambda: Residual(CELL.step), "cell to be a Cell", "<bound method"),
    row(
        "unequal sizes in a residual",
        lambda: Residual(OTHER).init(KEY, 3),
        "inputs of 4 features",
        "3",
        "needs equal sizes",
    ),
]

LAYERS = [
    row(
        "cell among layers",
        lambda: Sequential((CELL,)),
        "every entry of layers to be a Layer",
        f"{CELL}",
        "a cell becomes a layer by Recurrent(cell)",
    ),
    row("no layers", lambda: Sequential(()), "layers to be a tuple of at least one layer", "()"),
    row(
        "list of layers", lambda: Sequential([Dense(3)]), "layers to be a tuple", "[Dense(size=3)]"
    ),
    row("certain dropout", lambda: Dropout(1.0), "rate to be at least 0 and below 1", "1.0"),
    row("negative rate", lambda: Dropout(-0.5), "rate to be at least 0 and below 1", "-0.5"),
    row("pooling", lambda: Pool("median"), "how to be 'last', 'mean' or 'max'", "'median'"),
    row("merge", lambda: Bidirectional(CELL, "max"), "merge to be 'concat', 'sum'", "'max'"),
    row(
        "sum of unequal sizes",
        lambda: Bidirectional(CELL, "sum", GRU(5)),
        "cells of equal output size for merge='sum'",
        "[4, 5]",
    ),
    row(
        "float tokens",
        lambda: Embedding(6, 2).apply(jnp.ones((6, 2)), np.ones((B, T), F32)),
        "integer tokens",
        "float32[2, 5]",
    ),
    row(
        "features of a dense layer",
        lambda: Dense(2).apply(Dense(2).init(KEY, F), jnp.ones((B, T, 4))),
        "inputs with 3 features",
        "shape [2, 5, 4]",
    ),
    row("no vocabulary", lambda: Embedding(0, 2), "vocabulary to be a positive integer", "0"),
    row("no vector", lambda: Embedding(2, 0), "size to be a positive integer", "0"),
    row("no output", lambda: Dense(0), "size to be a positive integer", "0"),
    row(
        "mask of a layer",
        lambda: Recurrent(CELL).apply(PARAMS, BATCH_MAJOR, mask=np.ones((B, T), F32)),
        "mask to be bool",
        "float32[5, 2]",
    ),
]

METHODS = [
    row("unroll", lambda: SequentialMethod(unroll=0), "unroll to be a positive integer", "0"),
    row(
        "checkpoint by name",
        lambda: SequentialMethod(checkpoint="foo"),
        "checkpoint to be None, 'sqrt' or a number of steps",
        "'foo'",
    ),
    row(
        "checkpoint of no steps",
        lambda: SequentialMethod(checkpoint=0),
        "checkpoint to be a positive integer",
        "0",
    ),
]


@pytest.mark.parametrize(("call", "expected", "got", "cause"), [*SCAN, *CELLS, *LAYERS, *METHODS])
def test_message(call, expected, got, cause):
    with pytest.raises(ValueError, match="expected .*, got ") as error:
        call()
    wanted, came = str(error.value).split(", got ", 1)
    assert expected in wanted
    assert came.startswith(got)
    assert cause in came


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        ({"lengths": jax.ShapeDtypeStruct((T,), jnp.int32)}, "expected lengths to be integers"),
        ({"mask": jax.ShapeDtypeStruct((B, T), jnp.bool_)}, "expected mask to be bool"),
        ({"carry": jax.ShapeDtypeStruct((T, H), jnp.float32)}, "expected a carry"),
        ({"xs": jax.ShapeDtypeStruct((T, B, F + 1), jnp.float32)}, "expected xs with 3 features"),
    ],
)
def test_shapes_are_checked_while_tracing(signals, message):
    arguments = {"xs": jax.ShapeDtypeStruct(XS.shape, jnp.float32), **signals}
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda arguments: rnnjax.scan(CELL, PARAMS, **arguments), arguments)
