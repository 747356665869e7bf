"""The training step: a pure function from one state to the next."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from .._sharding import check_meshes
from ._objectives import Objective


class TrainState(NamedTuple):
    """All that a training step hands to the next.

    Attributes:
        params: the model's parameters.
        opt_state: the optimiser's state.
        carry: the carry of streams at the end of the last window; `()` for whole sequences.
        key: the source of all noise; that of a step is drawn from it and the step's number.
        step: number of steps done.

    Examples:
        >>> train_state({"w": jnp.ones(3)}, optax.sgd(0.1), jax.random.key(0)).step
        Array(0, dtype=int32)
    """

    params: PyTree
    opt_state: PyTree
    carry: PyTree
    key: Key[Array, ""]
    step: Int[Array, ""]


class Metrics(NamedTuple):
    """What a training step reports.

    Attributes:
        loss: the loss of the batch, before the update.
        gradient_norm: the global norm of the gradient, before any clipping.
        watched: what else was asked for, by name.

    Examples:
        >>> Metrics(loss=jnp.ones(()), gradient_norm=jnp.zeros(())).watched
        {}
    """

    loss: Float[Array, ""]
    gradient_norm: Float[Array, ""]
    watched: Mapping[str, Array] = {}


Step = Callable[[TrainState, Any], tuple[TrainState, Metrics]]


def train_state(
    params: PyTree,
    optimizer: optax.GradientTransformation,
    key: Key[Array, ""],
    carry: PyTree = (),
) -> TrainState:
    """The state to start from.

    Args:
        params: fresh parameters, from `model.init`.
        optimizer: the optimiser.
        key: the source of noise during training, such as dropout's.
        carry: for truncated backpropagation, `model.init_carry(params, (rows,))`.

    Examples:
        >>> import rnnjax
        >>> model = rnnjax.layers.RNN(rnnjax.GRU(4))
        >>> params = model.init(jax.random.key(0), 3)
        >>> carry = model.init_carry(params, (2,))
        >>> train_state(params, optax.sgd(0.1), jax.random.key(1), carry).carry.shape
        (2, 4)
    """
    return TrainState(params, optimizer.init(params), carry, key, jnp.zeros((), jnp.int32))


def train_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    *,
    watch: Callable[[PyTree], Mapping[str, Array]] | None = None,
) -> Step:
    """The compiled training step.

    Args:
        objective: what to make small: `SequenceObjective`, `TBPTTObjective`, or any function
            of `(params, carry, batch, key)` that gives a loss and the carry to hand on.
        optimizer: an Optax optimiser, such as `clipped(optax.adam(1e-3))`; it is told the loss
            as `value`, which `optax.contrib.reduce_on_plateau` wants.
        watch: a function of the gradient that gives more metrics by name, such as
            `diagnostics.gradient_norms`.

    Returns:
        `step(state, batch) -> (state, metrics)`, under `jit`. `jax.vmap` of it trains an
        ensemble; arguments that are sharded over devices train on all of them.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.training import Batch, clipped, SequenceObjective, squared_error
        >>> model, optimizer = rnnjax.layers.RNN(rnnjax.GRU(1)), clipped(optax.adam(1e-2))
        >>> step = train_step(SequenceObjective(model, squared_error), optimizer)
        >>> state = train_state(model.init(jax.random.key(0), 3), optimizer, jax.random.key(1))
        >>> state, metrics = step(state, Batch(jnp.ones((2, 5, 3)), jnp.ones((2, 5, 1))))
    """
    update = optax.with_extra_args_support(optimizer).update

    @jax.jit
    def step(state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        check_meshes(state, batch)
        key = jax.random.fold_in(state.key, state.step)
        (loss, carry), gradient = jax.value_and_grad(objective, has_aux=True)(
            state.params, state.carry, batch, key
        )
        updates, opt_state = update(gradient, state.opt_state, state.params, value=loss)
        params = optax.apply_updates(state.params, updates)
        watched = {} if watch is None else watch(gradient)
        metrics = Metrics(loss, optax.tree.norm(gradient), watched)
        return TrainState(params, opt_state, carry, state.key, state.step + 1), metrics

    return step
