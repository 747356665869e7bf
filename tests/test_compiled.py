"""What is compiled, how often, and what the compiler makes of it."""

import re
from collections import Counter
from math import prod
from typing import Any

import jax
import numpy as np
import pytest
from cases import Leaky, assert_close, stacked
from draws import B, F, H, T, draw, draw_signals, total
from jax.sharding import AbstractMesh, AxisType, NamedSharding, PartitionSpec

from rnnjax import GRU, LSTM, Elman, Jordan, ResetBeforeGRU, scan
from rnnjax.engine import Loop, _choice

STAGED, PLAIN = LSTM(H), Leaky(H)
FORWARD = Loop(forward_mode=True)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


TRACES = []


class Traced(Elman):
    """Notes down every trace of its equations."""

    def update(self, weights, carry, s):
        TRACES.append(self)
        return super().update(weights, carry, s)


def test_equal_configurations_compile_once():
    def traces(run):
        TRACES.clear()
        run()
        return len(TRACES)

    params, xs, carry = draw(Traced(H), B)
    members = stacked([params, params])
    assert traces(lambda: scan(Traced(H), params, xs, carry)) > 0
    assert traces(lambda: scan(Traced(H), params, 2 * xs, carry)) == 0
    assert traces(lambda: jax.jit(lambda xs: scan(Traced(H), params, xs, carry))(xs)) == 0
    assert traces(lambda: jax.vmap(lambda p: scan(Traced(H), p, xs, carry))(members)) == 0
    assert traces(lambda: scan(Traced(H, activation="relu"), params, xs, carry)) > 0
    wider = draw(Traced(H + 1), B)
    assert traces(lambda: scan(Traced(H + 1), *wider)) > 0


@pytest.mark.parametrize("cell", [STAGED, PLAIN], ids=["staged", "plain"])
def test_no_tracer_leaks(cell):
    args = draw(cell, B)
    gradient = jax.grad(lambda args: total(scan(cell, *args, **draw_signals(B))))
    with jax.checking_leaks():
        jax.eval_shape(gradient, args)


def temporary_bytes(run, *args):
    memory: Any = jax.jit(run).lower(*args).compile().memory_analysis()
    return memory.temp_size_in_bytes


@pytest.mark.parametrize("cell", [STAGED, PLAIN], ids=["staged", "plain"])
def test_without_a_gradient_memory_does_not_grow_with_time(cell):
    def bytes_of_final_carry(steps):
        params, xs, carry = draw(cell, B, steps=steps)
        return temporary_bytes(lambda *args: scan(cell, *args)[0], params, xs, carry)

    assert bytes_of_final_carry(2**12) == bytes_of_final_carry(2**14) < 2**12 * B * 4 * H


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_the_gradient_keeps_pre_activations_and_carries_once(reverse):
    steps, batch, size = 2**11, 8, 4
    params, xs, _ = draw(LSTM(size), batch, steps=steps)

    def loss(params):
        return total(scan(LSTM(size), params, xs, reverse=reverse)[1])

    carries_and_pre_activations = steps * batch * (2 + 4) * size * xs.itemsize
    # Before 0.12 XLA drops the barrier that keeps the shifted carries out of the loop's time.
    most = 1.3 if jax.__version_info__ >= (0, 12) else 1.4
    assert temporary_bytes(jax.grad(loss), params) < most * carries_and_pre_activations


def test_checkpoints_make_the_memory_of_the_gradient_grow_like_a_square_root():
    def gradient_bytes(steps, checkpoint):
        params, xs, carry = draw(STAGED, B, steps=steps)

        def loss(params):
            final, _ = scan(STAGED, params, xs, carry, method=Loop(checkpoint=checkpoint))
            return total(final)

        return temporary_bytes(jax.grad(loss), params)

    long = gradient_bytes(1024, "sqrt")
    assert long < gradient_bytes(1024, None) / 3
    assert long < 6 * gradient_bytes(64, "sqrt")


@pytest.mark.parametrize(
    ("lengths", "reverse"), [(None, False), ((0, 2, T), True)], ids=["all", "lengths backwards"]
)
def test_the_training_gradient_has_five_products_and_copies_no_pre_activations(lengths, reverse):
    """One product a step and direction; one for all inputs; one for each weight gradient."""
    params, xs, _ = draw(STAGED, B)
    lengths = None if lengths is None else np.array(lengths)

    def loss(params):
        return total(scan(STAGED, params, xs, lengths=lengths, reverse=reverse)[1])

    text = str(jax.jit(jax.grad(loss)).lower(params).compile().as_text())
    found = re.findall(r"= \w+\[([\d,]*)\]\S* ([\w-]+)\(", text)
    products = Counter(shape for shape, name in found if name == "dot")
    expected = [(B, 4 * H), (B, H), (T * B, 4 * H), (F, 4 * H), (H, 4 * H)]
    if lengths is not None:  # the step at which masked ones are computed
        expected += 2 * [(B, 4 * H)]
    assert products == Counter(",".join(map(str, shape)) for shape in expected)

    copied = Counter(shape for shape, name in found if name == "copy")
    assert copied.total() > 0
    assert not copied[f"{T},{B},{4 * H}"] + copied[f"{T * B},{4 * H}"]


@pytest.mark.parametrize(
    "cell, widths",
    [(ResetBeforeGRU(H), (2 * H, H, H, H)), (Jordan(H, 2), (H, 2, H, 2))],
    ids=repr,
)
def test_of_two_products_in_a_step_the_backward_loop_computes_none_again(cell, widths):
    """Both forwards, and the gradient of each in what it multiplies; all others are large."""
    params, xs, _ = draw(cell, 7)
    run = jax.grad(lambda params: total(scan(cell, params, xs)[1]))
    text = str(jax.jit(run).lower(params).compile().as_text())
    products = re.findall(r"= \w+\[7,(\d+)\]\S* dot\(", text)
    assert sorted(map(int, products)) == sorted(widths)


@pytest.mark.parametrize("batch", [1, B])
@pytest.mark.parametrize("most", [0, 2**19], ids=["large", "small"])
def test_small_weights_are_read_in_the_loop_and_change_nothing(monkeypatch, most, batch):
    monkeypatch.setattr(_choice, "INPUT_WEIGHT_BYTES", most)
    jax.clear_caches()
    params, xs, carry = draw(STAGED, batch)
    signals = draw_signals(batch)

    def run(*args):
        return scan(STAGED, *args, reverse=True, **signals)

    program = jax.jit(run).lower(params, xs, carry).compile()
    text = str(program.as_text())
    products = re.findall(r"= \w+\[([\d,]*)\]\S* dot\(", text)
    one = batch * 4 * H
    sizes = [prod(map(int, shape.split(","))) for shape in products]
    step_of_masked = [one, one]
    expected = [one, one] if most and batch > 1 else [one, T * one]
    assert sorted(sizes) == sorted(expected + step_of_masked)
    plain = scan(STAGED, params, xs, carry, reverse=True, method=FORWARD, **signals)
    assert_close(program(params, xs, carry), plain)


@pytest.mark.parametrize("kind, merged", [(AxisType.Auto, False), (AxisType.Manual, True)])
def test_weight_gradients_contract_one_axis_unless_the_compiler_may_divide_rows(kind, merged):
    mesh = AbstractMesh((B,), ("rows",), axis_types=(AxisType.Auto,))
    params, xs, _ = draw(STAGED, B)

    def loss(params, xs):
        return total(scan(STAGED, params, xs)[1])

    run = jax.grad(loss)
    if kind is AxisType.Manual:
        whole, parts = PartitionSpec(), PartitionSpec(None, "rows")
        run = jax.shard_map(run, mesh=mesh, in_specs=(whole, parts), out_specs=whole)
    on_mesh = NamedSharding(mesh, PartitionSpec())
    args = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=on_mesh), (params, xs)
    )
    assert ("(([0, 1], [0, 1])" in str(jax.jit(run).trace(*args).jaxpr)) == (not merged)


@pytest.mark.parametrize(
    ("cell", "reverse"),
    [
        (LSTM(H), False),
        (LSTM(H), True),
        (Jordan(H, 2), True),
        *(
            pytest.param(cell, reverse, marks=pytest.mark.slow)
            for cell in (GRU(H), ResetBeforeGRU(H), Elman(H))
            for reverse in (False, True)
        ),
    ],
    ids=repr,
)
def test_no_step_of_training_copies_a_buffer_of_all_steps(cell, reverse):
    params, xs, _ = draw(cell, B, steps=13)

    def loss(params):
        return total(scan(cell, params, xs, reverse=reverse)[1])

    text = str(jax.jit(jax.grad(loss)).lower(params).compile().as_text())
    bodies = re.findall(r"body=%([\w.-]+)", text)
    assert len(bodies) == 2
    for body in bodies:
        (lines,) = re.findall(rf"^%{re.escape(body)} .*?^}}", text, re.DOTALL | re.MULTILINE)
        copied = re.findall(r"= \w+\[([\d,]*)\]\S* copy\(", lines)
        assert copied and not [shape for shape in copied if "13" in shape.split(",")]


def test_a_donated_carry_is_where_the_next_one_is_written():
    params, xs, carry = draw(STAGED, B)
    run = jax.jit(lambda carry: scan(STAGED, params, xs, carry)[0], donate_argnums=0)
    compiled: Any = run.lower(carry).compile()
    assert compiled.memory_analysis().alias_size_in_bytes == 2 * B * H * xs.itemsize
