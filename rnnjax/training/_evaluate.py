"""The loss on held-out data."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ._batch import Batch
from ._objectives import Objective


def evaluate(
    objective: Objective, params: PyTree, batches: Iterable[Batch], carry: PyTree = ()
) -> Any:
    """The mean loss over batches, without noise; the carry goes from each to the next.

    A batch weighs as much as it has predictions that count: true entries of its mask, or
    without a mask entries of its targets.

    Args:
        objective: the one to train with, or another. Equal objectives and shapes
            share one compilation.
        params: the parameters.
        batches: held-out data.
        carry: the carry of the first batch: for `TBPTTObjective` that of `model.init_carry`.

    Returns:
        The loss; of an objective that is a `vmap` over the members of an ensemble, a list.

    Raises:
        ValueError: if there is no batch, or nothing that counts.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN, Embedding, Sequential
        >>> from rnnjax.training import cross_entropy, TBPTTObjective, windows
        >>> model = Sequential((Embedding(4, 3), RNN(rnnjax.GRU(4))))
        >>> params = model.init(jax.random.key(0))
        >>> held_out, carry = windows(np.ones((2, 9), int), 4), model.init_carry(params, (2,))
        >>> evaluate(TBPTTObjective(model, cross_entropy), params, held_out, carry) > 0
        True
    """
    losses, weights = [], []
    for batch in batches:
        loss, carry = _without_noise(objective, params, carry, batch)
        counted = batch.targets if batch.mask is None else batch.mask
        weights.append(np.size(counted) if batch.mask is None else np.sum(counted))
        losses.append(loss)
    if not sum(weights):
        raise ValueError("expected at least one batch with predictions that count, got none")
    return np.average(np.stack(jax.device_get(losses)), axis=0, weights=weights).tolist()


@partial(jax.jit, static_argnames="objective")
def _without_noise(objective: Objective, params: Any, carry: Any, batch: Any) -> Any:
    return objective(params, carry, jax.tree.map(jnp.asarray, batch), None)
