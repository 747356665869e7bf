"""Learning rates over time: what Optax has no schedule for, and a reaction to held-out loss."""

from dataclasses import KW_ONLY
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import DictKey, GetAttrKey
from jaxtyping import Array, Bool

from .._checks import check_positive
from .._static import Static

_RATE = DictKey("learning_rate")


def zaremba_schedule(rate: float, epoch: int, *, hold: int, factor: float) -> optax.Schedule:
    """`rate` for `hold` epochs, then times `factor` at the start of every epoch.

    The paper's models on Penn Treebank, with a rate of 1: small `hold=4, factor=1/2`, medium
    `hold=6, factor=1/1.2`, large `hold=14, factor=1/1.15`.

    Args:
        rate: the learning rate of the first epochs.
        epoch: number of updates in an epoch.
        hold: number of epochs at the full rate.
        factor: by which the rate falls from epoch to epoch.

    Raises:
        ValueError: if `epoch` or `hold` is not a positive integer.

    Examples:
        >>> schedule = zaremba_schedule(1.0, epoch=10, hold=2, factor=0.5)
        >>> [float(schedule(step)) for step in (0, 19, 20, 30)]
        [1.0, 1.0, 0.5, 0.25]

    Reference:
        W. Zaremba, I. Sutskever, O. Vinyals, Recurrent neural network regularization, 2014.
    """
    check_positive("epoch", epoch)
    check_positive("hold", hold)
    begin = (hold - 1) * epoch
    return optax.exponential_decay(rate, epoch, factor, transition_begin=begin, staircase=True)


class Plateau(Static):
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
        >>> from rnnjax.training import train_state
        >>> optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=1.0)
        >>> state = train_state(jnp.ones(2), optimizer, jax.random.key(0))
        >>> history = [{"held_out": 2.0}, {"held_out": 3.0}]
        >>> state = Plateau(factor=0.5, patience=1)(state, history)
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


def held_out_losses(history: list) -> np.ndarray:
    """The held-out losses of all rounds: one axis, or two with the members of an ensemble.

    Examples:
        >>> held_out_losses([{"held_out": 2.0}, {"held_out": 1.0}])
        array([2., 1.])
    """
    losses = [record.get("held_out") for record in history]
    if not losses or any(loss is None for loss in losses):
        raise ValueError("expected a history of held-out losses, got none; does fit evaluate?")
    return np.asarray(losses, np.float64)


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
