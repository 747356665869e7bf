"""Truncated backpropagation through time.

A long text is cut into as many contiguous streams as a batch has rows, and the streams into
windows. The carry goes from each window to the next; the gradient stops between them.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, PyTree

from ..layers import Layer

Loss = Callable[[Any, Any], Float[Array, ""]]


class TrainState(NamedTuple):
    """What a training step hands to the next.

    Attributes:
        params: the model's parameters.
        opt_state: the optimiser's state.
        carry: the model's carry at the end of the last window.
        key: the source of the noise of the steps to come.

    Example:
        >>> TrainState(params=(), opt_state=(), carry=(), key=jax.random.key(0)).carry
        ()
    """

    params: PyTree
    opt_state: PyTree
    carry: PyTree
    key: Key[Array, ""]


class Metrics(NamedTuple):
    """What a training step reports.

    Attributes:
        loss: the loss of the window, before the update.
        gradient_norm: the global norm of the gradient, before any clipping.

    Example:
        >>> Metrics(loss=1.0, gradient_norm=2.0).gradient_norm
        2.0
    """

    loss: Float[Array, ""]
    gradient_norm: Float[Array, ""]


def train_state(
    model: Layer,
    optimizer: optax.GradientTransformation,
    key: Key[Array, ""],
    input_size: int,
    batch_size: int,
) -> TrainState:
    """The state to start from: fresh parameters, and the initial carry of every row.

    Example:
        >>> import rnnjax
        >>> model = rnnjax.layers.Recurrent(rnnjax.GRU(4))
        >>> train_state(model, optax.sgd(0.1), jax.random.key(0), 3, batch_size=2).carry.shape
        (2, 4)
    """
    key_params, key = jax.random.split(key)
    params = model.init(key_params, input_size)
    carry = model.init_carry(params, (batch_size,))
    return TrainState(params, optimizer.init(params), carry, key)


def tbptt_step(
    model: Layer, loss: Loss, optimizer: optax.GradientTransformation
) -> Callable[[TrainState, ArrayLike, ArrayLike], tuple[TrainState, Metrics]]:
    """The compiled training step of truncated backpropagation through time.

    Args:
        model: a layer that maps a window of inputs `[B, T, …]` to predictions.
        loss: a function of predictions and targets that gives a scalar.
        optimizer: an Optax optimiser, such as `clipped(optax.adam(1e-3))`.

    Returns:
        `step(state, inputs, targets) -> (state, metrics)`. Each window starts from the carry
        that the one before it ended with, through which no gradient flows back.

    Example:
        >>> import rnnjax
        >>> from rnnjax.training import cross_entropy, clipped
        >>> model = rnnjax.layers.Recurrent(rnnjax.GRU(4))
        >>> optimizer = clipped(optax.adam(1e-2))
        >>> state = train_state(model, optimizer, jax.random.key(0), 3, batch_size=2)
        >>> step = tbptt_step(model, cross_entropy, optimizer)
        >>> state, metrics = step(state, np.ones((2, 5, 3)), np.zeros((2, 5), int))

    Reference:
        R. Williams, J. Peng, An efficient gradient-based algorithm for on-line training of
        recurrent network trajectories, Neural Computation 2, 1990.
    """

    @jax.jit
    def step(
        state: TrainState, inputs: ArrayLike, targets: ArrayLike
    ) -> tuple[TrainState, Metrics]:
        key_noise, key = jax.random.split(state.key)
        before = jax.lax.stop_gradient(state.carry)

        def window_loss(params):
            carry, predictions = model.apply(params, inputs, before, key=key_noise)
            return loss(predictions, targets), carry

        (value, carry), gradient = jax.value_and_grad(window_loss, has_aux=True)(state.params)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = Metrics(loss=value, gradient_norm=optax.tree.norm(gradient))
        return TrainState(params, opt_state, carry, key), metrics

    return step


def streams(sequence: Any, rows: int) -> np.ndarray:
    """Cuts one long sequence into `rows` contiguous streams of equal length; drops the rest.

    Raises:
        ValueError: if the sequence is shorter than `rows`.

    Example:
        >>> streams([1, 2, 3, 4, 5], rows=2)
        array([[1, 2],
               [3, 4]])
    """
    sequence = np.asarray(sequence)
    if len(sequence) < rows:
        raise ValueError(f"expected at least {rows} steps for {rows} streams, got {len(sequence)}")
    steps = len(sequence) // rows
    return sequence[: steps * rows].reshape(rows, steps, *sequence.shape[1:])


def windows(streams: np.ndarray, steps: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Windows of `steps` inputs, each with the inputs one step later as its targets.

    Targets of one window are followed by those of the next, so that nothing is left out but
    what does not fill a last window.

    Example:
        >>> [inputs.tolist() for inputs, targets in windows(np.arange(6).reshape(1, 6), 2)]
        [[[0, 1]], [[2, 3]]]
    """
    for start in range(0, streams.shape[1] - steps, steps):
        yield streams[:, start : start + steps], streams[:, start + 1 : start + steps + 1]


@partial(jax.jit, static_argnames=("loss",))
def _window_loss(model, loss, params, carry, inputs, targets):
    carry, predictions = model.apply(params, inputs, carry)
    return carry, loss(predictions, targets)


def evaluate(
    model: Layer, loss: Loss, params: PyTree, streams: Int[np.ndarray, "rows n"], steps: int
) -> float:
    """Mean loss over all windows of held-out streams, the carry handed over, without noise.

    Raises:
        ValueError: if the streams are too short for one window.

    Example:
        >>> import rnnjax
        >>> from rnnjax.layers import Embedding, Recurrent, Sequential
        >>> from rnnjax.training import cross_entropy
        >>> model = Sequential((Embedding(4, 3), Recurrent(rnnjax.GRU(4))))
        >>> params = model.init(jax.random.key(0))
        >>> evaluate(model, cross_entropy, params, np.ones((2, 9), int), steps=4) > 0
        True
    """
    carry = model.init_carry(params, (len(streams),))
    losses = []
    for inputs, targets in windows(streams, steps):
        carry, value = _window_loss(model, loss, params, carry, inputs, targets)
        losses.append(value)
    if not losses:
        raise ValueError(
            f"expected streams of more than {steps} steps, got {streams.shape[1]}: no window fits"
        )
    return float(np.mean(losses))
