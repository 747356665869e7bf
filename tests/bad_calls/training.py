"""Training: objectives, steps, `fit` and its parts, checkpoints, optimiser chains."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rnnjax
from rnnjax import training as tr
from rnnjax.data import Batch
from rnnjax.layers import RNN, Dense, Embedding, Sequential
from rnnjax.losses import accuracy, cross_entropy, squared_error

from .kinds import (
    Argument,
    array,
    call,
    choice,
    flag,
    function,
    key,
    layer,
    number,
    params,
    size,
    tree,
)

KEY = jax.random.key(0)
MODEL = Sequential((RNN(rnnjax.GRU(2)), Dense(1)))
TOKENS = Sequential((Embedding(4, 3), RNN(rnnjax.GRU(4))))
PARAMS = MODEL.init(KEY, 3)
OPTIMIZER = optax.inject_hyperparams(optax.sgd)(0.1)
OBJECTIVE = tr.SequenceObjective(MODEL, squared_error)
STEP = tr.train_step(OBJECTIVE, OPTIMIZER)
STATE = tr.train_state(PARAMS, OPTIMIZER, KEY)
BATCH = Batch(np.ones((2, 5, 3), "float32"), np.ones((2, 5, 1), "float32"))
HISTORY = [{"step": 1, "eval_loss": 2.0}, {"step": 2, "eval_loss": 3.0}]

optimizer = Argument(OPTIMIZER, (None, "adam", 3, optax.adam, optax.adam(1e-3).update))
objective = Argument(OBJECTIVE, (None, "loss", 3))
model = layer(MODEL)
causal = Argument(MODEL, (*layer(MODEL).bad, RNN(rnnjax.GRU(2), reverse=True)))
data = Argument([BATCH], (None, 3, "text", {"inputs": 1}, np.ones(3), [3], [np.ones(3)], []))
history = Argument(HISTORY, (None, "text", 3, [3], [{}], [{"eval_loss": "text"}]))
folder = Argument("no/such/folder", (None, "", 3, b"runs"))
mesh = Argument(jax.make_mesh((1,), ("data",)), (None, "data", 3))

OBJECTIVES = [
    call(
        "rnnjax.training.SequenceObjective",
        tr.SequenceObjective,
        model=model,
        loss=function(squared_error),
    ),
    call(
        "rnnjax.training.TBPTTObjective",
        tr.TBPTTObjective,
        model=causal,
        loss=function(squared_error),
        burn_in=size(0, least=0),
    ),
    call(
        "rnnjax.training.ScheduledSampling",
        tr.ScheduledSampling,
        model=layer(TOKENS),
        loss=function(cross_entropy),
        schedule=Argument(lambda step: 0.5, (None, 3, lambda step: 2.0, lambda step: jnp.nan)),
    ),
    call("rnnjax.training.inverse_sigmoid", tr.inverse_sigmoid, k=number(10.0, 0.0, -1.0)),
    call(
        "rnnjax.training.mix_in_samples",
        tr.mix_in_samples,
        key=key(),
        tokens=array(np.ones((2, 3), int), np.ones((2, 3))),
        logits=array(np.ones((2, 3, 4)), np.ones((2, 2, 4)), np.ones((2, 3))),
        keep=number(0.5, -0.1, 1.1),
    ),
]

STEPS = [
    call(
        "rnnjax.training.train_state",
        tr.train_state,
        params=PARAMS,
        optimizer=optimizer,
        key=key(),
    ),
    call(
        "rnnjax.training.train_step",
        tr.train_step,
        objective=objective,
        optimizer=optimizer,
        watch=Argument(None, (3, "norms")),
    ),
    call("rnnjax.training.TrainStep", tr.TrainStep, run=function(lambda state, batch: None)),
    call(
        "rnnjax.training.ensemble_step",
        tr.ensemble_step,
        step=function(STEP),
        own_data=flag(False),
    ),
    call(
        "rnnjax.training.ensemble_log_probs", tr.ensemble_log_probs, logits=array(np.ones((2, 3)))
    ),
]

LOOP = [
    call(
        "rnnjax.training.fit",
        tr.fit,
        step=function(STEP),
        state=Argument(STATE, (None, 3, PARAMS)),
        batches=Argument([BATCH], (None, 3, "text", {"inputs": 1}, np.ones(3), [])),
        steps=Argument(0, size(0, least=0).bad),
        eval_every=Argument(None, size(1).bad[1:]),
        evaluate=Argument(BATCH, (3, "text", {"inputs": 1})),
        metrics=Argument({"accuracy": accuracy}, (3, "text", {"accuracy": 3})),
        callbacks=Argument((), (3, "text", (3,), None)),
        patience=Argument(None, size(1).bad[1:]),
        stop=Argument(None, ("10", 0.0, -1.0, np.nan, [1.0])),
        schedule=Argument(None, (3, "cosine", 0.1)),
        checkpoint_dir=Argument(None, folder.bad[1:]),
        keep=size(3),
        quiet=Argument(True, flag(True).bad),
    ),
    call(
        "rnnjax.training.evaluate",
        tr.evaluate,
        objective=objective,
        params=PARAMS,
        batches=Argument([BATCH], (*data.bad, lambda position: BATCH)),
        metrics=Argument(None, (3, "text", {"accuracy": 3}, {"loss": accuracy})),
    ),
    call(
        "rnnjax.training.predict",
        lambda **arguments: list(tr.predict(**arguments)),
        model=model,
        params=PARAMS,
        batches=Argument([BATCH], data.bad[:-1]),
    ),
    call("rnnjax.training.as_table", tr.as_table, history=Argument(HISTORY, history.bad[:4])),
    call(
        "rnnjax.training.plot_history",
        tr.plot_history,
        history=Argument(HISTORY, (*history.bad, [])),
    ),
    call("rnnjax.training.improved", tr.improved, history=Argument(HISTORY, (*history.bad, []))),
    call(
        "rnnjax.training.rounds_without_improvement",
        tr.rounds_without_improvement,
        history=history,
    ),
]

CHECKPOINTS = [
    call("rnnjax.training.load_checkpoint", tr.load_checkpoint, folder=folder, like=STATE),
    call(
        "rnnjax.training.save_checkpoint",
        lambda **a: None if all(a[k] is SAVED[k] for k in a) else tr.save_checkpoint(**a),
        folder=folder,
        step=size(0, least=0),
        state=Argument(STATE, ("text", {"a": object()})),
        keep=size(3),
    ),
]
SAVED = {name: argument.good for name, argument in CHECKPOINTS[1].arguments.items()}

OPTIMIZERS = [
    call(
        "rnnjax.training.clipped",
        tr.clipped,
        optimizer=optimizer,
        limit=number(1.0, 0.0, -1.0),
        by=choice("norm", None),
    ),
    call(
        "rnnjax.training.optimizer_chain",
        tr.optimizer_chain,
        optimizer=optimizer,
        clip=number(1.0, 0.0, -1.0),
        by=choice("norm", None),
        accumulate=size(2),
        skip=size(0, least=0),
    ),
    call(
        "rnnjax.training.polyak",
        tr.polyak,
        optimizer=optimizer,
        decay=number(0.9, 0.0, -1.0, 1.1),
        start=Argument(1, size(1, least=0).bad[1:]),
    ),
    call(
        "rnnjax.training.average_of",
        tr.average_of,
        opt_state=Argument(tr.polyak(OPTIMIZER).init(PARAMS), (None, 3, STATE.opt_state)),
    ),
    call("rnnjax.training.NonMonotonicTrigger", tr.NonMonotonicTrigger, rounds=size(5)),
    call(
        "rnnjax.training.ReduceOnPlateau",
        tr.ReduceOnPlateau,
        factor=number(0.5, 0.0, 1.0, 2.0),
        patience=size(3),
    ),
]

DEVICES = [
    call("rnnjax.training.replicate", tr.replicate, tree=tree(np.ones((2, 3))), mesh=mesh),
    call(
        "rnnjax.training.shard",
        tr.shard,
        tree=tree(np.ones((2, 3)), np.ones(())),
        mesh=mesh,
        axis=choice("data"),
    ),
    call(
        "rnnjax.training.shard_weights",
        tr.shard_weights,
        tree=tree(np.ones((2, 3))),
        mesh=mesh,
        axis=choice("data"),
    ),
]

RESERVOIR = rnnjax.cells.EchoState(4, 2)
CLOSED = [
    call(
        "rnnjax.training.ridge_regression",
        tr.ridge_regression,
        x=array(np.ones((5, 3)), np.ones((4, 3)), np.ones(5), np.ones((5, 3)) * 1j),
        y=array(np.ones((5, 2)), np.ones((4, 2)), np.ones(5), np.ones((5, 2)) * 1j),
        ridge=number(0.1, -0.1),
        mask=tree(np.ones(5, bool), np.ones(4, bool), np.ones(5)),
    ),
    call(
        "rnnjax.training.fit_readout",
        tr.fit_readout,
        cell=Argument(RESERVOIR, (None, "echo", 3, rnnjax.GRU(4))),
        params=params(RESERVOIR.init(KEY, 3)),
        xs=array(np.ones((5, 3)), np.ones((5, 2)), np.ones((4, 3)), np.ones((5, 3)) * 1j, 1.0),
        targets=array(np.ones((5, 2)), np.ones((5, 3)), np.ones((4, 2)), np.ones((5, 2)) * 1j),
        carry=tree(np.zeros(4, "float32"), np.zeros(3)),
        ridge=number(0.1, -0.1),
        washout=Argument(1, (*size(1, least=0).bad, 5)),
        mask=tree(np.ones(5, bool), np.ones(4, bool), np.ones(5)),
    ),
]

CALLS = [*OBJECTIVES, *STEPS, *LOOP, *CHECKPOINTS, *OPTIMIZERS, *DEVICES, *CLOSED]
