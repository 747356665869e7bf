"""Flax modules: their constructors, calls, and carries."""

import functools

import jax
import numpy as np
from flax import nnx

from rnnjax import LSTM
from rnnjax.flax import linen as rln
from rnnjax.flax import nnx as rnx
from rnnjax.layers import RNN

from .kinds import (
    Argument,
    array,
    call,
    cell,
    dtype,
    features,
    flag,
    function,
    layer,
    lengths,
    method,
    optional_key,
    shape,
    signal,
    tree,
)

KEY = jax.random.key(0)
B, T, F, H = 2, 5, 3, 4
XS = np.ones((B, T, F), "float32")
MASK = np.ones((B, T), bool)
CELL, LAYER = LSTM(H), RNN(LSTM(H))
PARAMS, CARRY = CELL.init(KEY, F), CELL.init_carry(CELL.init(KEY, F), (B,))

maybe = Argument(None, flag(True).bad[1:])
rngs = Argument(nnx.Rngs(0), (None, 0, "key", KEY, np.zeros(2), nnx.Rngs(carry=0)))
names = ("text", 3, {3: ("in",), "w_x": ("in",)}, {"nope": ("in", "out")}, [("w_x", ("in", "out"))])
metadata = Argument({"w_x": {"tag": "in"}}, (*names, {"w_x": 3}, {"w_x": "in"}))
partitioning = Argument({"w_x": ("in", "out")}, (*names, {"w_x": 3}, {"w_x": "in"}))
step_dtype = Argument("bfloat16", dtype().bad[1:])
input_shape = shape((B, F), (), "23", (1.5, F), (B, "3"))

CELLS = {"cell": cell(CELL)}
LAYERS = {"layer": layer(LAYER)}
PLACES = {name: flag(False) for name in ("time_major", "reverse", "keep_order", "return_carry")}
NNX = {"in_features": features(F), "param_dtype": dtype(), "metadata": metadata, "rngs": rngs}
LINEN = {"param_dtype": dtype(), "partitioning": partitioning}

STEP = {"carry": array(CARRY, CARRY.h, np.ones(2)), "inputs": array(XS[:, 0], 1.0, XS[:, 0] + 1j)}
# Linen itself compares inputs with the parameters that are there.
SEQUENCE = {
    "inputs": array(XS, XS + 1j, 1.0, np.ones(F), XS.tolist()),
    "initial_carry": tree(CARRY, CARRY.h, np.ones((3, 3))),
    "seq_lengths": lengths(np.array([5, 2]), T),
    "mask": signal(MASK),
    "resets": signal(MASK),
    "context": Argument(None, ("text", XS)),
    "return_carry": maybe,
    "deterministic": maybe,
}
WIDTH = {"inputs": SEQUENCE["inputs"]._replace(bad=(*SEQUENCE["inputs"].bad, XS[..., :2]))}
RECURRENT = SEQUENCE | {name: maybe for name in PLACES}


def outputs(kind, *args, **fields):
    """The outputs of a Linen module with fresh parameters; it is checked where it is called."""
    return kind(**fields).init_with_output(KEY, *args)[0]


def applied(module, core, *args, **options):
    """The result of a Linen module with parameters of ours."""
    variables = {"params": rln.named(core.init(KEY, F))}
    return module.apply(variables, method=lambda module: module(*args, **options))


def of_linen(kind, *args):
    return functools.partial(outputs, kind, *args)


LINEN_ROWS = [
    call(
        "rnnjax.flax.linen.Cell",
        of_linen(rln.Cell, CARRY, XS[:, 0]),
        **CELLS,
        **LINEN,
        dtype=step_dtype,
    ),
    call(
        "rnnjax.flax.linen.Cell.__call__",
        lambda carry, inputs: applied(rln.Cell(CELL), CELL, carry, inputs),
        **STEP,
    ),
    call(
        "rnnjax.flax.linen.Cell.initialize_carry",
        rln.Cell(CELL).initialize_carry,
        rng=None,
        input_shape=input_shape,
    ),
    call(
        "rnnjax.flax.linen.RNN",
        of_linen(rln.RNN, XS),
        **CELLS,
        **LINEN,
        **PLACES,
        method=method(),
        deterministic=maybe,
    ),
    call(
        "rnnjax.flax.linen.RNN.__call__",
        lambda inputs, **options: applied(rln.RNN(CELL), CELL, inputs, **options),
        **RECURRENT,
        rngs=Argument(None, (KEY, {"dropout": KEY}, 3)),
    ),
    call(
        "rnnjax.flax.linen.Layer",
        of_linen(rln.Layer, XS),
        **LAYERS,
        **LINEN,
        return_carry=flag(False),
        deterministic=maybe,
    ),
    call(
        "rnnjax.flax.linen.Layer.__call__",
        lambda inputs, **options: applied(rln.Layer(LAYER), LAYER, inputs, **options),
        **SEQUENCE,
        rngs=Argument(None, (KEY, {"dropout": KEY}, 3)),
    ),
]

CELL_OF_NNX = rnx.Cell(CELL, F, rngs=nnx.Rngs(0))
RNN_OF_NNX = rnx.RNN(CELL, F, rngs=nnx.Rngs(0))
LAYER_OF_NNX = rnx.Layer(LAYER, F, rngs=nnx.Rngs(0))
noise = Argument(None, optional_key().bad)
zeros = jax.nn.initializers.zeros

NNX_ROWS = [
    call("rnnjax.flax.nnx.Cell", rnx.Cell, **CELLS, **NNX, dtype=step_dtype),
    call("rnnjax.flax.nnx.Cell.__call__", CELL_OF_NNX.__call__, **STEP),
    call(
        "rnnjax.flax.nnx.Cell.initialize_carry",
        CELL_OF_NNX.initialize_carry,
        input_shape=input_shape,
        rngs=Argument(KEY, (None, *noise.bad)),
        carry_init=Argument(zeros, function(zeros).bad[1:]),
    ),
    call(
        "rnnjax.flax.nnx.RNN",
        rnx.RNN,
        **CELLS,
        **NNX,
        **PLACES,
        method=method(),
        deterministic=flag(False),
        keep_rngs=flag(False),
    ),
    call("rnnjax.flax.nnx.RNN.__call__", RNN_OF_NNX.__call__, **RECURRENT | WIDTH, rngs=noise),
    call(
        "rnnjax.flax.nnx.Layer",
        rnx.Layer,
        **LAYERS,
        **NNX,
        return_carry=flag(False),
        deterministic=flag(False),
    ),
    call("rnnjax.flax.nnx.Layer.__call__", LAYER_OF_NNX.__call__, **SEQUENCE | WIDTH, rngs=noise),
]

CALLS = [*LINEN_ROWS, *NNX_ROWS]
