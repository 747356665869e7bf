"""Ensembles: many models in one compiled step."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import brief, check_array, check_flag, check_function
from ._step import Step, TrainStep


def ensemble_step(step: Step, *, own_data: bool = False) -> TrainStep:
    """A training step for all members of an ensemble at once: `step` under `vmap`.

    The state of an ensemble is one `TrainState` whose arrays have a leading axis of members,
    from `jax.vmap` of the function that makes one from a key. What an optimizer made by
    `optax.inject_hyperparams` calls a hyper-parameter, and any parameter, may differ between
    members: `optax.tree.set` puts an array in its place.

    Args:
        step: the step of one member, from `train_step`.
        own_data: whether each member has a batch of its own, along a leading axis of the batch.

    Returns:
        A compiled `step(states, batch)`, whose metrics are those of each member, `[N]`.

    Examples:
        >>> import optax, rnnjax
        >>> from rnnjax.losses import squared_error
        >>> from rnnjax.training import SequenceObjective, train_state, train_step
        >>> model = rnnjax.layers.RNN(rnnjax.GRU(1))
        >>> optimizer = optax.inject_hyperparams(optax.adam)(0.0)
        >>> new = lambda key: train_state(model.init(key, 2), optimizer, key)
        >>> states = jax.vmap(new)(jax.random.split(jax.random.key(0), 3))
        >>> states = optax.tree.set(states, learning_rate=jnp.array([0.1, 0.01, 0.001]))
        >>> step = ensemble_step(train_step(SequenceObjective(model, squared_error), optimizer))
        >>> states, metrics = step(states, (jnp.ones((4, 5, 2)), jnp.ones((4, 5, 1))))
        >>> metrics.loss.shape
        (3,)
    """
    check_function("step", step, "train_step(objective, optimizer)")
    own_data = check_flag("own_data", own_data)
    return TrainStep(jax.jit(jax.vmap(step, in_axes=(0, 0 if own_data else None))))


def ensemble_log_probs(
    logits: Float[Array, "members *batch classes"],
) -> Float[Array, "*batch classes"]:
    """The logarithm of the members' mean probabilities: what the ensemble predicts.

    For predictions that are numbers, the mean over members is the ensemble's.

    Examples:
        >>> logits = jnp.log(jnp.array([[0.9, 0.1], [0.5, 0.5]]))
        >>> jnp.exp(ensemble_log_probs(logits)).round(1)
        Array([0.7, 0.3], dtype=float32)
    """
    logits = check_array("logits", logits)
    if logits.ndim < 2 or not jnp.issubdtype(logits.dtype, jnp.floating):
        raise ValueError(f"expected float logits [members, …, classes], got {brief(logits)}")
    log_probs = jax.nn.log_softmax(logits, axis=-1)
    return jax.nn.logsumexp(log_probs, axis=0) - jnp.log(len(logits))
