"""The loss of frames of music, and its training."""

from collections.abc import Sequence
from typing import Any

import jax

from ...layers import Layer
from ...losses import frame_loss
from ...training import Fit, SequenceObjective, average_of
from ...training import evaluate as held_out_loss
from .._application import train_model
from ._baselines import Roll
from ._batches import training_batches, whole_pieces
from ._pieces import Pieces


def objective(model: Layer) -> SequenceObjective:
    """The quantity to minimise, in nats a frame."""
    return SequenceObjective(model, frame_loss)


def nats(model: Layer, params: Any, rolls: Sequence[Roll]) -> float:
    """The loss of a frame of whole pieces."""
    batches = whole_pieces(rolls, autoregressive=model.takes_context)
    return float(held_out_loss(objective(model), params, batches))


def learn(config: Any, pieces: Pieces, model: Layer) -> tuple[Fit, Any]:
    """Trains; gives the run, and the parameters with the lowest loss on validation pieces."""
    by_key, loss = model.takes_context, objective(model)
    feed = training_batches(
        pieces.train,
        config.batch,
        semitones=config.transpose,
        autoregressive=by_key,
        seed=config.seed,
    )
    valid = whole_pieces(pieces.valid, autoregressive=by_key)

    def chosen(state: Any) -> Any:
        return average_of(state.opt_state) if config.average else state.params

    run = train_model(
        config,
        loss,
        model.init(jax.random.key(config.seed), 88),
        feed,
        average=config.average,
        evaluate=lambda state: held_out_loss(loss, chosen(state), valid),
        eval_every=2 * feed.per_epoch,
    )
    return run, chosen(run.best)
