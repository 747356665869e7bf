"""`fit` where a loss is no number: it says where that began, or goes on."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_fit import MODEL, OBJECTIVE, OPTIMIZER, STEP, batches, new

from rnnjax.training import SequenceObjective, fit, optimizer_chain, train_state, train_step


def diverging(position, bad_at, change):
    batch = batches(position)
    return change(batch) if position == bad_at else batch


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda b: b._replace(inputs=b.inputs.at[2, 3, 0].set(jnp.nan)),
            r"data: of the batch, inputs is not finite \(1 of 96 entries, the first \[2, 3, 0\]",
        ),
        (
            lambda b: b._replace(targets=b.targets * 1e38),
            r"Parameters, carry and data are finite: it began within this step",
        ),
    ],
)
def test_it_says_where_a_loss_stopped_being_a_number(change, message):
    with pytest.raises(FloatingPointError, match=f"(?s)the loss of step 5 is (nan|inf).*{message}"):
        fit(STEP, new(jax.random.key(0)), lambda p: diverging(p, 4, change), steps=9, eval_every=3)


def test_it_says_which_parameter_stopped_being_a_number():
    def spoil(state, history):
        head = state.params[2]._replace(b=jnp.full(1, jnp.inf))
        return state._replace(params=(*state.params[:2], head))

    with pytest.raises(FloatingPointError, match=r"(?s)of step 3 .*of the parameters, 2\.b is not"):
        fit(STEP, new(jax.random.key(0)), batches, steps=9, eval_every=2, callbacks=(spoil,))


def test_it_says_when_only_the_gradient_overflows():
    def loss(predictions, targets):
        return jnp.sqrt(jnp.sum((predictions - predictions) ** 2))  # its slope at 0 is infinite

    step = train_step(SequenceObjective(MODEL, loss), OPTIMIZER)
    with pytest.raises(FloatingPointError, match=r"(?s)of step 1 is 0.0 .*overflowed on its way"):
        fit(step, new(jax.random.key(0)), batches, steps=2)


def test_it_goes_on_where_the_optimizer_skips_such_steps():
    def nan(batch):
        return batch._replace(inputs=batch.inputs * jnp.nan)

    optimizer = optimizer_chain(optax.sgd(0.1), skip=2)
    step = train_step(OBJECTIVE, optimizer)
    state = train_state(MODEL.init(jax.random.key(0), 2), optimizer, jax.random.key(0))
    run = fit(step, state, lambda p: diverging(p, 1, nan), steps=3, eval_every=3)
    one, _ = step(state, batches(0))
    expected, _ = step(one, batches(2))
    chex.assert_trees_all_close(run.state.params, expected.params, rtol=1e-6)
    assert np.isfinite(run.history[0]["loss"])
    with pytest.raises(FloatingPointError, match="the loss of step 4 is nan"):
        fit(step, state, lambda p: batches(p) if p == 0 else nan(batches(p)), steps=9, eval_every=3)
