"""Objectives: what a training step makes small.

An objective is a function `(params, carry, batch, key) -> (loss, carry)`. Backpropagation through
whole sequences and the truncated kind differ here, and nowhere else. Those here are values, so
that equal ones share a compilation.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._static import Static
from ..layers import Layer
from ._batch import Batch

Loss = Callable[..., Float[Array, ""]]
Objective = Callable[[Any, Any, Batch, Any], tuple[Float[Array, ""], Any]]


class SequenceObjective(Static):
    """The loss of whole sequences, each of which starts from the model's initial carry.

    Called with `(params, carry, batch, key)` it gives the loss, and the carry as it is. Without
    a key there is no noise.

    Args:
        model: a layer, which maps inputs `[B, T, …]` to predictions.
        loss: a function of predictions and targets that gives a scalar; it is given the mask
            as a third argument if the batch has one.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN, Dense, Pool, Sequential
        >>> from rnnjax.training import squared_error
        >>> model = Sequential((RNN(rnnjax.GRU(4)), Pool("last"), Dense(1)))
        >>> objective = SequenceObjective(model, squared_error)
        >>> params = model.init(jax.random.key(0), 3)
        >>> objective(params, (), Batch(jnp.ones((2, 5, 3)), jnp.ones((2, 1))))[0].shape
        ()
    """

    model: Layer
    loss: Loss

    def __call__(self, params: Any, carry: Any, batch: Batch, key: Any = None) -> tuple:
        _, predictions = self.model.apply(
            params, batch.inputs, lengths=batch.lengths, resets=batch.resets, key=key
        )
        return _loss(self.loss, predictions, batch), carry


class TBPTTObjective(Static):
    """The loss of a window of long streams: truncated backpropagation through time.

    Called with `(params, carry, batch, key)` it gives the loss and the carry of the next
    window. The carry goes from window to window; the gradient stops where a window begins. A
    batch with `k1` targets and `k2 >= k1` inputs has the `k2 - k1` inputs before them as
    context: gradients flow through `k2` steps, the last `k1` predictions count, and the carry
    handed on is the one `k1` steps after the window's start, where the next window starts.
    `windows` cuts streams in this way. The first carry is `model.init_carry(params, (rows,))`.

    Args:
        model: a layer that runs forwards in time.
        loss: as for `SequenceObjective`.
        burn_in: number of steps at the start of the context that only warm up the carry: no
            gradient flows through them.

    Raises:
        ValueError: when called with a context of fewer steps than `burn_in`.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN
        >>> from rnnjax.training import squared_error, streams, windows
        >>> model = RNN(rnnjax.GRU(1))
        >>> params = model.init(jax.random.key(0), 1)
        >>> batch = next(windows(streams(jnp.ones((20, 1)), rows=2), 3, context=4))
        >>> objective = TBPTTObjective(model, squared_error, burn_in=2)
        >>> loss, carry = objective(params, model.init_carry(params, (2,)), batch)

    Reference:
        R. Williams, J. Peng, An efficient gradient-based algorithm for on-line training of
        recurrent network trajectories, Neural Computation 2, 1990. Burn-in: S. Kapturowski
        et al., Recurrent experience replay in distributed reinforcement learning, ICLR 2019.
    """

    model: Layer
    loss: Loss
    _: KW_ONLY
    burn_in: int = 0

    def __call__(self, params: Any, carry: Any, batch: Batch, key: Any = None) -> tuple:
        total, counted = (jax.tree.leaves(a)[0].shape[1] for a in (batch.inputs, batch.targets))
        if self.burn_in > total - counted:
            raise ValueError(
                f"expected a context of at least {self.burn_in} steps, which burn in, got "
                f"{total - counted}: {total} inputs and {counted} targets"
            )
        carry, handed, outputs = jax.lax.stop_gradient(carry), carry, []
        for start, stop in pairwise(sorted({0, self.burn_in, counted, total})):
            inputs, resets = jax.tree.map(
                lambda a, steps=slice(start, stop): a[:, steps], (batch.inputs, batch.resets)
            )
            noise = None if key is None else jax.random.fold_in(key, start)
            carry, ys = self.model.apply(params, inputs, carry, resets=resets, key=noise)
            carry = jax.lax.stop_gradient(carry) if stop == self.burn_in else carry
            handed = carry if stop == counted else handed
            outputs.append(ys)
        predictions = jax.tree.map(lambda *ys: jnp.concatenate(ys, 1)[:, -counted:], *outputs)
        return _loss(self.loss, predictions, batch), jax.lax.stop_gradient(handed)


def _loss(loss: Loss, predictions: Any, batch: Batch) -> Array:
    mask = () if batch.mask is None else (batch.mask,)
    return loss(predictions, batch.targets, *mask)
