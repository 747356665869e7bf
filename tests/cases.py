"""The table of cells: every row goes through all laws. A new cell needs one row here."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from rnnjax import (
    GRU,
    LSTM,
    Cell,
    Elman,
    Jordan,
    ProjectedLSTM,
    ResetBeforeGRU,
    Residual,
    Stack,
)
from rnnjax.attention import Additive, MultiHead, Source
from rnnjax.cells import (
    LRU,
    RHN,
    AttentionDecoder,
    Bridge,
    ConvGRU,
    ConvLSTM,
    EchoState,
    Hopfield,
    IndRNN,
    LearnedCarry,
    MinGRU,
    ModernHopfield,
    Record,
    RecurrentDropout,
    SynchronousHopfield,
    VariationalDropout,
    WeightDrop,
    Zoneout,
)
from rnnjax.engine import initial_carry
from rnnjax.testing import assert_close as assert_close
from rnnjax.testing import at as at
from rnnjax.testing import stacked as stacked


class Case(NamedTuple):
    id: str
    cell: Cell
    input_size: Any
    context: Any = None
    draw: Callable | None = None


class LeakyParams(NamedTuple):
    w_x: Array
    leak: Array


class Leaky(Cell):
    """A user's plain cell: `h' = sigmoid(leak) h + x w_x, y = tanh(h')`."""

    size: int
    output_size = property(lambda self: self.size)

    def init(self, key, input_size, *, dtype=jnp.float32):
        w = jax.random.normal(key, (input_size, self.size), dtype)
        return LeakyParams(w, jnp.zeros(self.size, dtype))

    def init_carry(self, weights, batch_shape=()):
        return jnp.zeros((*batch_shape, self.size))

    def update(self, weights, carry, x):
        return jax.nn.sigmoid(weights.leak) * carry + x @ weights.w_x

    def readout(self, weights, carry, x):
        return jnp.tanh(carry)


class Pulse(NamedTuple):
    level: Array
    trace: Array


class ClocksCarry(NamedTuple):
    slow: Array
    fast: Pulse
    before: Array
    step: Array


class Clocks(Cell):
    """A user's cell in which input, parameters, carry and output are trees, with a counter.

    level' = tanh(u w_u + slow w_s),  trace' = trace / 2 + level' v w_v, every second step twice it
    slow'  = cos(slow) + trace',      y = {"sum": level' + slow', "product": trace' slow}
    """

    size: int
    output_size = property(lambda self: {"sum": self.size, "product": self.size})

    def init(self, key, input_size, *, dtype=jnp.float32):
        sizes = {"w_u": input_size["u"], "w_v": input_size["v"], "w_s": self.size}
        keys = dict(zip(sizes, jax.random.split(key, 3), strict=True))
        return {k: jax.random.normal(keys[k], (sizes[k], self.size), dtype) for k in sizes}

    def init_carry(self, weights, batch_shape=()):
        zeros = jnp.zeros((*batch_shape, self.size))
        step = jnp.zeros(batch_shape, jnp.int32)
        return ClocksCarry(zeros, Pulse(level=zeros, trace=zeros + 1), zeros, step)

    def update(self, weights, carry, x):
        level = jnp.tanh(x["u"] @ weights["w_u"] + carry.slow @ weights["w_s"])
        trace = carry.fast.trace / 2 + level * (x["v"] @ weights["w_v"])
        trace = trace * (1 + carry.step % 2)[..., None].astype(trace.dtype)
        slow = jnp.cos(carry.slow) + trace
        return ClocksCarry(slow, Pulse(level, trace), carry.slow, carry.step + 1)

    def readout(self, weights, carry, x):
        level, trace = carry.fast
        return {"sum": level + carry.slow, "product": trace * carry.before}


class GatedParams(NamedTuple):
    w_x: Array
    w_h: Array
    leak: Array
    gain: Array
    start: Array


class GatedCarry(NamedTuple):
    h: Array
    c: Array
    s: Array


class Gated(Cell):
    """A user's staged cell: `recur` is not linear in `z`, and `update` has parameters.

    z = x w_x,  s = tanh(z) (h w_h) + z
    c' = sigmoid(leak) c + tanh(s),  h' = gain sin(c'),  y = h' + s

    It starts from c = `start`, a parameter.
    """

    size: int
    output_size = property(lambda self: self.size)

    def init(self, key, input_size, *, dtype=jnp.float32):
        key_x, key_h = jax.random.split(key)
        return GatedParams(
            w_x=jax.random.normal(key_x, (input_size, self.size), dtype),
            w_h=jax.random.normal(key_h, (self.size, self.size), dtype),
            leak=jnp.zeros(self.size, dtype),
            gain=jnp.ones(self.size, dtype),
            start=jnp.zeros(self.size, dtype),
        )

    def init_carry(self, weights, batch_shape=()):
        zeros = jnp.zeros((*batch_shape, self.size), weights.start.dtype)
        return GatedCarry(h=zeros, c=zeros + weights.start, s=zeros)

    def project(self, weights, xs):
        return xs @ weights.w_x

    def recur(self, weights, carry, z):
        return jnp.tanh(z) * (carry.h @ weights.w_h) + z

    def update(self, weights, carry, s):
        c = jax.nn.sigmoid(weights.leak) * carry.c + jnp.tanh(s)
        return GatedCarry(weights.gain * jnp.sin(c), c, s)

    def readout(self, weights, carry, x):
        return carry.h + carry.s


class GapCarry(NamedTuple):
    h: Array
    last: Array


class LogGap(Cell):
    """A user's cell of irregular samples, singular at input 0 and at a repeated time stamp.

    h' = tanh(log(x) w_x + h w_h + b log(t - last)),  last' = t
    """

    size: int
    output_size = property(lambda self: self.size)

    def init(self, key, input_size, *, dtype=jnp.float32):
        keys = jax.random.split(key)
        return {
            "w_x": jax.random.normal(keys[0], (input_size["x"], self.size), dtype),
            "w_h": jax.random.normal(keys[1], (self.size, self.size), dtype),
            "b": jnp.zeros(self.size, dtype),
        }

    def init_carry(self, weights, batch_shape=()):
        return GapCarry(jnp.zeros((*batch_shape, self.size)), jnp.zeros((*batch_shape, 1)) - 1)

    def project(self, weights, xs):
        return jnp.log(xs["x"]) @ weights["w_x"], xs["t"]

    def recur(self, weights, carry, z):
        return z[0] + carry.h @ weights["w_h"], z[1]

    def update(self, weights, carry, s):
        s, t = s
        return GapCarry(jnp.tanh(s + weights["b"] * jnp.log(t - carry.last)), t)


def _rising(rng, lead):
    """Positive features, and time stamps that rise along the first axis, and fall below none."""
    t = 4 + np.cumsum(rng.uniform(0.5, 1.5, (*lead, 1)), axis=0)
    return {"x": jnp.asarray(rng.uniform(0.5, 2, (*lead, 2))), "t": jnp.asarray(t)}


class Tokens(Cell):
    """A user's staged cell of tokens, with integers among its parameters and pre-activations.

    h' = tanh(table[x] + roll(h) w_h),  where `wired` says which weights there are
    """

    size: int
    num_feature_axes = 0
    output_size = property(lambda self: self.size)

    def init(self, key, input_size, *, dtype=jnp.float32):
        keys = jax.random.split(key, 3)
        return {
            "table": jax.random.normal(keys[0], (input_size, self.size), dtype),
            "w_h": jax.random.normal(keys[1], (self.size, self.size), dtype),
            "wired": jax.random.bernoulli(keys[2], 0.5, (self.size, self.size)),
        }

    def init_carry(self, weights, batch_shape=()):
        return jnp.zeros((*batch_shape, self.size))

    def project(self, weights, xs):
        return weights["table"][xs], xs

    def recur(self, weights, carry, z):
        return z[0] + carry @ (weights["w_h"] * weights["wired"]), z[1]

    def update(self, weights, carry, s):
        return jnp.tanh(s[0]) * (1 + s[1] % 2)[..., None].astype(carry.dtype)


def _softsign(x):
    return x / (1 + jnp.abs(x))


def _memory(steps=4, size=3):
    rng = np.random.default_rng(3)
    values = rng.standard_normal((3, steps, size))
    values[0, 2:] = np.nan
    summary = jnp.asarray(rng.standard_normal((3, 2)))
    return Source(jnp.asarray(values), jnp.array([2, steps, 1]), summary)


CASES = [
    Case("Elman", Elman(4), 3),
    Case("Elman-relu", Elman(4, activation="relu", use_bias=False), 3),
    Case("Jordan", Jordan(4, 2, output_activation="sigmoid"), 3),
    Case("IndRNN", IndRNN(4, activation="tanh"), 3),
    Case("LSTM", LSTM(4), 3),
    Case("LSTM-options", LSTM(4, activation="sigmoid", gate_activation="tanh"), 3),
    Case("ProjectedLSTM", ProjectedLSTM(4, 2), 3),
    Case("GRU", GRU(4), 3),
    Case("ResetBeforeGRU", ResetBeforeGRU(4), 3),
    Case("RHN", RHN(3, depth=5), 2),
    Case("ConvLSTM", ConvLSTM((3, 2), 2), (3, 2, 1)),
    Case("ConvGRU", ConvGRU((3, 2), 2, kernel_size=2), (3, 2, 1)),
    Case("LRU", LRU(4, 3), 3),
    Case("MinGRU", MinGRU(4), 3),
    Case("EchoState", EchoState(5, 2), 2),
    Case("Hopfield", Hopfield(4), 4),
    Case("SynchronousHopfield", SynchronousHopfield(4), 4),
    Case("ModernHopfield", ModernHopfield(4, 3, beta=0.7), 4),
    Case("AttentionDecoder", AttentionDecoder(LSTM(3), Additive(2), 3), 2, _memory()),
    Case(
        "AttentionDecoder-heads",
        AttentionDecoder(Bridge(GRU(3), 2), MultiHead(2, 4), 3, with_attended=True),
        2,
        _memory(),
    ),
    Case("Bridge", Bridge(LSTM(3), 2), 2, _memory()),
    Case("Stack", Stack((LSTM(3), _softsign, ResetBeforeGRU(4), Elman(2))), 3),
    Case("Stack-Residual", Stack((Elman(4), Residual(MinGRU(4)))), 3),
    Case("Stack-skip", Stack((Elman(3), GRU(2)), skip=True), 2),
    Case("Residual", Residual(GRU(4)), 4),
    Case("Record", Record(Stack((Elman(3), GRU(2)))), 2),
    Case("Zoneout", Zoneout(LSTM(4), rate=(0.2, 0.4)), 3),
    Case("Zoneout-linear", Zoneout(MinGRU(4), rate=0.3), 3),
    Case("Zoneout-Clocks", Zoneout(Clocks(3), rate=0.3), {"u": 3, "v": 2}),
    Case("VariationalDropout", VariationalDropout(GRU(4), rate=0.4), 3),
    Case("RecurrentDropout", RecurrentDropout(LSTM(4), rate=0.4), 3),
    Case("WeightDrop", WeightDrop(Stack((Elman(3), GRU(2))), rate=0.4), 3),
    Case("LearnedCarry", LearnedCarry(LSTM(4)), 3),
    Case("Leaky", Leaky(4), 3),
    Case("Clocks", Clocks(4), {"u": 3, "v": 2}),
    Case("Gated", Gated(4), 3),
    Case("LogGap", LogGap(3), {"x": 2, "t": 1}, draw=_rising),
    Case("Tokens", Tokens(4), 5),
]

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def each_of(kinds: str, slow: str = "") -> pytest.MarkDecorator:
    """A test for the rows of these kinds, and a slow one for those of others."""
    rows = {case.id: case for case in CASES}
    few = [pytest.param(rows[kind], id=kind) for kind in kinds.split()]
    more = [pytest.param(rows[kind], id=kind, marks=pytest.mark.slow) for kind in slow.split()]
    return pytest.mark.parametrize("case", few + more)


def random_like(seed: int, tree: Any, dtype: Any = None) -> Any:
    """A tree of different random numbers in the place of every array (or shape) of `tree`."""
    draw = np.random.default_rng(seed).standard_normal
    return jax.tree.map(lambda a: jnp.asarray(draw(a.shape), dtype or a.dtype), tree)


def random_params(case: Case, *, seed: int = 0) -> Any:
    """Parameters in float64, without a zero."""
    shapes = jax.eval_shape(lambda: case.cell.init(jax.random.key(0), case.input_size))
    return jax.tree.map(lambda a: a / 2, random_like(seed, shapes, jnp.float64))


def random_inputs(case: Case, *lead: int) -> Any:
    """Inputs `[*lead, features]` in float64."""
    draw = np.random.default_rng(1).standard_normal
    return jax.tree.map(lambda size: jnp.asarray(draw((*lead, size))), case.input_size)


def random_carry(case: Case, params: Any, *batch: int, seed: int = 2) -> Any:
    weights = case.cell.prepare(params, context=case.context, batch_shape=batch)
    return random_like(seed, initial_carry(case.cell, weights, batch))
