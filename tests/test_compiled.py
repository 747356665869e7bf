"""What is compiled, how often, and what the compiler makes of it."""

import re
from collections import Counter
from typing import Any

import jax
import numpy as np
import pytest
from cases import Leaky, assert_close, stacked
from draws import B, F, H, T, draw, draw_signals, total

from rnnjax import LSTM, Elman, frozen, scan
from rnnjax.engine import Sequential

STAGED, PLAIN = LSTM(H), Leaky(H)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


TRACES = []


@frozen
class Traced(Elman):
    """Notes down every trace of its equations."""

    def gate(self, params, carry, s):
        TRACES.append(self)
        return super().gate(params, carry, s)


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
    assert traces(lambda: scan(Traced(H, "relu"), params, xs, carry)) > 0
    wider = draw(Traced(H + 1), B)
    assert traces(lambda: scan(Traced(H + 1), *wider)) > 0


@pytest.mark.parametrize("cell", [STAGED, PLAIN], ids=["staged", "plain"])
def test_no_tracer_leaks(cell):
    args = draw(cell, B)
    gradient = jax.grad(lambda args: total(scan(cell, *args, **draw_signals(B))))
    expected = gradient(args)
    with jax.checking_leaks():
        assert_close(jax.jit(gradient)(args), expected)


def temporary_bytes(run, *args):
    memory: Any = jax.jit(run).lower(*args).compile().memory_analysis()
    return memory.temp_size_in_bytes


@pytest.mark.parametrize(("cell", "gates"), [(PLAIN, 0), (STAGED, 4)], ids=["plain", "staged"])
def test_the_final_carry_alone_costs_no_memory_for_time(cell, gates):
    def beyond_the_projection(steps):
        params, xs, carry = draw(cell, B, steps=steps)
        final = temporary_bytes(lambda *args: scan(cell, *args)[0], params, xs, carry)
        return final - steps * B * gates * H * xs.itemsize

    assert beyond_the_projection(64) == beyond_the_projection(1024) < 64 * B * H * 8


def test_checkpoints_make_the_memory_of_the_gradient_grow_like_a_square_root():
    def gradient_bytes(steps, checkpoint):
        params, xs, carry = draw(STAGED, B, steps=steps)

        def loss(params):
            final, _ = scan(STAGED, params, xs, carry, method=Sequential(checkpoint=checkpoint))
            return total(final)

        return temporary_bytes(jax.grad(loss), params)

    assert gradient_bytes(1024, "sqrt") < gradient_bytes(1024, None) / 3
    assert gradient_bytes(1024, "sqrt") < 6 * gradient_bytes(64, "sqrt")


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("lengths", [None, (0, 2, T)], ids=["all", "lengths"])
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
    assert products == Counter(",".join(map(str, shape)) for shape in expected)

    copies = Counter(shape for shape, name in found if name == "copy")
    pre_activations = copies[f"{T},{B},{4 * H}"] + copies[f"{T * B},{4 * H}"]
    # Before 0.12 XLA does not write them over the projections, but copies zeros to begin with.
    assert copies.total() > 0
    assert pre_activations <= (0 if jax.__version_info__ >= (0, 12) else 1)
