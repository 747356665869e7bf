"""What the engine chooses, what `explain` tells of it, and the precision of the products."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import Leaky
from draws import B, F, H, draw, total

from rnnjax import GRU, LSTM, Elman, Residual, Stack, explain, scan
from rnnjax.cells import (
    LRU,
    LearnedCarry,
    MinGRU,
    Record,
    RecurrentDropout,
    VariationalDropout,
    WeightDrop,
    Zoneout,
)
from rnnjax.engine import Associative, Loop, NativeLoop
from rnnjax.engine._choice import describe
from rnnjax.engine._methods import candidates, methods
from rnnjax.layers import RNN, Bidirectional

STAGED = LSTM(F)  # as many units as features, for a residual connection


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def shapes_of(cell, steps=5):
    """Shapes of parameters and inputs in float32."""
    xs = jax.ShapeDtypeStruct((steps, B, F), jnp.float32)
    return jax.eval_shape(lambda: cell.init(jax.random.key(0), F)), xs


def forms(cell, **options):
    return [choice.form for choice in explain(cell, *shapes_of(cell), **options).recurrences]


# What runs a cell


@pytest.mark.parametrize("key", [None, 1], ids=["evaluation", "training"])
@pytest.mark.parametrize(
    "cell",
    [
        STAGED,
        Zoneout(STAGED, rate=0.1),
        WeightDrop(STAGED, rate=0.1),
        VariationalDropout(STAGED, rate=0.1),
        RecurrentDropout(STAGED, rate=0.1),
        Residual(STAGED),
        LearnedCarry(STAGED),
        Record(STAGED),
        Zoneout(Residual(WeightDrop(STAGED, rate=0.1)), rate=0.1),
    ],
    ids=repr,
)
def test_a_staged_cell_takes_the_staged_loop_in_wrappers_too(cell, key):
    key = None if key is None else jax.random.key(key)
    assert forms(cell, key=key) == ["staged loop"]


@pytest.mark.parametrize(
    "cell",
    [LRU(H, F), MinGRU(H), Zoneout(MinGRU(H), rate=0.1), Residual(MinGRU(F))],
    ids=repr,
)
def test_a_linear_cell_takes_the_linear_loop_on_a_cpu_and_elsewhere_all_steps_at_once(cell):
    assert [type(method) for method in methods("cpu")] == [NativeLoop, Loop, Associative]
    assert [type(method) for method in methods("gpu")] == [Associative, Loop]
    assert forms(cell, method=Loop()) == ["linear loop"]
    assert forms(cell, method=Associative()) == ["associative scan"]
    if jax.default_backend() == "cpu":
        assert forms(cell) == ["linear loop"]


class Clipped(MinGRU):
    """A subclass of a linear cell that is not linear: it redefines `update`."""

    def update(self, weights, carry, s):
        return jnp.clip(super().update(weights, carry, s), -1, 1)


def test_a_cell_without_stages_takes_the_plain_loop():
    (choice,) = explain(Leaky(H), *shapes_of(Leaky(H))).recurrences
    assert choice.form == "plain loop" and "no stages" in choice.why and len(choice.ruled_out) == 2
    assert forms(Clipped(H), method=Associative()) == ["staged loop"]


def test_every_recurrence_of_a_stack_is_told():
    cell = Stack((LSTM(H), jnp.tanh, Leaky(H), Residual(MinGRU(H)), Stack((GRU(H), Elman(H)))))
    told = explain(cell, *shapes_of(cell)).recurrences
    assert [choice.cell for choice in told] == [LSTM(H), Leaky(H), MinGRU(H), GRU(H), Elman(H)]
    staged, plain, linear = "staged loop", "plain loop", "linear loop"
    assert [choice.form for choice in told] == [staged, plain, linear, staged, staged]


# Obstacles


def test_what_stands_against_the_staged_loop():
    params, xs = shapes_of(STAGED)
    _, nothing = shapes_of(STAGED, steps=0)
    rows = [
        (xs, {"method": Loop(forward_mode=True)}, "the staged gradient is for reverse mode"),
        (nothing, {}, "there are no two steps"),
        (None, {"length": 5}, "there are no inputs"),
    ]
    for given, options, why in rows:
        (choice,) = explain(Fed(F), params, given, **options).recurrences
        assert choice.form == "plain loop" and choice.why.startswith(why)


class Fed(LSTM):
    """An LSTM that can run without inputs: the last output stands for them."""

    def project(self, weights, xs):
        return xs if xs is None else super().project(weights, xs)

    def recur(self, weights, carry, z):
        z = super().project(weights, carry.h) if z is None else z
        return super().recur(weights, carry, z)


def test_what_stands_against_all_steps_at_once():
    def ruled_out(cell, given=None, **options):
        params, xs = shapes_of(cell, options.pop("steps", 5))
        xs = given if "length" in options else xs
        (choice,) = explain(cell, params, xs, method=Associative(), **options).recurrences
        assert choice.method == Loop()
        return dict(choice.ruled_out)["Associative"]

    assert ruled_out(STAGED) == "LSTM is not linear in its carry"
    assert "number of steps" in ruled_out(MinGRU(H), steps=0)
    assert "without inputs" in ruled_out(Decay(H), length=3)


class Decay(MinGRU):
    """A linear cell that decays where there is no input."""

    def elements(self, weights, xs):
        if xs is None:
            zeros = jnp.zeros(self.hidden_size, weights.b.dtype)
            return zeros + 0.5, zeros
        return super().elements(weights, xs)


def test_what_was_asked_for_comes_before_the_loop_in_its_dtype_and_precision():
    assert candidates(Loop(unroll=2)) == (Loop(unroll=2),)
    narrow = Associative(chunk=2, dtype="bfloat16", precision="highest")
    assert candidates(narrow) == (narrow, Loop(dtype="bfloat16", precision="highest"))


# What is told


def test_what_is_printed_has_methods_in_order_thresholds_and_obstacles():
    cell = Stack((LSTM(H), MinGRU(H)))
    lines = str(explain(cell, *shapes_of(cell), method=Associative(chunk=4))).splitlines()
    assert lines[0].split() == ["methods", "Associative,", "Loop"]
    assert tuple(map(str.strip, lines[1:3])) == describe() and "512 rows" in lines[2]
    del lines[2]
    assert lines[2:4] == [
        f"cell     {LSTM(H)}",
        "  not    Associative: LSTM is not linear in its carry",
    ]
    assert lines[4].startswith("  by     staged loop of Loop(): ")
    assert lines[5] == f"cell     {MinGRU(H)}"
    assert lines[6] == "  not    Loop: it could, and comes after Associative"
    assert lines[7].startswith("  by     associative scan of Associative(chunk=4): ")
    assert re.fullmatch(r"memory   \S+ MB for the gradient, \S+ MB with .*'sqrt'", lines[8])
    assert len(lines) == 9


def test_the_thresholds_that_are_told_are_those_in_use(monkeypatch):
    monkeypatch.setattr("rnnjax.engine._choice.PROJECTED_ROWS", 7)
    monkeypatch.setattr("rnnjax.engine._choice.INPUT_WEIGHT_BYTES", 3 * 1024)
    monkeypatch.setattr("rnnjax.engine._choice.NATIVE_WEIGHTS", 5)
    told = " ".join(describe())
    assert "up to 7 rows" in told and "below 3 kB" in told and "from 5 weights" in told


def test_segments_of_checkpoints_grow_like_a_square_root():
    segments = {steps: Loop(checkpoint="sqrt").segment(steps) for steps in (0, 5, 100, 4096)}
    assert segments == {0: 0, 5: 5, 100: 20, 4096: 128}
    assert Loop(checkpoint=7).segment(100) == 7 and Loop().segment(100) == 100


def test_the_memory_that_is_told_is_what_the_gradient_keeps():
    """Inputs, weights, and of every step the pre-activation, the output and the cell state."""
    steps = 640
    params, xs, carry = draw(LSTM(H), B, steps=steps)
    told = explain(LSTM(H), params, xs, carry)
    every_step = steps * B * (4 * H + H + H) * xs.itemsize
    beside = sum(a.nbytes for a in jax.tree.leaves((params, carry, xs)))
    assert every_step < told.gradient_bytes <= every_step + 2 * beside
    assert told.sqrt_bytes < told.gradient_bytes / 3
    sqrt = explain(LSTM(H), params, xs, carry, method=Loop(checkpoint="sqrt"))
    assert sqrt.gradient_bytes == sqrt.sqrt_bytes == told.sqrt_bytes


def test_explaining_computes_nothing_and_takes_shapes_for_arrays():
    params, xs, carry = draw(LSTM(H), B)
    given = params, xs, carry
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), given)
    assert explain(LSTM(H), *shapes) == explain(LSTM(H), *given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 1}, "expected xs with"),
        ({"method": "fast"}, "expected method to be a Method"),
        ({"reverse": "no"}, "expected reverse to be True or False"),
        ({"length": 5}, "expected either xs, or"),
        ({"context": 1.0}, "expected no context"),
    ],
)
def test_explain_raises_what_scan_raises(options, message):
    params, xs, _ = draw(LSTM(H), B)
    xs = xs[..., : options.pop("features", F)]
    for function in (explain, scan):
        with pytest.raises(ValueError, match=message):
            function(LSTM(H), params, xs, **options)


# Precision


@pytest.mark.parametrize("cell", [LSTM(64), Leaky(64), MinGRU(64)], ids=repr)
def test_bfloat16_products_leave_carries_outputs_and_gradients_in_float32(cell):
    params, xs, carry = jax.tree.map(lambda a: a.astype(jnp.float32) / 4, draw(cell, B))

    def run(method):
        def loss(params):
            out = scan(cell, params, xs, carry, method=method)
            return total(out), out

        return jax.jit(jax.grad(loss, has_aux=True))(params)

    for pair in zip(run(None), run(Loop(dtype="bfloat16")), strict=True):
        for a, b in zip(*map(jax.tree.leaves, pair), strict=True):
            assert b.dtype == jnp.float32
            # Seven bits of a weight are kept, and five steps add up what is lost.
            assert 0 < np.linalg.norm(a - b) / np.linalg.norm(a) < 0.05


@pytest.mark.parametrize("layer", [RNN, Bidirectional])
def test_layers_pass_the_method_on(layer):
    cell = GRU(8)
    params = layer(cell).init(jax.random.key(0), 4)
    xs = jax.random.normal(jax.random.key(1), (2, 6, 4), jnp.float32)
    run = jax.jit(lambda layer: layer.apply(params, xs)[1], static_argnums=0)
    narrow = layer(cell, method=Loop(dtype="bfloat16"))
    assert 0 < jnp.abs(run(layer(cell)) - run(narrow)).max() < 0.1
    text = run.lower(layer(cell, method=Loop(precision="highest"))).as_text()
    assert set(precisions(text)) == {"HIGHEST"}


def precisions(text):
    """The precisions of all products in a lowered program."""
    return re.findall(r"precision = \[(\w+), \w+\]", text)


@pytest.mark.parametrize(
    ("cell", "method"),
    [(LSTM(H), Loop), (Leaky(H), Loop), (MinGRU(H), Loop), (LRU(H, F), Associative)],
    ids=["staged", "plain", "linear", "at once"],
)
def test_precision_reaches_every_product_forwards_and_backwards(cell, method):
    params, xs = shapes_of(cell)

    def text(precision):
        def loss(params, xs):
            return total(scan(cell, params, xs, method=method(precision=precision))[1])

        return jax.jit(jax.grad(loss)).lower(params, xs).as_text()

    found = precisions(text("highest"))
    assert len(found) == text("highest").count("dot_general") > 0
    assert set(found) == {"HIGHEST"} and set(precisions(text(None))) <= {"DEFAULT"}
