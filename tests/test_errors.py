"""Every mistake is answered with what was expected, what came, and the usual cause."""

# pyright: reportArgumentType=false, reportIndexIssue=false, reportCallIssue=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mistakes import check_message, ints, row

import rnnjax
from rnnjax import GRU, LSTM, Elman, Jordan, LSTMCarry, ProjectedLSTM, Residual, Stack
from rnnjax.attention import Additive
from rnnjax.cells import (
    LRU,
    RHN,
    AttentionDecoder,
    ConvLSTM,
    LearnedCarry,
    MinGRU,
    VariationalDropout,
    WeightDrop,
    Zoneout,
)
from rnnjax.engine import Associative, Loop
from rnnjax.layers import (
    RNN,
    Bidirectional,
    Dense,
    Dropout,
)

T, B, F, H = 5, 2, 3, 4
KEY = jax.random.key(0)
F32 = np.float32
LAYOUT = "scan takes [T, *batch, features], a layer [B, T, features]"

CELL, OTHER = LSTM(H), GRU(H)
PARAMS, OTHER_PARAMS = CELL.init(KEY, F), OTHER.init(KEY, F)
MEMBERS = jax.vmap(lambda key: CELL.init(key, F))(jax.random.split(KEY, 3))
DEEP = Stack((CELL, OTHER))
DEEP_PARAMS = DEEP.init(KEY, F)
XS = np.ones((T, B, F), F32)
BATCH_MAJOR = np.ones((B, T, F), F32)


ATTENTIVE = AttentionDecoder(GRU(2), Additive(2), memory_size=3)


def scan(xs=XS, carry=None, cell=CELL, params=PARAMS, **options):
    return lambda: rnnjax.scan(cell, params, xs, carry, **options)


def step(cell, carry, x=XS[0]):
    return lambda: cell.step(cell.init(KEY, F), carry, x)


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
    row("no input", scan(None), "either xs, or xs=None and a length", "length=None"),
    row("inputs and a length", scan(length=5), "either xs, or xs=None and a length", "length=5"),
    row("negative length", scan(None, length=-1), "length to be a positive integer", "-1"),
    row("fractional length", scan(None, length=2.5), "length to be a positive integer", "2.5"),
    row("flag", scan(reverse="no"), "reverse to be True or False", "'no'"),
    row("number for a flag", scan(reverse=1), "reverse to be True or False", "1"),
    row("method by name", scan(method="loop"), "method to be a Method", "'loop'"),
    row("class of a method", scan(method=Loop), "method to be a Method", "<class"),
    row("context for nobody", scan(context=XS), "no context, since nothing in LSTM(4) takes", ""),
    row(
        "no context",
        scan(cell=ATTENTIVE, params=ATTENTIVE.init(KEY, F)),
        f"a context for {ATTENTIVE}",
        "None",
    ),
    row("complex inputs", scan(XS + 1j), "real inputs for real parameters", "complex64[5, 2, 3]"),
    row(
        "integer weights",
        scan(params=jax.tree.map(lambda a: a.astype(int), PARAMS)),
        f"a parameter of {CELL} like float32[3, 16]",
        "int32[3, 16]",
        "rounded to integers",
    ),
    row(
        "unequal axes",
        scan((XS, XS[1:])),
        "all arrays in xs to have the same axes before the features",
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
        f"a carry of {CELL}: LSTMCarry(h=[5, 4], c=[5, 4])",
        "LSTMCarry(h=[2, 4], c=[2, 4])",
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
        f"a carry of {CELL}: LSTMCarry(h=[2, 4], c=[2, 4])",
        "[2, 4]",
        "of another cell",
    ),
    row(
        "pair for a carry",
        scan(carry=(np.zeros((B, H)), np.zeros((B, H)))),
        f"a carry of {CELL}: LSTMCarry(h=[2, 4], c=[2, 4])",
        "([2, 4], [2, 4])",
    ),
    row(
        "kind of the carry",
        scan(cell=OTHER, params=OTHER_PARAMS, carry=np.zeros((B, H), np.complex64)),
        f"a carry of {OTHER} in float32",
        "complex64[2, 4]",
        "the precision of the parameters",
    ),
    row(
        "carry of a stack without an entry",
        scan(cell=DEEP, params=DEEP_PARAMS, carry=(np.zeros((B, H)),)),
        f"a carry of {DEEP}: (LSTMCarry(h=[2, 4], c=[2, 4]), [2, 4])",
        "([2, 4],)",
    ),
    row("carry of one row", step(OTHER, jnp.ones((1, H))), "GRU(4): [2, 4]", "[1, 4]"),
    row(
        "carry of one unit",
        step(CELL, LSTMCarry(jnp.ones((B, H)), jnp.ones((B, 1)))),
        "LSTMCarry(h=[2, 4], c=[2, 4])",
        "LSTMCarry(h=[2, 4], c=[2, 1])",
    ),
    row(
        "done by numbers",
        lambda: rnnjax.restart(OTHER, OTHER_PARAMS, jnp.zeros((B, H)), ints(1, 0)),
        "done to be bool",
        "int32[2]",
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
        "GRUParams(w_x=[3, 12], w_h=[4, 12], b=[12], b_hn=[4])",
        "do they belong to another cell",
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
]

CELLS = [
    row("zero units", lambda: LSTM(0), "hidden_size to be a positive integer", "0"),
    row("negative units", lambda: GRU(-1), "hidden_size to be a positive integer", "-1"),
    row("fractional units", lambda: Elman(2.5), "hidden_size to be a positive integer", "2.5"),
    row("boolean units", lambda: LSTM(True), "hidden_size to be a positive integer", "True"),
    row("units by name", lambda: MinGRU("8"), "hidden_size to be a positive integer", "'8'"),
    row("array of units", lambda: LRU(np.ones(2), 3), "hidden_size to be a positive", "float64[2]"),
    row("zero outputs", lambda: Jordan(4, 0), "output_size to be a positive integer", "0"),
    row("no projection", lambda: ProjectedLSTM(4, None), "projection_size to be a pos", "None"),
    row("no depth", lambda: RHN(4, depth=0), "depth to be a positive integer", "0"),
    row("bias that is none", lambda: LSTM(4, forget_bias=np.nan), "forget_bias to be a fin", "nan"),
    row("list of biases", lambda: LSTM(4, forget_bias=[1.0]), "forget_bias to be a fin", "[1.0]"),
    row("bias by name", lambda: GRU(4, use_bias="no"), "use_bias to be True or False", "'no'"),
    row("activation", lambda: Elman(4, activation="tanhh"), "activation in jax.nn", "'tanhh'"),
    row("module", lambda: Elman(4, activation="initializers"), "activation in", "'initializers'"),
    row("no name", lambda: Jordan(4, 2, output_activation=""), "name of an activation", "''"),
    row("initializer", lambda: GRU(4, w_h_init="ortho"), "one of the names", "'ortho'"),
    row("empty stack", lambda: Stack(()), "a tuple of parts with a cell in it", "()"),
    row("list of cells", lambda: Stack([CELL]), "parts of Stack to be hashable", f"[{CELL}]"),
    row("stack without a cell", lambda: Stack((Dense(3),)), "parts with a cell in it", "(Dense("),
    row("stack of others", lambda: Stack((CELL, "x")), "functions or layers of a step", "'x'"),
    row("layer of sequences", lambda: Stack((CELL, RNN(CELL))), "layers of a step", "RNN("),
    row("skip past a function", lambda: Stack((CELL, jnp.tanh), skip=True), "cells as parts", "<"),
    row("residual of another", lambda: Residual(CELL.step), "cell to be a Cell", "<bound method"),
    row("zoneout of a class", lambda: Zoneout(LSTM, rate=0.1), "cell to be a Cell", "<class"),
    row(
        "unequal sizes in a residual",
        lambda: Residual(OTHER).init(KEY, 3),
        "inputs of 4 features",
        "3",
        "needs equal sizes",
    ),
    row("certain zoneout", lambda: Zoneout(CELL, rate=1.0), "at least 0 and below 1", "1.0"),
    row("negative rate", lambda: WeightDrop(CELL, rate=-0.1), "at least 0 and below 1", "-0.1"),
    row("rate by name", lambda: Zoneout(CELL, rate="high"), "rate to be a finite number", "'high'"),
    row(
        "a rate too many",
        scan(cell=Zoneout(OTHER, rate=(0.1, 0.2)), params=OTHER_PARAMS),
        "1 rates, one for each array",
        "(0.1, 0.2)",
    ),
    row(
        "nothing to drop",
        lambda: WeightDrop(MinGRU(4), rate=0.1).prepare(MinGRU(4).init(KEY, F)),
        "a cell with recurrent weights w_h",
        "MinGRU(4)",
    ),
    row(
        "dropout of no product",
        lambda: VariationalDropout(MinGRU(4), rate=0.1),
        "with recurrent products",
        "MinGRU(4)",
    ),
    row("start by context", lambda: LearnedCarry(ATTENTIVE), "a cell without context", "Attention"),
    row(
        "size of an image",
        lambda: ConvLSTM((3, 2), 2).init(KEY, (3, 3, 1)),
        "the image_size (3, 2)",
        "(3, 3, 1)",
    ),
]

METHODS = [
    row("unroll", lambda: Loop(unroll=0), "unroll to be a positive integer", "0"),
    row(
        "checkpoint by name",
        lambda: Loop(checkpoint="foo"),
        "checkpoint to be None, 'sqrt' or a number of steps",
        "'foo'",
    ),
    row("checkpoint", lambda: Loop(checkpoint=0), "checkpoint to be a positive integer", "0"),
    row("mode", lambda: Loop(forward_mode="no"), "forward_mode to be True or False", "'no'"),
    row("chunk", lambda: Associative(chunk=-2), "chunk to be a positive integer", "-2"),
    row("dtype", lambda: Loop(dtype="int8"), "dtype to be a float type", "'int8'"),
    row("precision", lambda: Associative(precision="most"), "precision to be one of", "'most'"),
]


@pytest.mark.parametrize(("call", "expected", "got", "cause"), [*SCAN, *CELLS, *METHODS])
def test_message(call, expected, got, cause):
    check_message(call, expected, got, cause)


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


@pytest.mark.parametrize(
    "call",
    [
        lambda: LSTM(3, 32),
        lambda: Elman(4, "relu"),
        lambda: Stack((CELL,), True),
        lambda: Bidirectional(CELL, "sum"),
        lambda: RNN(CELL, True),
        lambda: Dropout(0.5, True),
        lambda: Loop(2),
        lambda: Associative(128),
    ],
)
def test_options_are_keywords(call):
    with pytest.raises(TypeError, match="positional argument"):
        call()


@pytest.mark.parametrize("number", [np.int64, np.int32, np.uint8])
def test_sizes_may_be_numbers_of_numpy(number):
    assert LSTM(number(4)) == CELL and hash(LSTM(number(4))) == hash(CELL)
    assert Dense(number(3)) == Dense(3) and Loop(unroll=number(2)) == Loop(unroll=2)
    assert type(RHN(number(4), depth=number(2)).depth) is int


@pytest.mark.parametrize("number", [np.float64, np.float32])
def test_rates_and_flags_may_be_numbers_of_numpy(number):
    assert Dropout(number(0.5)) == Dropout(0.5) and Zoneout(CELL, number(0.5)) == Zoneout(CELL, 0.5)
    assert LSTM(4, forget_bias=number(1)) == CELL
    assert RNN(CELL, reverse=np.True_) == RNN(CELL, reverse=True)


def test_a_step_is_not_to_be_written():
    with pytest.raises(TypeError, match="expected Old to define update and readout, got step"):

        class Old(rnnjax.Cell):
            def step(self, params, carry, x):
                return carry, x


@pytest.mark.parametrize(
    ("run", "compiled"), [(lambda f: f, False), (jax.jit, True)], ids=["eager", "jit"]
)
def test_forward_mode_is_refused_by_jax(run, compiled):
    def total(params):
        return rnnjax.scan(CELL, params, XS)[1].sum()

    with pytest.raises(TypeError, match="forward-mode") as error:
        jax.jvp(run(total), (PARAMS,), (PARAMS,))
    assert compiled or "forward_mode=True" in "".join(error.value.__notes__)


class Shifted(rnnjax.Static):
    size: int
    offset: int = 0
    most: int | None = None
    scale: float = 1.0


def test_the_default_of_an_integer_says_how_small_it_may_be():
    fine = Shifted(np.int64(2), offset=0, most=np.int32(3), scale=np.float32(2))
    assert fine == Shifted(2, most=3, scale=2.0) and repr(fine) == "Shifted(2, most=3, scale=2.0)"
    for make, message in (
        (lambda: Shifted(0), "size to be a positive integer, got 0"),
        (lambda: Shifted(2, offset=-1), "offset to be an integer of at least 0, got -1"),
        (lambda: Shifted(2, offset=True), "offset to be an integer of at least 0, got True"),
        (lambda: Shifted(2, most=0), "most to be a positive integer, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
