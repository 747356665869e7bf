"""Do the cells learn what the papers say they learn? Slow: minutes of training."""

import jax
import jax.numpy as jnp
import optax
import pytest

import rnnjax
from rnnjax.layers import RNN, Dense, Embedding, Pool, Sequential
from rnnjax.losses import cross_entropy
from rnnjax.tasks import Adding, CopyMemory
from rnnjax.training import clipped

pytestmark = pytest.mark.slow

HIDDEN, BATCH = 64, 64


def learn(model, task, loss, steps):
    """The loss on fresh examples after training on a new batch at every step."""
    optimizer = clipped(optax.adam(optax.cosine_decay_schedule(5e-3, steps)))
    params = model.init(jax.random.key(0), 2)

    def batch_loss(params, key):
        batch = task.sample(key, BATCH)
        return loss(model.apply(params, batch.inputs)[1], batch)

    def step(state, key):
        params, opt_state = state
        gradient = jax.grad(batch_loss)(params, key)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), None

    @jax.jit
    def train(params, keys):
        (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), keys)
        return jax.vmap(batch_loss, in_axes=(None, 0))(params, jax.random.split(keys[0], 16)).mean()

    return float(train(params, jax.random.split(jax.random.key(1), steps)))


def test_a_gru_solves_the_adding_problem():
    cell = rnnjax.GRU(HIDDEN)
    task = Adding(steps=50)
    model = Sequential((RNN(cell), Pool("last"), Dense(1)))
    loss = learn(model, task, lambda ys, batch: jnp.mean((ys - batch.targets) ** 2), steps=1000)
    assert loss < 0.01 < task.trivial_loss / 10


def copy_loss(cell):
    task = CopyMemory(delay=20, length=5, symbols=8)
    model = Sequential((Embedding(task.vocabulary, 16), RNN(cell), Dense(task.vocabulary)))

    def loss(logits, batch):
        return cross_entropy(logits, batch.targets, batch.loss_mask)

    return learn(model, task, loss, steps=2000), task.trivial_loss


def test_an_lstm_solves_the_copy_task():
    loss, trivial = copy_loss(rnnjax.LSTM(HIDDEN))
    assert loss < 0.1 < trivial / 20


def test_the_elman_network_does_not_solve_the_copy_task():
    # Its gradient does not reach back over the delay: it guesses evenly, however long it trains.
    loss, trivial = copy_loss(rnnjax.Elman(HIDDEN))
    assert loss > 0.95 * trivial
