"""What the engine chooses, what `explain` tells of it, and the precision of the products."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import Leaky
from draws import B, H, draw, total

from rnnjax import GRU, LSTM, Elman, Stack, explain, frozen, scan
from rnnjax.engine import Sequential
from rnnjax.layers import Bidirectional, Recurrent


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def loops(cell, *args, **options):
    return [name for _, name, _ in explain(cell, *args, **options).loops]


def test_a_staged_cell_takes_the_staged_loop_and_any_other_the_plain_one():
    params, xs, _ = draw(LSTM(H), B)
    told = explain(LSTM(H), params, xs)
    assert [name for _, name, _ in told.loops] == ["staged loop"] and not told.ruled_out
    params, xs, _ = draw(Leaky(H), B)
    told = explain(Leaky(H), params, xs)
    assert [name for _, name, _ in told.loops] == ["plain loop"]
    assert dict(told.ruled_out) == {"staged loop": "Leaky is not a StagedCell"}


def test_segments_of_checkpoints_grow_like_a_square_root():
    segments = {steps: Sequential(checkpoint="sqrt").segment(steps) for steps in (0, 5, 100, 4096)}
    assert segments == {0: 0, 5: 5, 100: 20, 4096: 128}
    assert Sequential(checkpoint=7).segment(100) == 7 and Sequential().segment(100) == 100


def test_what_rules_the_staged_loop_out():
    params, xs, _ = draw(LSTM(H), B)
    forward = explain(LSTM(H), params, xs, method=Sequential(forward_mode=True))
    assert "forward mode" in dict(forward.ruled_out)["staged loop"]
    assert "no steps" in dict(explain(LSTM(H), params, xs[:0]).ruled_out)["staged loop"]
    assert forward.why == "it was asked for"


def test_every_recurrence_of_a_cell_made_of_cells_is_told():
    cell = Stack((LSTM(H), Leaky(H), GRU(H)))
    params, xs, _ = draw(cell, B)
    told = explain(cell, params, xs)
    assert [cell for cell, _, _ in told.loops] == list(cell.cells)
    assert loops(cell, params, xs) == ["staged loop", "plain loop", "staged loop"]


def test_the_memory_that_is_told_is_what_the_gradient_keeps():
    """Inputs, weights, and of every step the pre-activation, the output and the cell state."""
    steps = 640
    params, xs, carry = draw(LSTM(H), B, steps=steps)
    told = explain(LSTM(H), params, xs, carry)
    every_step = steps * B * (4 * H + H + H) * xs.itemsize
    beside = sum(a.nbytes for a in jax.tree.leaves((params, carry, xs)))
    assert every_step < told.gradient_bytes <= every_step + 2 * beside
    assert told.sqrt_bytes < told.gradient_bytes / 3
    assert f"{told.gradient_bytes / 1e6:.3g} MB for the gradient" in str(told)


def test_explaining_computes_nothing_and_takes_shapes_for_arrays():
    params, xs, _ = draw(LSTM(H), B)
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), (params, xs))
    assert explain(LSTM(H), *shapes) == explain(LSTM(H), params, xs)


def test_explain_raises_what_scan_raises():
    params, xs, _ = draw(LSTM(H), B)
    with pytest.raises(ValueError, match="expected xs with"):
        explain(LSTM(H), params, xs[..., :1])


@frozen
class Counting(Elman):
    """An Elman cell that counts its steps."""

    def init_carry(self, params, batch_shape=()):
        return super().init_carry(params, batch_shape), jnp.zeros(batch_shape, int)

    def recur(self, params, carry, z):
        return super().recur(params, carry[0], z)

    def gate(self, params, carry, s):
        h, y = super().gate(params, carry[0], s)
        return (h, carry[1] + 1), y


def test_an_integer_in_the_carry_rules_the_staged_loop_out():
    params, xs, _ = draw(Elman(H), B)
    assert scan(Counting(H), params, xs)[0][1].tolist() == [len(xs)] * B
    assert "an integer" in dict(explain(Counting(H), params, xs).ruled_out)["staged loop"]


@pytest.mark.parametrize("cell", [Elman(64), LSTM(64), GRU(64), Leaky(64)], ids=repr)
def test_bfloat16_products_leave_carries_outputs_and_gradients_in_float32(cell):
    params, xs, carry = jax.tree.map(lambda a: a.astype(jnp.float32) / 4, draw(cell, B))

    def run(params, **options):
        return scan(cell, params, xs, carry, **options)

    exact, rounded = run(params), run(params, dtype=jnp.bfloat16)
    assert all(a.dtype == jnp.float32 for a in jax.tree.leaves(rounded))
    gradients = [
        jax.grad(lambda params, options=options: total(run(params, **options)))(params)
        for options in ({}, {"dtype": "bfloat16"})
    ]
    assert all(a.dtype == jnp.float32 for a in jax.tree.leaves(gradients))
    # Seven bits of a weight are kept, and five steps add up what is lost.
    for pair in ((exact, rounded), gradients):
        for a, b in zip(*map(jax.tree.leaves, pair), strict=True):
            error = np.linalg.norm(a - b) / np.linalg.norm(a)
            assert 0 < error < 0.05


@pytest.mark.parametrize("layer", [Recurrent, Bidirectional])
def test_layers_pass_dtype_and_precision_on(layer):
    cell = GRU(8)
    params = layer(cell).init(jax.random.key(0), 4)
    xs = jax.random.normal(jax.random.key(1), (2, 6, 4), jnp.float32)
    run = jax.jit(lambda layer: layer.apply(params, xs)[1], static_argnums=0)
    assert 0 < jnp.abs(run(layer(cell)) - run(layer(cell, dtype="bfloat16"))).max() < 0.1
    text = run.lower(layer(cell, precision="highest")).as_text()
    assert set(precisions(text)) == {"HIGHEST"}


def precisions(text):
    """The precisions of all products in a lowered program."""
    return re.findall(r"precision = \[(\w+), \w+\]", text)


@pytest.mark.parametrize("cell", [LSTM(H), Leaky(H)], ids=["staged", "plain"])
def test_precision_reaches_every_product_forwards_and_backwards(cell):
    params, xs, _ = draw(cell, B)

    def text(precision):
        gradient = jax.grad(lambda params: total(scan(cell, params, xs, precision=precision)))
        return jax.jit(gradient).lower(params).as_text()

    found = precisions(text("highest"))
    assert len(found) == text("highest").count("dot_general") > 0
    assert set(found) == {"HIGHEST"} and set(precisions(text(None))) <= {"DEFAULT"}
