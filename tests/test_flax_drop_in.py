"""A model of Flax with our module in the place of its own trains to the same losses."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rnnjax import Cell
from rnnjax.flax import nnx as rnx
from rnnjax.interop import from_nnx

VOCABULARY, FEATURES, UNITS, STEPS = 7, 5, 8, 30


class Model(nnx.Module):
    """A user's: tokens in, logits of the next token out."""

    def __init__(self, rnn, rngs):
        self.embed = nnx.Embed(VOCABULARY, FEATURES, rngs=rngs)
        self.rnn = rnn
        self.readout = nnx.Linear(UNITS, VOCABULARY, rngs=rngs)

    def __call__(self, tokens, lengths):
        return self.readout(self.rnn(self.embed(tokens), seq_lengths=lengths))


def train(model, tokens, lengths):
    """The loss at every step. Flax's GRU has no `b_hn`, so it stays zero in ours."""
    trained = nnx.All(nnx.Param, nnx.Not(nnx.PathContains("b_hn")))
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=trained)
    valid = jnp.arange(tokens.shape[1] - 1) < lengths[:, None]

    @nnx.jit
    def step(model, optimizer):
        def loss(model):
            logits = model(tokens[:, :-1], lengths)
            every = optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:])
            return every.mean(where=valid)

        value, gradient = nnx.value_and_grad(loss, argnums=nnx.DiffState(0, trained))(model)
        optimizer.update(model, gradient)
        return value

    return np.array([step(model, optimizer) for _ in range(STEPS)])


@pytest.mark.parametrize("kind", [nnx.OptimizedLSTMCell, nnx.GRUCell], ids=["LSTM", "GRU"])
def test_the_same_losses(kind):
    theirs = nnx.RNN(kind(FEATURES, UNITS, rngs=nnx.Rngs(1)))
    cell, params = from_nnx(theirs.cell)
    assert isinstance(cell, Cell)
    ours = rnx.RNN(cell, FEATURES, rngs=nnx.Rngs(2))
    nnx.update(ours.params, nnx.state(params))

    tokens = jax.random.randint(jax.random.key(0), (4, 11), 0, VOCABULARY)
    lengths = jnp.array([10, 4, 7, 1])
    losses, expected = (train(Model(rnn, nnx.Rngs(3)), tokens, lengths) for rnn in (ours, theirs))
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-5)
    assert losses[-1] < 0.8 * losses[0]
