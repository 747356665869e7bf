"""A learning rate that reacts to the held-out loss."""

from dataclasses import KW_ONLY
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import DictKey, GetAttrKey
from jaxtyping import Array, Bool

from .._static import Static
from ._history import held_out_losses

_RATE = DictKey("learning_rate")


class ReduceOnPlateau(Static):
    """Multiplies the learning rate when the held-out loss has stopped falling.

    A callback of `fit`, for a rate that is part of the optimiser's state:
    `optax.inject_hyperparams(optax.adam)(learning_rate=1e-3)`, anywhere in a chain. The rate
    changes once `patience` rounds in a row have not brought a new least loss, and again after
    as many more. With a patience of 1 and a factor of 1/2 it is the halving of the early
    recurrent language models. For an ensemble, every member has a loss and a rate of its own.

    Args:
        factor: what the rate is multiplied by.
        patience: number of rounds to wait for a lower loss.

    Raises:
        ValueError: if `factor` is not between 0 and 1 or `patience` not a positive integer;
            when called, if the history has no held-out losses or the optimiser no rate to set.

    Examples:
        >>> import optax
        >>> from rnnjax.training import train_state
        >>> optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=1.0)
        >>> state = train_state(jnp.ones(2), optimizer, jax.random.key(0))
        >>> history = [{"eval_loss": 2.0}, {"eval_loss": 3.0}]
        >>> state = ReduceOnPlateau(factor=0.5, patience=1)(state, history)
        >>> optax.tree.get(state.opt_state, "learning_rate")
        Array(0.5, dtype=float32)

    Reference:
        T. Mikolov, M. Karafiát, L. Burget, J. Černocký, S. Khudanpur, Recurrent neural network
        based language model, Interspeech 2010.
    """

    _: KW_ONLY
    factor: float = 0.5
    patience: int = 3

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.factor < 1:
            raise ValueError(f"expected factor to be between 0 and 1, got {self.factor!r}")

    def __call__(self, state: Any, history: list) -> Any:
        losses = held_out_losses(history)
        best, waited = np.inf, 0
        for loss in losses:
            # The wait starts anew after a change, which is a wait that has reached its end.
            waited = np.where(loss < best, 0, waited % self.patience + 1)
            best = np.fmin(loss, best)
        change = waited == self.patience
        return state._replace(opt_state=self._changed(state.opt_state, change))

    def _changed(self, opt_state: Any, change: Any) -> Any:
        leaves, structure = jax.tree_util.tree_flatten_with_path(opt_state)
        if not any(_is_rate(path) for path, _ in leaves):
            raise ValueError(
                "expected an optimiser with a learning rate in its state, such as "
                "optax.inject_hyperparams(optax.adam)(learning_rate=1e-3), got none"
            )
        if any(_RATE in path and GetAttrKey("hyperparams_states") in path for path, _ in leaves):
            raise ValueError("expected a learning rate that is a number, got a schedule")
        return structure.unflatten(
            jnp.where(members(change, leaf), self.factor * leaf, leaf) if _is_rate(path) else leaf
            for path, leaf in leaves
        )


def members(flags: Any, like: Any) -> Bool[Array, "..."]:
    """One flag for every member of an ensemble, whose states `like` are.

    Examples:
        >>> members(True, jnp.ones(2))
        Array([ True,  True], dtype=bool)
    """
    if np.ndim(flags) and np.shape(flags) != np.shape(like):
        raise ValueError(
            f"expected a held-out loss for each of the members {list(np.shape(like))}, got "
            f"{list(np.shape(flags))}"
        )
    return jnp.broadcast_to(jnp.asarray(flags), np.shape(like))


def _is_rate(path: tuple) -> bool:
    return path[-2:] == (GetAttrKey("hyperparams"), _RATE)
