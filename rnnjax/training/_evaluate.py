"""Held-out losses, metrics and predictions."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .._checks import brief, check_function
from .._static import by_value
from ..data import as_batch
from ..layers import Layer
from ..layers._layer import check_layer
from ._feed import Source, once
from ._objectives import ModelObjective, Objective, Predictions

Metrics = Mapping[str, Callable]


def evaluate(
    objective: Objective,
    params: PyTree,
    batches: Source,
    carry: PyTree = None,
    *,
    metrics: Metrics | None = None,
) -> Any:
    """The mean loss over batches, without noise; the carry goes from each to the next.

    Losses and metrics of `rnnjax.losses` are exact: the sum over all batches over the number of
    entries (for `ctc_loss` and `sequence_accuracy`, of sequences) that count. Any other function
    is a mean, which weighs as much as its batch has predictions that count.

    Args:
        objective: the one to train with, or another. Equal objectives and shapes
            share one compilation.
        params: the parameters.
        batches: held-out data: a `Batch`, a pair of arrays, an iterable of them, or a data set
            of `rnnjax.data`, of which one epoch is taken.
        carry: the carry of the first batch; by default the objective's initial one.
        metrics: further functions of predictions and targets, by name, of the same pass.

    Returns:
        The loss; with metrics, a dictionary of "loss" and each of them. For an objective that is a
        `vmap` over the members of an ensemble, a list.

    Raises:
        ValueError: if there is no batch, or nothing that counts.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN, Embedding, Sequential
        >>> from rnnjax.losses import accuracy, cross_entropy
        >>> from rnnjax.training import SequenceObjective
        >>> model = Sequential((Embedding(4, 3), RNN(rnnjax.GRU(4))))
        >>> params, data = model.init(jax.random.key(0)), (np.ones((2, 9), int),) * 2
        >>> objective = SequenceObjective(model, cross_entropy)
        >>> list(evaluate(objective, params, data, metrics={"accuracy": accuracy}))
        ['loss', 'accuracy']
    """
    check_function("objective", objective, "SequenceObjective(model, loss)")
    metrics = None if metrics is None else check_metrics(metrics)
    if metrics is not None and not isinstance(objective, ModelObjective):
        raise ValueError(
            f"expected an objective with a model for the metrics {list(metrics)}, such as "
            f"SequenceObjective, got {objective!r}"
        )
    totals = []
    for batch in once(batches):
        if carry is None:
            initial = getattr(objective, "init_carry", lambda params, batch: ())
            carry = initial(params, batch)
        if isinstance(objective, ModelObjective):
            losses = tuple(
                (name, by_value(loss))
                for name, loss in {"loss": objective.loss, **(metrics or {})}.items()
            )
            now, carry = _totals(objective, losses, params, carry, batch)
        else:
            loss, carry = _loss(objective, params, carry, batch)
            count = _count(batch)
            now = {"loss": (loss * count, count)}
        totals.append(now)
    return _means(jax.device_get(totals), ["loss", *(metrics or ())], single=metrics is None)


def predict(model: Layer, params: PyTree, batches: Source) -> Iterator[PyTree]:
    """The outputs of a model for every batch, without noise, as NumPy arrays.

    Args:
        model: a layer.
        params: its parameters.
        batches: as for `evaluate`, with any targets; or an array of inputs `[B, T, …]`.

    Returns:
        An iterator over the outputs of each batch: `next(predict(…))` for a single one,
        `np.concatenate(list(predict(…)))` for batches of equal shapes. Outputs at invalid steps
        are zero.

    Examples:
        >>> import rnnjax
        >>> model = rnnjax.layers.RNN(rnnjax.GRU(4))
        >>> params = model.init(jax.random.key(0), 3)
        >>> next(predict(model, params, np.ones((2, 5, 3), "float32"))).shape
        (2, 5, 4)
    """
    check_layer("model", model)
    for batch in once(as_batch((batches, ())) if hasattr(batches, "ndim") else batches):
        yield jax.device_get(_outputs(model, params, as_batch(batch)))


def check_metrics(metrics: Any) -> Metrics:
    """Metrics as they are.

    Raises:
        ValueError: unless they are functions by name, none of which is "loss".

    Examples:
        >>> list(check_metrics({"error": abs}))
        ['error']
    """
    if not isinstance(metrics, Mapping) or not all(map(callable, metrics.values())):
        raise ValueError(
            'expected metrics to be functions by name, such as {"accuracy": accuracy}, got '
            f"{brief(metrics)}"
        )
    if "loss" in metrics:
        raise ValueError('expected metrics of other names than "loss", which the loss has, got it')
    return metrics


@partial(jax.jit, static_argnames=("objective", "losses"))
def _totals(objective: Any, losses: tuple, params: Any, carry: Any, batch: Any) -> Any:
    """The sum and the count of each loss over a batch, and the next carry."""
    predictions, carry = objective.predict(params, carry, jax.tree.map(jnp.asarray, batch))
    return {name: _total(loss, predictions) for name, loss in losses}, carry


def _total(loss: Callable, predictions: Predictions) -> tuple:
    own = getattr(loss, "total", None)
    if isinstance(loss, partial) and hasattr(loss.func, "total"):
        own = partial(loss.func.total, *loss.args, **loss.keywords)
    if own is not None:
        return predictions.under(own)
    counted = predictions.targets if predictions.mask is None else predictions.mask
    count = jnp.size(counted) if predictions.mask is None else jnp.sum(counted)
    return predictions.under(loss) * count, count


@partial(jax.jit, static_argnames="objective")
def _loss(objective: Objective, params: Any, carry: Any, batch: Any) -> Any:
    return objective(params, carry, jax.tree.map(jnp.asarray, batch), None)


@partial(jax.jit, static_argnames="model")
def _outputs(model: Layer, params: Any, batch: Any) -> Any:
    signals = {name: getattr(batch, name) for name in ("lengths", "mask", "resets", "context")}
    return model.apply(params, batch.inputs, **signals)[1]


def _count(batch: Any) -> int:
    """The number of predictions that count, for objectives that are any function."""
    mask = getattr(batch, "loss_mask", None)
    if mask is not None:
        return int(np.sum(mask))
    return sum(np.size(a) for a in jax.tree.leaves(getattr(batch, "targets", batch)))


def _means(totals: list[dict[str, tuple]], names: list[str], *, single: bool) -> Any:
    """The means of all losses, from the totals of all batches."""
    means = {}
    for name in names if totals else ():
        sums, counts = (
            np.stack([np.asarray(t[name][i], np.float64) for t in totals]) for i in (0, 1)
        )
        if counts.sum() == 0:
            break
        means[name] = (sums.sum(0) / counts.sum(0)).tolist()
    if len(means) < len(names):
        raise ValueError("expected at least one batch with predictions that count, got none")
    return means["loss"] if single else means
