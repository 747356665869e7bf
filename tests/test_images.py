"""Images at every step: convolutions, flattening, recurrent layers of images, hand-over."""

# pyright: reportArgumentType=false, reportCallIssue=false

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, at, random_like, stacked
from draws import pull
from reference.conv_lstm import window_sum

from rnnjax import LSTM, Stack, scan
from rnnjax.attention import Source
from rnnjax.cells import ConvGRU, ConvLSTM
from rnnjax.interop import load, save
from rnnjax.layers import (
    RNN,
    Bidirectional,
    Conv,
    Dense,
    EncoderDecoder,
    Flatten,
    Pool,
    Sequential,
    summary,
)

pytestmark = pytest.mark.usefixtures("x64")

B, T, IMAGE = 3, 4, (3, 2)
KEY = jax.random.key(0)
LENGTHS = np.array([4, 0, 2])
PADDING = np.arange(T) >= LENGTHS[:, None]
GAPS = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 0, 1]], bool)
RESETS = np.array([[0, 1, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]], bool)


def draw(layer, size=(*IMAGE, 2), lead=(B, T)):
    shapes = jax.eval_shape(lambda: layer.init(KEY, size, dtype=jnp.float64))
    return random_like(1, shapes), random_like(2, np.empty((*lead, *size)))


@pytest.mark.parametrize("kernel, stride", [(3, 1), (2, 1), (1, 1)])
def test_a_convolution_is_a_sum_over_a_window(kernel, stride):
    layer = Conv(2, kernel_size=kernel, stride=stride, activation="tanh")
    params, xs = draw(layer, lead=(2, 1))

    def by_hand(w, b, x):
        out = np.zeros((*x.shape[:-1], 2))
        for *lead, row, column in np.ndindex(x.shape[:-1]):
            out[(*lead, row, column)] = np.tanh(window_sum(x[tuple(lead)], w, row, column) + b)
        return out

    ys, (d_params, d_xs) = pull(lambda p, xs: layer.apply(p, xs)[1], params, xs)
    arguments = *map(np.asarray, params), np.asarray(xs)
    assert_close(ys, by_hand(*arguments))
    weights, nudge = np.asarray(random_like(4, ys)), 1e-6
    for place, gradient in enumerate((*d_params, d_xs)):
        change = np.random.default_rng(place).normal(size=gradient.shape)
        near = [
            by_hand(*(a + s * nudge * change if k == place else a for k, a in enumerate(arguments)))
            for s in (1, -1)
        ]
        slope = (weights * (near[0] - near[1])).sum() / (2 * nudge)
        np.testing.assert_allclose((gradient * change).sum(), slope, atol=1e-7)


@pytest.mark.parametrize("side, kernel, first", [(5, 3, 0), (6, 3, 1), (4, 2, 0)])
def test_a_stride_leaves_pixels_out(side, kernel, first):
    """With zeros for as many pixels as needed, half of them, rounded down, before the border."""
    params, xs = draw(Conv(2, kernel_size=kernel, stride=2), (side, side, 2))
    _, every = Conv(2, kernel_size=kernel).apply(params, xs)
    layer = Conv(2, kernel_size=kernel, stride=2)
    _, some = layer.apply(params, xs)
    assert some.shape[2:] == layer.output_size_of((side, side, 2)) == (-(-side // 2),) * 2 + (2,)
    assert_close(some, every[:, :, first::2, first::2])


def test_models_of_images_know_their_sizes(tmp_path):
    model = Sequential(
        (
            Conv(3, stride=2, activation="relu"),
            RNN(ConvGRU((4, 3), 2)),
            Bidirectional(ConvLSTM((4, 3), 2)),
            Conv(1, kernel_size=1, use_bias=False),
            Flatten(),
            RNN(LSTM(5)),
            Pool("last"),
            Dense(2),
        )
    )
    shapes = jax.eval_shape(lambda: model.init(KEY, (7, 5, 1)))
    params = random_like(1, shapes)
    assert params[5].w_x.shape == (12, 20) and model.output_size == 2
    rows = summary(model, (7, 5, 1)).rows
    assert [row.output for row in rows] == [
        "[B, T, 4, 3, 3]",
        "[B, T, 4, 3, 2]",
        "[B, T, 4, 3, 4]",
        "[B, T, 4, 3, 1]",
        "[B, T, 12]",
        "[B, T, 5]",
        "[B, 5]",
        "[B, 2]",
    ]
    assert jax.eval_shape(model.apply, params, jnp.ones((B, T, 7, 5, 1)))[1].shape == (B, 2)
    assert Sequential((RNN(ConvGRU((4, 3), 2)), Conv(1, stride=2))).output_size == (2, 2, 1)
    assert Sequential((Conv(2), Flatten())).output_size is None
    save(tmp_path / "model.safetensors", model, params, (7, 5, 1))
    assert load(tmp_path / "model.safetensors")[0] == model


def test_flattening_keeps_the_order_of_pixels():
    _, xs = draw(Flatten())
    ys = Flatten().apply((), xs, lengths=LENGTHS)[1]
    np.testing.assert_array_equal(ys[0, 3], np.ravel(xs[0, 3]))
    assert not ys[PADDING].any()


STACK = Stack((ConvLSTM(IMAGE, 1), ConvGRU(IMAGE, 1)))
LAYERS = {
    "Sequential": Sequential((RNN(STACK, reverse=True), Conv(2), RNN(ConvGRU(IMAGE, 1)))),
    "Bidirectional": Bidirectional(ConvGRU(IMAGE, 1), backward=ConvLSTM(IMAGE, 2)),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_lengths_of_images_are_unpadded_sequences(layer):
    params, xs = draw(layer)
    carry = random_like(4, layer.init_carry(params, (B,)))

    def padded(params, xs, carry):
        xs = jnp.where(PADDING[..., None, None, None], jnp.nan, xs)
        return layer.apply(params, xs, carry, lengths=LENGTHS)

    def alone(params, xs, carry):
        rows = []
        for row, n in enumerate(LENGTHS):
            start = jax.tree.map(lambda a, row=row: a[row : row + 1], carry)
            final, ys = layer.apply(params, xs[row : row + 1, :n], start) if n else (start, None)
            ys = jnp.zeros((1, 0, *layer.output_size)) if ys is None else ys
            pad = [(0, 0), (0, T - n), (0, 0), (0, 0), (0, 0)]
            rows.append(at((final, jnp.pad(ys, pad)), 0))
        return stacked(rows)

    assert_close(jax.jit(padded)(params, xs, carry), jax.jit(alone)(params, xs, carry))


def test_gaps_and_resets_of_images_are_documents():
    cell = ConvGRU(IMAGE, 2)
    layer = RNN(cell)
    params, xs = draw(layer)

    def together(params, xs):
        return layer.apply(params, xs, mask=GAPS, resets=RESETS)[1]

    def apart(params, xs):
        ys = jnp.zeros((B, T, *cell.output_size))
        for row in range(B):
            steps = np.flatnonzero(GAPS[row])
            for document in np.split(steps, np.flatnonzero(RESETS[row, steps])):
                if len(document):
                    ys = ys.at[row, document].set(scan(cell, params, xs[row, document])[1])
        return ys

    assert_close(pull(together, params, xs), pull(apart, params, xs))


# An encoder that hands its carries over to a forecaster.

CELL = ConvGRU(IMAGE, 2)
LAYERS_OF_BOTH = (RNN(CELL), RNN(ConvLSTM(IMAGE, 1)))
FORECASTER = EncoderDecoder(
    Sequential(LAYERS_OF_BOTH),
    Sequential((*LAYERS_OF_BOTH, Conv(2, kernel_size=1))),
    hand_over=True,
)


def test_a_forecaster_starts_from_the_carries_of_the_encoder():
    params, xs = draw(FORECASTER)
    source = random_like(3, np.empty((B, T, *IMAGE, 2)))

    def handed(params, xs, source):
        return FORECASTER.apply(params, xs, context=Source(source, LENGTHS))

    def by_hand(params, xs, source):
        carry, _ = FORECASTER.encoder.apply(params.encoder, source, lengths=LENGTHS)
        return FORECASTER.decoder.apply(params.decoder, xs, carry)

    got = pull(handed, params, xs, source)
    assert_close(got, pull(by_hand, params, xs, source))
    assert all(jnp.abs(g).max() > 0 for g in jax.tree.leaves(got[1][0]))
    memory = FORECASTER.encode(params, Source(source, LENGTHS))
    first = FORECASTER.decoder.apply(params.decoder, xs[:, :1], memory.summary)[1]
    assert_close(first, got[0][1][:, :1])
    later = FORECASTER.apply(params, xs[:, 1:], got[0][0], context=Source(source))[1]
    again = FORECASTER.decoder.apply(params.decoder, xs[:, 1:], got[0][0])[1]
    assert_close(later, again)  # a carry of one's own goes first


@pytest.mark.parametrize(
    "make, message",
    [
        (partial(EncoderDecoder, RNN(CELL), RNN(CELL)), "a context, .* or hand_over=True"),
        (
            partial(EncoderDecoder, Conv(2), RNN(CELL), hand_over=True),
            "expected an encoder and a decoder with memory",
        ),
        (
            partial(EncoderDecoder, RNN(CELL), Conv(2), hand_over=True),
            "expected an encoder and a decoder with memory",
        ),
    ],
)
def test_models_that_cannot_hand_over_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_carries_that_do_not_fit_are_refused():
    model = EncoderDecoder(RNN(CELL), RNN(ConvGRU(IMAGE, 3)), hand_over=True)
    params, xs = draw(model)
    with pytest.raises(ValueError, match="expected a carry of ConvGRU"):
        model.apply(params, xs, context=Source(xs))
