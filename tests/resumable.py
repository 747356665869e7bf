"""A run that can be killed and started again: `python resumable.py FOLDER`.

It has all that must come back: dropout's noise, a carry, the optimiser's moments and average of
parameters, a rate that held-out losses lower, and data in a shuffled order.
"""

import sys
from pathlib import Path

import jax
import numpy as np
import optax

import rnnjax
from rnnjax.data import streams, windows
from rnnjax.layers import RNN, Dense, Dropout, Embedding, Sequential
from rnnjax.losses import cross_entropy
from rnnjax.training import TBPTTObjective, clipped, evaluate, fit, train_state, train_step

ROWS, WINDOW, STEPS, EVERY = 4, 8, 240, 10
TOKENS = np.random.default_rng(0).integers(0, 7, 2000)
MODEL = Sequential((Embedding(7, 4), RNN(rnnjax.LSTM(8)), Dropout(0.3), Dense(7)))
OBJECTIVE = TBPTTObjective(MODEL, cross_entropy)


def slower(state, history):
    """Lowers the rate whenever the held-out loss rose."""
    losses = [record["eval_loss"] for record in history[-2:]]
    if len(losses) < 2 or losses[1] <= losses[0]:
        return state
    rate = optax.tree.get(state.opt_state, "learning_rate")
    return state._replace(opt_state=optax.tree.set(state.opt_state, learning_rate=0.9 * rate))


def held_out(state):
    """The loss of a part of the text that is not learnt."""
    carry = MODEL.init_carry(state.params, (ROWS,))
    return evaluate(OBJECTIVE, state.params, windows(streams(TOKENS[1600:], ROWS), WINDOW), carry)


def run(folder: Path, ready=lambda: None):
    """Trains, or goes on training."""
    optimizer = clipped(optax.inject_hyperparams(optax.adam)(0.02))
    params = MODEL.init(jax.random.key(0))
    carry = MODEL.init_carry(params, (ROWS,))
    state = train_state(params, optimizer, jax.random.key(1), carry)
    step = train_step(OBJECTIVE, optimizer)
    text = windows(streams(TOKENS[:1600], ROWS), WINDOW)
    step(state, text(0))  # it compiles before the clock starts
    held_out(state)
    ready()
    return fit(
        step,
        state,
        text,
        steps=STEPS,
        eval_every=EVERY,
        evaluate=held_out,
        callbacks=(slower,),
        checkpoint_dir=folder,
    )


if __name__ == "__main__":
    run(Path(sys.argv[1]), ready=lambda: print("ready", flush=True))
