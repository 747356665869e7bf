"""The network of a language model, and its training."""

from typing import Any

import jax

from ... import cells
from ...layers import RNN, Dense, Dropout, Embedding, Layer, Sequential, Tied
from ...losses import cross_entropy
from ...training import Fit, TBPTTObjective, average_of, evaluate
from .._application import train_model
from ._data import Data, batches, held_out_windows

_CELLS = {"lstm": cells.LSTM, "gru": cells.GRU, "elman": cells.Elman}


def build(config: Any, vocabulary: int) -> Layer:
    """The model: tokens `[B, T]` to logits `[B, T, vocabulary]`."""
    cell = _CELLS[config.cell](config.hidden)
    cell = cells.WeightDrop(cell, config.weight_drop) if config.weight_drop else cell
    noise = Dropout(config.dropout, per_sequence=config.per_sequence)
    recurrent, embedding = (RNN(cell), noise) * config.layers, (vocabulary, config.embedding)
    if config.tied:
        last = () if config.hidden == config.embedding else (Dense(config.embedding),)
        first = Embedding(*embedding, scale=config.embedding**-0.5)
        return Tied(first, Sequential((noise, *recurrent, *last)))
    return Sequential((Embedding(*embedding), *recurrent, Dense(vocabulary)))


def objective(model: Layer) -> TBPTTObjective:
    """The quantity to minimise, in nats per token."""
    return TBPTTObjective(model, cross_entropy)


def learn(config: Any, data: Data, model: Layer, **options: Any) -> tuple[Fit, Any]:
    """Trains; gives the run, and the parameters after its last step or their average."""
    feed, loss = batches(data.train, config), objective(model)
    params = model.init(jax.random.key(config.seed), None)
    held_out = held_out_windows(data.held_out, config.window)

    def chosen(state: Any) -> Any:
        return average_of(state.opt_state) if config.average else state.params

    run = train_model(
        config,
        loss,
        params,
        feed,
        carry=loss.init_carry(params, feed(0)),
        b2=0.99,
        average=config.average,
        evaluate=lambda state: evaluate(loss, chosen(state), held_out),
        eval_every=200,
        **options,
    )
    return run, chosen(run.state)
