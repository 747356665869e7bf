"""Recurrent layers against the engine, and against loops over unpadded sequences."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, at, random_like, stacked
from draws import pull
from layer_draws import GAPPY, KEY, LENGTHS, PADDING, RESETS, B, F, H, T, draw

from rnnjax import GRU, LSTM, Elman, Stack, scan
from rnnjax.attention import Additive, Source
from rnnjax.cells import AttentionDecoder, VariationalDropout
from rnnjax.layers import RNN, Bidirectional, Dense, LayerNorm, Sequential

pytestmark = pytest.mark.usefixtures("x64")

# RNN.


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_rnn_is_scan_with_time_second(reverse):
    layer = RNN(LSTM(H), reverse=reverse)
    params, xs = draw(layer)
    carry = random_like(4, layer.init_carry(params, (B,)))

    def engine(params, xs, carry):
        final, ys = scan(
            layer.cell, params, jnp.swapaxes(xs, 0, 1), carry,
            lengths=LENGTHS, mask=GAPPY.T, resets=RESETS.T, reverse=reverse,
        )  # fmt: skip
        return final, jnp.swapaxes(ys, 0, 1)

    apply = partial(layer.apply, lengths=LENGTHS, mask=GAPPY, resets=RESETS)
    assert_close(pull(apply, params, xs, carry), pull(engine, params, xs, carry))


def last_of(ys, valid, reverse=False):
    """The output of the last step processed, or zeros, by a loop over sequences."""
    steps = [np.flatnonzero(row) for row in valid]
    pairs = zip(ys, steps, strict=True)
    rows = [y[t[0 if reverse else -1]] if len(t) else 0 * y[0] for y, t in pairs]
    return jnp.stack(rows)


@pytest.mark.parametrize(
    ("reverse", "masked"),
    [(False, False), (False, True), (True, True)],
    ids=["all", "masked", "masked backwards"],
)
def test_without_sequences_the_last_output_is_given(reverse, masked):
    every, last = (RNN(LSTM(H), reverse=reverse, return_sequences=r) for r in (True, False))
    params, xs = draw(every)
    signals: dict[str, Any] = (
        {"lengths": LENGTHS, "mask": GAPPY, "resets": RESETS} if masked else {}
    )
    valid = GAPPY & ~PADDING if masked else np.ones((B, T), bool)

    def by_hand(params, xs):
        carry, ys = every.apply(params, xs, **signals)
        return carry, last_of(ys, valid, reverse)

    got = pull(partial(last.apply, **signals), params, xs)
    assert got[0][1].shape == (B, H)
    assert_close(got, pull(by_hand, params, xs))


# Bidirectional.

MERGES = {
    "concat": lambda f, b: jnp.concatenate([f, b], axis=-1),
    "sum": lambda f, b: f + b,
    "mean": lambda f, b: 0.5 * (f + b),
    "product": lambda f, b: f * b,
}


@pytest.mark.parametrize("merge", ["concat", "product"])
def test_bidirectional_is_two_runs_over_each_unpadded_sequence(merge):
    layer = Bidirectional(GRU(H), merge=merge, backward=LSTM(H))
    params, xs = draw(layer)
    carry = random_like(4, layer.init_carry(params, (B,)))

    def unpadded(params, xs, carry):
        rows = []
        for row, n in enumerate(LENGTHS):
            x, start = xs[row, :n], at(carry, row)
            forward, fs = scan(GRU(H), params.forward, x, start.forward)
            backward, bs = scan(LSTM(H), params.backward, jnp.flip(x, 0), start.backward)
            ys = MERGES[merge](fs, jnp.flip(bs, 0))
            rows.append((type(carry)(forward, backward), jnp.pad(ys, ((0, T - n), (0, 0)))))
        return stacked(rows)

    final, ys = jax.jit(partial(layer.apply, lengths=LENGTHS))(params, xs, carry)
    assert ys.shape[-1] == layer.output_size
    assert_close((final, ys), jax.jit(unpadded)(params, xs, carry))


@pytest.mark.parametrize(
    "gaps", [pytest.param(False, marks=pytest.mark.slow), True], ids=["all steps", "gaps"]
)
def test_both_directions_start_afresh_at_the_borders_of_documents(gaps):
    layer = Bidirectional(GRU(H))
    params, xs = draw(layer)
    mask = GAPPY if gaps else np.ones_like(GAPPY)

    def by_document(params, xs):
        ys = jnp.zeros((B, T, layer.output_size))
        for row in range(B):
            steps = np.flatnonzero(mask[row])
            borders = np.flatnonzero(RESETS[row, steps])
            for document in np.split(steps, borders):
                _, alone = layer.apply(params, xs[row, document][None])
                ys = ys.at[row, document].set(alone[0])
        return ys

    def packed(params, xs):
        return layer.apply(params, xs, mask=mask, resets=RESETS)[1]

    assert_close(jax.jit(packed)(params, xs), jax.jit(by_document)(params, xs))


@pytest.mark.parametrize("merge", MERGES)
def test_without_sequences_the_last_step_of_each_direction_is_given(merge):
    last = Bidirectional(GRU(H), merge=merge, return_sequences=False)
    params, xs = draw(last)
    signals: dict[str, Any] = {"lengths": LENGTHS, "mask": GAPPY}
    directions = [RNN(GRU(H)), RNN(GRU(H), reverse=True)]

    def by_hand(params, xs):
        both = [rnn.apply(p, xs, **signals) for rnn, p in zip(directions, params, strict=True)]
        ends = [last_of(ys, GAPPY & ~PADDING, k == 1) for k, (_, ys) in enumerate(both)]
        return type(params)(*(carry for carry, _ in both)), MERGES[merge](*ends)

    got = jax.jit(partial(last.apply, **signals))(params, xs)
    assert got[1].shape == (B, last.output_size)
    assert_close(got, jax.jit(by_hand)(params, xs))


def test_bidirectional_draws_two_sets_of_parameters():
    params = Bidirectional(GRU(H)).init(KEY, F)
    assert abs(params.forward.w_h - params.backward.w_h).max() > 0.1


# Noise and context reach every part.


def test_a_key_reaches_the_cells():
    noisy = VariationalDropout(GRU(H), rate=0.5)
    for layer in (
        RNN(noisy),
        Bidirectional(noisy),
        RNN(Stack((Elman(H), noisy))),
        Sequential((Dense(F), Sequential((RNN(noisy), Dense(2))))),
    ):
        params, xs = draw(layer)
        run = jax.jit(layer.apply)
        (_, quiet), (_, first), (_, second) = (
            run(params, xs, key=key) for key in (None, KEY, jax.random.key(1))
        )
        assert abs(first - second).max() > 1e-3 and abs(first - quiet).max() > 1e-3


def test_a_context_reaches_who_takes_one():
    decoder = AttentionDecoder(GRU(H), Additive(3), memory_size=2)
    memory = Source(random_like(5, np.empty((B, 6, 2))), jnp.array([6, 0, 3, 1]))
    layer = Sequential((Dense(F), RNN(GRU(F)), Sequential((RNN(decoder), LayerNorm()))))
    params, xs = draw(layer)
    assert layer.takes_context and not layer.layers[1].takes_context

    @jax.jit
    def by_hand(params, xs):
        _, h = Sequential(layer.layers[:2]).apply(params[:2], xs)
        decoded = scan(decoder, params[2][0], jnp.swapaxes(h, 0, 1), context=memory)[1]
        return LayerNorm().apply(params[2][1], jnp.swapaxes(decoded, 0, 1))[1]

    _, ys = jax.jit(partial(layer.apply, context=memory))(params, xs)
    assert_close(ys, by_hand(params, xs))
    with pytest.raises(ValueError, match="expected a context for"):
        layer.apply(params, xs)


def test_layers_between_the_cells_of_a_stack():
    """Their parameters are entries of the stack's, its carry has none for them."""
    low, high = LSTM(3), GRU(2)
    cell = Stack((low, Dense(4), LayerNorm(), jax.nn.relu, high))
    params = random_like(1, cell.init(jax.random.key(0), 2, dtype=jnp.float64))
    xs = random_like(2, jax.ShapeDtypeStruct((5, 3, 2), jnp.float64))
    mask = np.arange(5)[:, None] < np.array([0, 2, 5])

    def by_hand(params, xs):
        first, ys = scan(low, params[0], xs, mask=mask)
        ys = jax.nn.relu(LayerNorm().transform(params[2], Dense(4).transform(params[1], ys)))
        second, ys = scan(high, params[4], ys, mask=mask)
        return (first, second), ys

    def whole(params, xs):
        return scan(cell, params, xs, mask=mask)

    assert_close(pull(whole, params, xs), pull(by_hand, params, xs))
    (_, second), y = cell.step(params, cell.init_carry(params, (3,)), xs[0])
    assert_close(whole(params, xs)[1][0, 1:], y[1:])
    assert second.shape == (3, 2)
