"""Objectives: the quantity that a training step minimises.

An objective is a function `(params, carry, batch, key) -> (loss, carry)`. Backpropagation through
whole sequences and its truncated form differ here, and nowhere else. The objectives of this file
are values, so that equal ones share a compilation.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY
from itertools import pairwise
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from .._masks import check_signals, valid_steps
from .._static import Static
from ..data import Batch, as_batch
from ..layers import Layer
from ..layers._layer import check_layer

Loss = Callable[..., Float[Array, ""]]
Objective = Callable[[Any, Any, Batch, Any], tuple[Float[Array, ""], Any]]


class Predictions(NamedTuple):
    """The predictions of a batch, with the arguments that a loss needs besides."""

    outputs: PyTree
    targets: PyTree
    mask: Any  # true where a prediction counts

    def under(self, loss: Callable) -> Any:
        """The value of a loss or metric."""
        return loss(self.outputs, self.targets, *(() if self.mask is None else (self.mask,)))


class ModelObjective(Static, ABC):
    """Base of the objectives that compare the predictions of a model with targets.

    Args:
        model: a layer, which maps inputs `[B, T, …]` to predictions.
        loss: a function of predictions and targets that gives a scalar. It is given a mask as a
            third argument: the batch's `loss_mask`, or else the steps that are valid by its
            `lengths` and `mask` if the predictions have a time axis.
    """

    model: Layer
    loss: Loss

    def __post_init__(self):
        super().__post_init__()
        check_layer("model", self.model)
        if not callable(self.loss):
            raise ValueError(
                "expected a loss, a function of predictions and targets such as "
                f"losses.squared_error, got {self.loss!r}"
            )

    @abstractmethod
    def predict(
        self, params: PyTree, carry: PyTree, batch: Batch, key: Any = None
    ) -> tuple[Predictions, PyTree]:
        """The predictions of a batch and the carry to hand on."""

    def init_carry(self, params: PyTree, batch: Batch) -> PyTree:
        """The carry to start training from."""
        return ()

    @final
    def __call__(self, params: PyTree, carry: PyTree, batch: Batch, key: Any = None) -> tuple:
        predictions, carry = self.predict(params, carry, batch, key)
        return predictions.under(self.loss), carry


class SequenceObjective(ModelObjective):
    """The loss of whole sequences, each of which starts from the model's initial carry.

    Called with `(params, carry, batch, key)` it gives the loss, and the carry as it is. Without
    a key there is no noise.

    Args:
        model: a layer, which maps inputs `[B, T, …]` to predictions.
        loss: a function of predictions and targets that gives a scalar, from `rnnjax.losses` or
            your own. It is given a mask as a third argument: the batch's `loss_mask`, or else
            the steps that are valid by its `lengths` and `mask` if predictions have a time axis.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN, Dense, Pool, Sequential
        >>> from rnnjax.losses import squared_error
        >>> model = Sequential((RNN(rnnjax.GRU(4)), Pool("last"), Dense(1)))
        >>> objective = SequenceObjective(model, squared_error)
        >>> params = model.init(jax.random.key(0), 3)
        >>> objective(params, (), Batch(jnp.ones((2, 5, 3)), jnp.ones((2, 1))))[0].shape
        ()
    """

    def predict(self, params, carry, batch, key=None):
        batch = as_batch(batch)
        _, outputs = self.model.apply(
            params,
            batch.inputs,
            lengths=batch.lengths,
            mask=batch.mask,
            resets=batch.resets,
            key=key,
            context=batch.context,
        )
        return Predictions(outputs, batch.targets, _loss_mask(self.model, batch)), carry


class TBPTTObjective(ModelObjective):
    """The loss of a window of long streams: truncated backpropagation through time.

    Called with `(params, carry, batch, key)` it gives the loss and the carry of the next
    window. The carry goes from window to window; the gradient stops where a window begins. A
    batch with `k1` targets and `k2 >= k1` inputs has the `k2 - k1` inputs before them as
    context: gradients flow through `k2` steps, the last `k1` predictions count, and the carry
    handed on is the one `k1` steps after the window's start, where the next window starts.
    `windows` cuts streams in this way.

    Args:
        model: a layer that runs forwards in time and keeps the time axis.
        loss: as for `SequenceObjective`.
        burn_in: number of steps at the start of the context that only warm up the carry: no
            gradient flows through them.

    Raises:
        ValueError: if the model needs later steps; when called, if the context has fewer steps
            than `burn_in`.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.data import streams, windows
        >>> from rnnjax.layers import RNN
        >>> from rnnjax.losses import squared_error
        >>> model = RNN(rnnjax.GRU(1))
        >>> params = model.init(jax.random.key(0), 1)
        >>> batch = next(iter(windows(streams(jnp.ones((20, 1)), 2), 3, context=4)))
        >>> objective = TBPTTObjective(model, squared_error, burn_in=2)
        >>> loss, carry = objective(params, objective.init_carry(params, batch), batch)

    Reference:
        R. Williams, J. Peng, An efficient gradient-based algorithm for on-line training of
        recurrent network trajectories, Neural Computation 2, 1990. Burn-in: S. Kapturowski
        et al., Recurrent experience replay in distributed reinforcement learning, ICLR 2019.
    """

    _: KW_ONLY
    burn_in: int = 0

    def __post_init__(self):
        super().__post_init__()
        if not self.model.causal:
            raise ValueError(
                f"expected a model that needs no later step, got {self.model}; a window of a "
                "stream has no end to run backwards from, and no pooled output"
            )

    def init_carry(self, params, batch):
        batch = as_batch(batch)
        return self.model.init_carry(params, (jax.tree.leaves(batch.inputs)[0].shape[0],))

    def predict(self, params, carry, batch, key=None):
        batch = as_batch(batch)
        total, counted = (jax.tree.leaves(a)[0].shape[1] for a in (batch.inputs, batch.targets))
        if not self.burn_in <= total - counted:
            raise ValueError(
                f"expected a context of at least {self.burn_in} steps, which burn in, got "
                f"{total - counted}: {total} inputs and {counted} targets"
            )
        carry, handed, outputs = jax.lax.stop_gradient(carry), carry, []
        valid = _valid(batch, total)
        for start, stop in pairwise(sorted({0, self.burn_in, counted, total})):
            inputs, mask, resets = jax.tree.map(
                lambda a, steps=slice(start, stop): a[:, steps], (batch.inputs, valid, batch.resets)
            )
            noise = None if key is None else jax.random.fold_in(key, start)
            carry, ys = self.model.apply(
                params,
                inputs,
                carry,
                mask=mask,
                resets=resets,
                key=noise,
                context=batch.context,
            )
            carry = jax.lax.stop_gradient(carry) if stop == self.burn_in else carry
            handed = carry if stop == counted else handed
            outputs.append(ys)
        outputs = jax.tree.map(lambda *ys: jnp.concatenate(ys, 1)[:, -counted:], *outputs)
        mask = batch.loss_mask
        if mask is None and valid is not None:
            mask = valid[:, -counted:]
        return Predictions(outputs, batch.targets, mask), jax.lax.stop_gradient(handed)


def _loss_mask(model: Layer, batch: Batch) -> Any:
    """The mask that a batch asks for, or else the valid steps of predictions at every step."""
    if batch.loss_mask is not None or not model.keeps_time:
        return batch.loss_mask
    return _valid(batch, jax.tree.leaves(batch.inputs)[0].shape[1])


def _valid(batch: Batch, steps: int) -> Bool[Array, "b t"] | None:
    """The steps that are valid by lengths and mask; `None` if all are."""
    lengths, mask = (
        None if signal is None else jnp.asarray(signal) for signal in (batch.lengths, batch.mask)
    )
    rows = jax.tree.leaves(batch.inputs)[0].shape[:1]
    check_signals(steps, rows, lengths, mask, time_major=False)
    valid = valid_steps(steps, lengths, None if mask is None else mask.T)
    return None if valid is None else valid.T
