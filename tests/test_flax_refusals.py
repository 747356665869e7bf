"""Sentences for what no module can be made of or called with."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnjax import GRU, LSTM
from rnnjax.attention import Additive
from rnnjax.cells import AttentionDecoder
from rnnjax.flax import linen as rln
from rnnjax.flax import nnx as rnx
from rnnjax.layers import Dense, Dropout

B, T, F, H = 3, 5, 2, 4
XS, KEY = jnp.ones((B, T, F)), jax.random.key(0)
KINDS: Any = [(rnx.Cell, LSTM(H)), (rnx.RNN, LSTM(H)), (rnx.Layer, Dense(H))]
BOTH: Any = [rln, rnx]


def made(package: Any, kind: str, core: Any) -> Any:
    """A module with parameters, as a function."""
    if package is rnx:
        return getattr(rnx, kind)(core, F, rngs=nnx.Rngs(0))
    module = getattr(rln, kind)(core)
    variables = {"params": rln.named(core.init(KEY, F))}
    return lambda *args, **call: module.apply(variables, *args, **call)


@pytest.mark.parametrize("size", [None, "3", 1.5, 0, -1, True, (2, None)], ids=repr)
@pytest.mark.parametrize("kind, core", KINDS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_number_of_features_is_a_positive_integer(kind, core, size):
    with pytest.raises(ValueError, match="expected in_features"):
        kind(core, size, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("rngs", [None, 0, "key", KEY], ids=["None", "0", "text", "key"])
@pytest.mark.parametrize("kind, core", KINDS, ids=lambda each: getattr(each, "__name__", ""))
def test_rngs_are_those_of_flax(kind, core, rngs):
    with pytest.raises(ValueError, match="expected rngs to be nnx.Rngs"):
        kind(core, F, rngs=rngs)


def test_a_module_is_made_of_a_cell_or_a_layer():
    carry = jnp.zeros((B, H))
    for kind, core in (("RNN", Dense(3)), ("RNN", LSTM), ("Cell", GRU), ("Cell", nn.GRUCell(3))):
        with pytest.raises(ValueError, match="expected cell to be a Cell"):
            getattr(rnx, kind)(core, F, rngs=nnx.Rngs(0))
        with pytest.raises(ValueError, match="expected cell to be a Cell"):
            getattr(rln, kind)(core).init(KEY, *([XS] if kind == "RNN" else [carry, XS[:, 0]]))
    with pytest.raises(ValueError, match="expected cell to be a Cell"):
        rln.Cell(GRU).initialize_carry(KEY, (B, F))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"expected layer to be a Layer.*by RNN\(cell\)"):
        rln.Layer(LSTM(H)).init(KEY, XS)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"expected layer to be a Layer.*by RNN\(cell\)"):
        rnx.Layer(LSTM(H), F, rngs=nnx.Rngs(0))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("package", BOTH, ids=["Linen", "NNX"])
def test_inputs_are_arrays_with_features(package):
    rnn, cell = made(package, "RNN", LSTM(H)), made(package, "Cell", LSTM(H))
    carry = rln.Cell(LSTM(H)).initialize_carry(None, (B, F))
    for bad in (None, [], "text", np.array(["a", "b"]), jnp.float32(1)):
        for call in (lambda xs: rnn(xs), lambda xs: cell(carry, xs)):
            with pytest.raises(ValueError, match="expected inputs to be arrays with"):
                call(bad)
    with pytest.raises(ValueError, match="expected inputs to be arrays with 2 axes or more"):
        rnn(jnp.ones(F))
    with pytest.raises(ValueError, match="expected real inputs for real parameters"):
        cell(carry, XS[:, 0] * 1j)
    with pytest.raises(Exception, match=r"expected xs with 2 features|shape"):
        cell(carry, jnp.ones((B, F + 1)))


@pytest.mark.parametrize("package", BOTH, ids=["Linen", "NNX"])
def test_options_are_flags(package):
    rnn, layer = made(package, "RNN", LSTM(H)), made(package, "Layer", Dense(H))
    for name in ("return_carry", "time_major", "reverse", "keep_order", "deterministic"):
        with pytest.raises(ValueError, match=f"expected {name} to be True or False"):
            rnn(XS, **{name: "yes"})
    with pytest.raises(ValueError, match="expected return_carry to be True or False"):
        layer(XS, return_carry=1)


@pytest.mark.parametrize("shape", [None, 3, (), "23"], ids=repr)
def test_a_carry_is_for_a_shape(shape):
    for initialize in (
        rnx.Cell(GRU(H), F, rngs=nnx.Rngs(0)).initialize_carry,
        lambda shape: rln.Cell(GRU(H)).initialize_carry(KEY, shape),
    ):
        with pytest.raises(ValueError, match="expected input_shape to be a shape"):
            initialize(shape)


def test_a_step_has_no_context():
    decoder = AttentionDecoder(GRU(H), Additive(3), memory_size=2)
    for initialize in (
        rnx.Cell(decoder, F, rngs=nnx.Rngs(0)).initialize_carry,
        lambda shape: rln.Cell(decoder).initialize_carry(KEY, shape),
    ):
        with pytest.raises(ValueError, match="expected a context for AttentionDecoder"):
            initialize((B, F))


def test_noise_has_a_source():
    layer = rnx.Layer(Dropout(0.5), F, rngs=nnx.Rngs(0))
    same = [layer(XS, rngs=KEY) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    stream = nnx.Rngs(dropout=1).dropout
    assert not np.array_equal(layer(XS, rngs=stream), layer(XS, rngs=stream))
    with pytest.raises(ValueError, match="expected rngs to be nnx.Rngs, a stream of it, or a key"):
        layer(XS, rngs=3)
    with pytest.raises(ValueError, match="expected the rngs of a Linen module at its apply"):
        rln.Layer(Dropout(0.5)).apply({}, XS, rngs={"dropout": KEY}, method=with_rngs)


def with_rngs(layer, xs):
    return layer(xs, rngs=KEY)


def test_a_carry_is_drawn_where_flax_asks_for_it():
    cell = rnx.Cell(LSTM(H), F, rngs=nnx.Rngs(0))
    normal = jax.nn.initializers.normal(1.0)
    carry = cell.initialize_carry((B, F), nnx.Rngs(carry=1), normal)
    assert carry.h.shape == carry.c.shape == (B, H) and carry.h.dtype == jnp.float32
    assert not np.allclose(carry.h, carry.c) and carry.h.std() > 0.3


def test_flax_sees_the_calls_of_a_module():
    """By their name, which Flax's filters compare."""
    outer: Any = nn.Sequential([rln.RNN(GRU(H)), rln.Layer(Dense(2))])
    variables = outer.init(KEY, XS)
    ys, seen = outer.apply(variables, XS, capture_intermediates=True)
    assert set(seen["intermediates"]) == {"__call__", "layers_0", "layers_1"}
    (last,) = seen["intermediates"]["layers_1"]["__call__"]
    np.testing.assert_array_equal(last, ys)
