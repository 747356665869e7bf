"""A report of the step at which a loss stopped being finite."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .._trees import named_leaves
from ._checkpoint import whole
from ._step import Metrics, TrainState


def check_finite(
    step: int, before: TrainState, batch: Any, metrics: Metrics, after: TrainState | None = None
) -> None:
    """Raises a `FloatingPointError` with a report if a step's loss or gradient is not finite.

    For an ensemble, it is raised if no member's is finite. A step that the optimiser skipped, as
    `optimizer_chain(…, skip=10)` does with up to ten in a row, passes.

    Args:
        step: the step's number, the first being 1.
        before: the state that it started from.
        batch: its batch.
        metrics: its report.
        after: the state that it ended with.

    Examples:
        >>> from rnnjax.training import train_state
        >>> import optax
        >>> state = train_state({"w": jnp.array([1.0, jnp.inf])}, optax.sgd(0.1), jax.random.key(0))
        >>> check_finite(3, state, (), Metrics(jnp.array(jnp.nan), jnp.array(jnp.nan)))
        Traceback (most recent call last):
        FloatingPointError: the loss of step 3 is nan and its gradient's norm nan.
        It began before: of the parameters, w is not finite (1 of 2 entries, the first [1]).
    """
    loss, norm = np.asarray(metrics.loss), np.asarray(metrics.gradient_norm)
    if (np.isfinite(loss) & np.isfinite(norm)).any() or _skipped(before, after):
        return
    raise FloatingPointError(
        f"the loss of step {step} is {_number(loss)} and its gradient's norm {_number(norm)}.\n"
        + _where(before, batch, bool(np.isfinite(loss).any()))
    )


def _skipped(before: TrainState, after: TrainState | None) -> bool:
    """Whether `optax.apply_if_finite` held this step back."""
    if after is None or np.all(optax.tree.get(after.opt_state, "last_finite", True)):
        return False
    leaves = zip(jax.tree.leaves(before.params), jax.tree.leaves(after.params), strict=True)
    return all(np.array_equal(old, new) for old, new in leaves)


def _where(before: TrainState, batch: Any, loss_is_finite: bool) -> str:
    for name, tree in (("parameters", before.params), ("optimizer's state", before.opt_state)):
        if found := _culprits(tree):
            return f"It began before: of the {name}, {found}."
    if found := _culprits(before.carry):
        return f"It began with the carry that was handed over: {found}."
    if found := _culprits(batch):
        return f"It began with the data: of the batch, {found}."
    if loss_is_finite:
        return (
            "Parameters, carry and data are finite, and so is the loss: the gradient overflowed "
            "on its way back, or is not defined somewhere (the square root or norm of 0)."
        )
    return (
        "Parameters, carry and data are finite: it began within this step. The step before may "
        "have been too long: try a lower learning rate or a lower clip; or the loss is not "
        "defined somewhere (the logarithm of 0)."
    )


def _culprits(tree: Any) -> str:
    found = []
    for name, leaf in named_leaves(tree, alone="an array").items():
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            continue
        bad = ~np.isfinite(whole(jnp.asarray(leaf)))
        if bad.any():
            first = [int(i) for i in np.argwhere(bad)[0]]
            entries = f"{bad.sum()} of {bad.size} entries, the first {first}"
            found.append(f"{name} is not finite ({entries})")
    return ", ".join(found)


def _number(numbers: np.ndarray) -> str:
    return str(numbers.item()) if numbers.ndim == 0 else str(numbers.tolist())
