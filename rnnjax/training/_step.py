"""The training step: a pure function from one state to the next."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from .._checks import check_function, check_key
from .._sharding import check_meshes
from ._objectives import Objective


class TrainState(NamedTuple):
    """The whole state of training, from one step to the next."""

    params: PyTree  # of the model
    opt_state: PyTree  # of the optimiser
    carry: PyTree  # of streams, at the end of the last window; `()` for whole sequences
    key: Key[Array, ""]  # the source of all noise; a step folds its number into it
    step: Int[Array, ""]  # number of steps done

    def __repr__(self) -> str:
        return f"TrainState(step={self.step}, parameters={num_parameters(self.params):,})"


class Metrics(NamedTuple):
    """The report of a training step."""

    loss: Float[Array, ""]  # of the batch, before the update
    gradient_norm: Float[Array, ""]  # global, before any clipping
    watched: Mapping[str, Array] = {}  # further quantities, by name


Step = Callable[[TrainState, Any], tuple[TrainState, Metrics]]


class TrainStep:
    """A compiled training step that knows its objective: `(state, batch) -> (state, metrics)`.

    Args:
        run: the compiled function.
        objective: what it minimises; `None` for an ensemble.

    Examples:
        >>> step = TrainStep(jax.jit(lambda state, batch: (state + batch, None)))
        >>> step(1, 2)[0]
        Array(3, dtype=int32, weak_type=True)
    """

    def __init__(self, run: Any, objective: Objective | None = None):
        self.run = check_function("run", run, "jax.jit(step)")
        self.objective = objective

    def __call__(self, state: Any, batch: Any) -> Any:
        return self.run(state, batch)

    def __repr__(self) -> str:
        return f"TrainStep({'an ensemble' if self.objective is None else self.objective})"


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
        carry: for truncated backpropagation, `objective.init_carry(params, batch)`.

    Raises:
        ValueError: if the optimiser is not one, as `optax.adam` without its call.

    Examples:
        >>> import rnnjax
        >>> model = rnnjax.layers.RNN(rnnjax.GRU(4))
        >>> params = model.init(jax.random.key(0), 3)
        >>> carry = model.init_carry(params, (2,))
        >>> train_state(params, optax.sgd(0.1), jax.random.key(1), carry).carry.shape
        (2, 4)
    """
    check_optimizer(optimizer)
    check_key("key", key)
    return TrainState(params, optimizer.init(params), carry, key, jnp.zeros((), jnp.int32))


def train_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    *,
    watch: Callable[[PyTree], Mapping[str, Array]] | None = None,
) -> TrainStep:
    """The compiled training step.

    Args:
        objective: the quantity to minimise: `SequenceObjective`, `TBPTTObjective`, or any
            function of `(params, carry, batch, key)` that gives a loss and the carry to hand on.
        optimizer: an Optax optimiser, such as `clipped(optax.adam(1e-3))`; it is given the loss
            as `value`, which `optax.contrib.reduce_on_plateau` wants.
        watch: a function of the gradient that gives more metrics by name, such as
            `diagnostics.gradient_norms`.

    Returns:
        `step(state, batch) -> (state, metrics)`, under `jit`. `jax.vmap` of it trains an
        ensemble; arguments that are sharded over devices train on all of them.

    Raises:
        ValueError: if the objective is no function, or the optimiser not one.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.losses import squared_error
        >>> from rnnjax.training import clipped, SequenceObjective
        >>> model, optimizer = rnnjax.layers.RNN(rnnjax.GRU(1)), clipped(optax.adam(1e-2))
        >>> step = train_step(SequenceObjective(model, squared_error), optimizer)
        >>> state = train_state(model.init(jax.random.key(0), 3), optimizer, jax.random.key(1))
        >>> state, metrics = step(state, (jnp.ones((2, 5, 3)), jnp.ones((2, 5, 1))))
    """
    check_function("objective", objective, "SequenceObjective(model, loss)")
    check_optimizer(optimizer)
    if watch is not None:
        check_function("watch", watch, "diagnostics.gradient_norms")
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

    return TrainStep(step, objective)


def num_parameters(params: PyTree) -> int:
    """The number of parameters of a model.

    Examples:
        >>> num_parameters({"w": jnp.ones((2, 3)), "b": jnp.ones(3)})
        9
    """
    return sum(jnp.size(a) for a in jax.tree.leaves(params))


def check_optimizer(optimizer: Any) -> None:
    """Raises a `ValueError` unless this is an optimiser of Optax."""
    if not isinstance(optimizer, optax.GradientTransformation):
        raise ValueError(
            f"expected an Optax optimiser, got {optimizer!r}; is it called, as optax.adam(1e-3)?"
        )
