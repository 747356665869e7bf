"""Sequences that are made from other ones: the model, its batches, its training."""

# pyright: reportArgumentType=false, reportCallIssue=false

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from cases import random_like

from rnnjax import GRU, LSTM
from rnnjax.attention import Additive, General, Source
from rnnjax.cells import AttentionDecoder, Bridge
from rnnjax.data import Batch, bucketed, padded, shuffled
from rnnjax.decoding import generate
from rnnjax.layers import (
    RNN,
    Attend,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    EncoderDecoder,
    Sequential,
)
from rnnjax.losses import cross_entropy
from rnnjax.testing import assert_close
from rnnjax.training import (
    ScheduledSampling,
    SequenceObjective,
    evaluate,
    fit,
    inverse_sigmoid,
    predict,
    train_state,
    train_step,
)

V, H = 6, 4
ENCODER = Sequential((Embedding(V, 3), Bidirectional(LSTM(H))))
GLOBAL = Sequential((RNN(Bridge(GRU(H), 4 * H)), Attend(General(), 2 * H, H), Dense(V)))
INSIDE = Sequential(
    (RNN(AttentionDecoder(Bridge(GRU(H), 4 * H), Additive(3), 2 * H)), Dropout(0.3), Dense(V))
)
MODELS = [
    pytest.param(EncoderDecoder(ENCODER, Sequential((Embedding(V, 3), GLOBAL))), id="global"),
    pytest.param(EncoderDecoder(ENCODER, Sequential((Embedding(V, 3), INSIDE))), id="inside"),
    pytest.param(
        EncoderDecoder(Bidirectional(LSTM(H)), GLOBAL, embedding=Embedding(V, 3)), id="shared"
    ),
]
SOURCES = [[1, 2, 3, 4], [5, 5], [2]]
TARGETS = [[1, 2], [3, 4, 5, 1], [2, 2, 1]]


def batch() -> Batch:
    return padded(TARGETS, TARGETS, context=SOURCES)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def drawn(model):
    return random_like(1, model.init(jax.random.key(0), dtype=jnp.float64))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "model",
    [MODELS[0], *(pytest.param(*m.values, id=m.id, marks=pytest.mark.slow) for m in MODELS[1:])],
)
def test_padding_of_source_and_target_reaches_nothing(model):
    params = drawn(model)
    objective = SequenceObjective(model, cross_entropy)
    pull = jax.jit(jax.value_and_grad(lambda p, b: objective(p, (), b)[0]))
    together = pull(params, batch())
    chex.assert_tree_all_finite(together)
    rows = [jax.tree.map(lambda a, row=row: a[row : row + 1], batch()) for row in range(3)]
    alone = [pull(params, row) for row in rows]
    share = [len(y) / 9 for y in TARGETS]
    mean = jax.tree.map(lambda *a: sum(s * v for s, v in zip(share, a, strict=True)), *alone)
    assert_close(together, mean)
    data = batch()
    beyond = np.arange(4) >= data.context.lengths[:, None]
    values = np.where(beyond, -7, data.context.values)
    garbage = data._replace(context=data.context._replace(values=values))
    assert_close(pull(params, garbage), together)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("model", MODELS)
def test_decoding_step_by_step_equals_the_whole(model):
    params = drawn(model)
    data = batch()
    logits = model.apply(params, data.inputs, context=data.context)[1]
    memory = model.encode(params, data.context)
    _, decoder, own = model.parts(params)[1]
    carry, steps = None, []
    for t in range(4):
        carry, y = decoder.apply(own, data.inputs[:, t : t + 1], carry, context=memory)
        steps.append(y)
    assert_close(jnp.concatenate(steps, axis=1), logits)
    written = generate(decoder, own, data.inputs[:, :1], context=memory, length=3, temperature=0)
    assert (written[:, 0] == logits[:, 0].argmax(-1)).all()


@pytest.mark.usefixtures("x64")
def test_the_source_matters_through_attention_and_through_the_bridge():
    model = EncoderDecoder(ENCODER, Sequential((Embedding(V, 3), GLOBAL)))
    params = drawn(model)
    decoder = params.decoder
    attend = decoder[1][1]
    deaf = attend._replace(w=attend.w.at[H:].set(0))
    cell = decoder[1][0]
    cut = cell._replace(w=tuple(0 * w for w in cell.w))

    def logits(attend, cell, source):
        own = (decoder[0], (cell, attend, decoder[1][2]))
        context = Source(jnp.array([source]))
        return model.apply(params._replace(decoder=own), jnp.array([[1]]), context=context)[1]

    for *choice, changes in ((attend, cut, True), (deaf, cell, True), (deaf, cut, False)):
        moved = jnp.abs(logits(*choice, [1, 2, 3]) - logits(*choice, [1, 2, 4])).max() > 1e-6
        assert moved == changes


def test_shared_embedding_and_weights():
    model = EncoderDecoder(Bidirectional(LSTM(H)), GLOBAL, embedding=Embedding(V, 3))
    params = model.init(jax.random.key(0))
    assert params.embedding.table.shape == (V, 3)
    assert sum(a.shape == (V, 3) for a in jax.tree.leaves(params)) == 1
    with pytest.raises(ValueError, match="expected a causal decoder that takes a context"):
        EncoderDecoder(ENCODER, Sequential((Embedding(V, 3), RNN(GRU(3)))))
    with pytest.raises(ValueError, match="expected an encoder of one whole sequence"):
        EncoderDecoder(RNN(GRU(3), return_sequences=False), GLOBAL)
    with pytest.raises(ValueError, match="expected the context to be a Source"):
        model.apply(params, jnp.array([[1]]), context=jnp.array([[1, 2]]))


def test_a_source_of_features():
    """Such as those of sound: the encoder and the decoder take inputs of different sizes."""
    encoder = Bidirectional(LSTM(H))
    model = EncoderDecoder(encoder, GLOBAL)
    params = model.init(jax.random.key(0), 3, source_size=5)
    values = np.random.default_rng(0).normal(size=(2, 7, 5)).astype("float32")
    source, xs = Source(values, np.array([7, 2])), np.ones((2, 4, 3), "float32")
    _, logits = model.apply(params, xs, context=source)
    carry, memory = encoder.apply(params.encoder, values, lengths=source.lengths)
    summary = jnp.concatenate(jax.tree.leaves(carry), axis=-1)
    context = Source(memory, source.lengths, summary)
    assert_close(GLOBAL.apply(params.decoder, xs, context=context)[1], logits)


def test_buckets_keep_each_source_with_its_target():
    random = np.random.default_rng(0)
    targets = [random.integers(1, 9, n) for n in random.integers(1, 9, 40)]
    sources = [np.repeat(y, 2) for y in targets]
    batches = bucketed(targets, targets, 4, context=sources, buckets=3)
    seen = 0
    for b in batches:
        for y, n, x, m in zip(b.inputs, b.lengths, *b.context[:2], strict=True):
            np.testing.assert_array_equal(np.repeat(y[:n], 2), x[:m])
            assert not x[m:].any()
            seen += n > 0
    assert seen == 40
    assert len({b.context.values.shape for b in batches}) == 3
    with pytest.raises(ValueError, match="expected a context for each of 40 sequences, got 39"):
        bucketed(targets, targets, 4, context=sources[1:])


def test_training_evaluation_prediction_and_scheduled_sampling():
    """A model learns to write a source backwards, which it cannot without reading it."""
    random = np.random.default_rng(0)
    words = random.integers(1, V, (256, 4))
    starts = np.zeros((256, 1), int)
    inputs = np.concatenate([starts, words[:, :0:-1]], axis=1)
    data = Batch(inputs, words[:, ::-1], context=Source(words))
    decoder = Sequential(
        (Embedding(V, 8), RNN(Bridge(GRU(24), 64)), Attend(General(), 32, 24), Dense(V))
    )
    model = EncoderDecoder(Sequential((Embedding(V, 8), Bidirectional(LSTM(16)))), decoder)
    objective = SequenceObjective(model, cross_entropy)
    optimizer, key = optax.adam(2e-2), jax.random.key(0)
    state = train_state(model.init(key), optimizer, key)
    run = fit(
        train_step(objective, optimizer),
        state,
        shuffled(data, 32),
        steps=120,
        eval_every=120,
        evaluate=data,
        quiet=True,
    )
    assert run.history[-1]["eval_loss"] < 0.1 < 1 < np.log(V - 1)
    assert evaluate(objective, run.state.params, data) == run.history[-1]["eval_loss"]
    written = next(predict(model, run.state.params, data)).argmax(-1)
    assert (written == data.targets).mean() > 0.97
    sampling = ScheduledSampling(model, cross_entropy, inverse_sigmoid(1.0))
    loss, _ = sampling(run.state.params, jnp.array(50), data, key)
    assert np.isfinite(loss)
