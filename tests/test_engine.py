"""What the engine promises beyond the laws of a single cell, on cells of every kind."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, at, random_like
from draws import (
    DEEP,
    LINEAR,
    PLAIN,
    STAGED,
    B,
    F,
    H,
    T,
    draw,
    draw_signals,
    each_direction,
    each_kind,
    pull,
    total,
)

from rnnjax import GRU, LSTM, Elman, Record, Stack, scan
from rnnjax.attention import Additive, Source
from rnnjax.cells import AttentionDecoder, EchoState, Zoneout
from rnnjax.engine import Loop

pytestmark = pytest.mark.usefixtures("x64")

# Short sequences, and shapes.


@pytest.mark.parametrize(
    ("cell", "method"),
    [(STAGED, None), (LINEAR, None), (DEEP, Loop(checkpoint="sqrt"))],
    ids=["staged", "linear", "deep in segments"],
)
def test_no_steps(cell, method):
    def run(reverse, params, xs, carry):
        final, (ys, carries) = scan(Record(cell), params, xs, carry, reverse=reverse, method=method)
        chex.assert_shape(ys, (0, B, cell.output_size))
        chex.assert_trees_all_equal_shapes(carries, jax.tree.map(lambda c: c[None][:0], carry))
        return final

    params, xs, carry = draw(cell, B, steps=0)
    for reverse in (False, True):
        final, (d_params, d_xs, d_carry) = pull(partial(run, reverse), params, xs, carry)
        assert_close(final, carry)
        assert_close(d_carry, random_like(4, carry))
        assert_close(d_params, jax.tree.map(jnp.zeros_like, params))
        assert_close(d_xs, xs)


@each_kind
def test_one_step(cell):
    def step(params, xs, carry):
        carry, y = cell.step(params, carry, xs[0])
        return carry, y[None]

    args = draw(cell, B, steps=1)
    assert_close(pull(partial(scan, cell, reverse=True), *args), pull(step, *args))


@pytest.mark.parametrize("cell", [STAGED, PLAIN], ids=["staged", "plain"])
def test_any_number_of_batch_axes(cell):
    params, xs, carry = draw(cell, 2, 1, 3)
    signals = draw_signals(2, 1, 3)

    def flat(tree, leading=1):
        return jax.tree.map(
            lambda a: a.reshape(*a.shape[:leading], 6, *a.shape[leading + 3 :]), tree
        )

    def three_axes(params, xs, carry):
        final, ys = scan(cell, params, xs, carry, **signals)
        return flat(final, 0), flat(ys)

    lengths, mask, resets = (
        flat(signals["lengths"], 0),
        flat(signals["mask"]),
        flat(signals["resets"]),
    )

    def one_axis(params, xs, carry):
        return scan(
            cell, params, flat(xs), flat(carry, 0), lengths=lengths, mask=mask, resets=resets
        )

    def no_axis(params, xs, carry):
        def row(x, carry, lengths, mask, resets):
            return scan(cell, params, x, carry, lengths=lengths, mask=mask, resets=resets)

        rows = jax.vmap(row, in_axes=(1, 0, 0, 1, 1), out_axes=(0, 1))
        return rows(flat(xs), flat(carry, 0), lengths, mask, resets)

    expected = pull(three_axes, params, xs, carry)
    assert_close(pull(one_axis, params, xs, carry), expected)
    assert_close(pull(no_axis, params, xs, carry), expected)


# Time, direction and rows.


@pytest.mark.parametrize("cell", [STAGED, LINEAR], ids=["staged", "linear"])
def test_two_pieces_equal_one(cell):
    params, xs, carry = draw(cell, B)
    signals = draw_signals(B)
    del signals["lengths"]

    def pieces(params, xs, carry):
        outputs = []
        for piece in (slice(2), slice(2, None)):
            carry, ys = scan(cell, params, xs[piece], carry, **at(signals, piece))
            outputs.append(ys)
        return carry, jnp.concatenate(outputs)

    whole = partial(scan, cell, **signals)
    assert_close(pull(pieces, params, xs, carry), pull(whole, params, xs, carry))


@each_direction
@pytest.mark.parametrize("cell", [STAGED, LINEAR], ids=["staged", "linear"])
def test_no_output_depends_on_a_later_input(cell, reverse):
    params, xs, carry = draw(cell, B)
    now = 2
    earlier, later = slice(now), slice(now, None)
    if reverse:
        earlier, later = slice(now + 1, None), slice(now + 1)
    run = jax.jit(partial(scan, cell, reverse=reverse))
    (_, ys), (_, changed) = (run(params, a, carry) for a in (xs, xs.at[later].add(1)))
    chex.assert_trees_all_equal(ys[earlier], changed[earlier])
    assert (ys[now] != changed[now]).any(axis=-1).all()


# The carry after every step.


def test_the_carries_of_a_stack():
    """A tuple, one entry a cell; each is what its cell would say; zeros at masked steps."""
    low, high, method = STAGED, Elman(H), Loop(checkpoint=2)
    mask = np.ones((T, B), bool)
    mask[1:3, 1] = mask[0, 2] = False

    def one_by_one(params, xs, carry):
        run = partial(scan, mask=mask, method=method)
        low_final, (xs, low_carries) = run(Record(low), params[0], xs, carry[0])
        high_final, (ys, high_carries) = run(Record(high), params[1], xs, carry[1])
        return (low_final, high_final), (ys, (low_carries, high_carries))

    args = draw(Stack((low, high)), B)
    got = pull(partial(scan, Record(Stack((low, high))), mask=mask, method=method), *args)
    assert_close(got[0], jax.jit(one_by_one)(*args))
    (final, (ys, carries)), _ = got
    assert_close(at(carries, -1), final)
    assert_close(ys, carries[1])
    assert not any(a[~mask].any() for a in jax.tree.leaves(carries))


# Arguments of every cell: context, key, free runs.


def test_a_context_is_given_to_those_who_take_one():
    cell = Stack((Elman(2), AttentionDecoder(GRU(H), Additive(2), 3)))
    memory = Source(random_like(5, jax.ShapeDtypeStruct((B, 4, 3), jnp.float64)))
    params, xs, carry = draw(cell, B, context=memory)
    run = partial(scan, cell, params, xs, carry, context=memory)
    assert jax.eval_shape(run)[1].shape == (T, B, H)
    with pytest.raises(ValueError, match="expected a context for Stack.*, got None"):
        scan(cell, params, xs, carry)
    with pytest.raises(ValueError, match="expected no context.*, got Source"):
        scan(STAGED, *draw(STAGED, B), context=memory)


def test_padding_of_a_context_reaches_nothing():
    """Neither value nor gradient, even if it is NaN; a row without memory stays finite."""
    cell = AttentionDecoder(LSTM(H), Additive(2), 3)
    values = random_like(5, jax.ShapeDtypeStruct((B, 4, 3), jnp.float64))
    lengths = jnp.array([0, 2, 4])
    params, xs, carry = draw(cell, B, context=Source(values, lengths))
    garbage = jnp.where(jnp.arange(4)[:, None] < lengths[:, None, None], values, jnp.nan)

    @jax.jit
    def gradients(values):
        def run(params, values):
            return total(scan(cell, params, xs, carry, context=Source(values, lengths)))

        return jax.value_and_grad(run, (0, 1))(params, values)

    found = gradients(garbage)
    chex.assert_tree_all_finite(found)
    assert_close(found, gradients(values))


def test_without_a_key_there_is_no_noise_and_with_one_always_the_same():
    cell = Stack((Zoneout(LSTM(H), rate=0.5), GRU(H)))
    params, xs, carry = draw(cell, B)
    run = jax.jit(partial(scan, cell))
    quiet = run(params, xs, carry)
    first, again, other = (
        run(params, xs, carry, key=jax.random.key(seed))[1] for seed in (1, 1, 2)
    )
    chex.assert_trees_all_equal(first, again)
    assert (first != other).any() and (first != quiet[1]).any()


def test_a_free_run_goes_on_from_a_driven_one():
    cell = EchoState(6, 2)
    params, _, _ = draw(cell, B)
    xs = random_like(2, jax.ShapeDtypeStruct((T, B, F), jnp.float64))
    driven = jax.jit(partial(scan, cell))
    free_run = jax.jit(
        lambda carry, length: scan(cell, params, None, carry, length=length), static_argnums=1
    )
    step = jax.jit(lambda carry: cell.step(cell.prepare(params), carry, None))
    carry, ys = driven(params, xs)
    _, free = free_run(carry, 3)
    for y in free:
        carry, expected = step(carry)
        assert_close(y, expected)
    carry, ys = driven(params, xs)
    fed, _ = driven(params, ys[-1:], carry)
    once, _ = free_run(carry, 1)
    assert_close(once, fed)
    lengths = jnp.array([0, 1, 3])
    final, ys = scan(cell, params, None, carry, length=3, lengths=lengths)
    chex.assert_trees_all_equal(final[0], carry[0])
    assert_close(ys[:, 2], free[:, 2])
    with pytest.raises(ValueError, match="either xs, or xs=None and a length"):
        scan(cell, params, None, carry)


# By hand.


@pytest.mark.parametrize(
    ("carry", "x"),
    [((1,), (3,)), ((3,), (1,)), ((3,), ()), ((), (3,)), ((2, 3), (3,))],
)
def test_a_step_refuses_a_carry_of_another_batch(carry, x):
    cell = Elman(H)
    params, _, _ = draw(cell, B)
    with pytest.raises(ValueError, match="expected a carry of Elman"):
        cell.step(params, jnp.ones((*carry, H)), jnp.ones((*x, F)))


def test_a_step_refuses_a_carry_of_another_size():
    params, _, carry = draw(STAGED, B)
    with pytest.raises(ValueError, match=r"h=\[3, 3\], c=\[3, 3\].*got .*c=\[3, 1\]"):
        STAGED.step(params, carry._replace(c=jnp.ones((B, 1))), jnp.ones((B, F)))
