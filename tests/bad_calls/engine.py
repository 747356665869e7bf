"""The engine: `scan` and its relatives, and the methods."""

import jax
import numpy as np

import rnnjax
from rnnjax import GRU, LSTM, engine
from rnnjax.testing import check_cell

from .kinds import (
    Argument,
    array,
    call,
    cell,
    choice,
    dtype,
    features,
    flag,
    lengths,
    method,
    optional_key,
    optional_size,
    params,
    shape,
    signal,
    size,
    tree,
)

T, B, F, H = 5, 2, 3, 4
CELL = LSTM(H)
PARAMS = CELL.init(jax.random.key(0), F)
XS = np.ones((T, B, F), "float32")
MASK = np.ones((T, B), bool)
CARRY = CELL.init_carry(PARAMS, (B,))
NARROW = jax.tree.map(lambda a: a[:1], CARRY)
LENGTHS = lengths(np.array([5, 2]), T)
SCAN = {
    "cell": cell(CELL),
    "params": params(PARAMS),
    "xs": array(XS, XS[0, 0, 0], XS[..., :2], XS + 1j, [1.0, 2.0], XS.tolist()),
    "carry": tree(CARRY, NARROW, CARRY.h, (), tuple(CARRY)),
    "context": Argument(None, ("text", XS, object())),
    "key": optional_key(),
    "lengths": LENGTHS,
    "mask": signal(MASK),
    "resets": signal(MASK),
    "reverse": flag(False),
    "length": Argument(None, (5, "5", 1.5)),
    "method": method(),
}
OPTIONS = {
    "dtype": dtype("bfloat16")._replace(bad=dtype().bad[1:]),
    "precision": choice("highest"),
}
DONE = Argument(np.array([True, False]), (None, "text", np.ones(2), np.ones(2, int), MASK))
FREE = rnnjax.cells.EchoState(4, 3)

CALLS = [
    call("rnnjax.scan", rnnjax.scan, **SCAN),
    call(
        "a free run",
        rnnjax.scan,
        cell=FREE,
        params=FREE.init(jax.random.key(0), 3),
        xs=None,
        length=Argument(5, (None, "5", 1.5, -1, np.nan, True)),
    ),
    call("rnnjax.explain", rnnjax.explain, **SCAN),
    call(
        "rnnjax.restart",
        rnnjax.restart,
        cell=cell(CELL),
        weights=tree(PARAMS),
        done=DONE,
        carry=array(CARRY, NARROW, CARRY.h),
    ),
    call(
        "rnnjax.engine.initial_carry",
        engine.initial_carry,
        cell=cell(CELL),
        weights=PARAMS,
        batch_shape=shape((2,)),
    ),
    call(
        "rnnjax.engine.reverse_resets",
        engine.reverse_resets,
        resets=array(MASK, MASK + 0),
        mask=signal(MASK),
    ),
    call("rnnjax.engine.NativeLoop", engine.NativeLoop, **OPTIONS, checkpoint=optional_size(3)),
    call(
        "rnnjax.engine.Loop",
        engine.Loop,
        **OPTIONS,
        unroll=size(2),
        forward_mode=flag(False),
        checkpoint=optional_size(3),
    ),
    call("rnnjax.engine.Associative", engine.Associative, **OPTIONS, chunk=optional_size(3)),
    call(
        "rnnjax.testing.check_cell",
        check_cell,
        cell=cell(GRU(2)),
        input_size=features(),
        reference=Argument(None, (3, "text")),
        draw=Argument(None, (3, "text")),
    ),
]
