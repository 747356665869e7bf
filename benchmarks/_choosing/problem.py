"""A task in one form: data, how a batch is drawn, a loss, a measure, baselines."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnjax.data import Batch
from rnnjax.losses import MeanLoss

Draw = Callable[[Any, jax.Array, int], Batch]


class Problem(NamedTuple):
    """What there is to learn.

    Attributes:
        train: arrays to draw from.
        draw: a batch from these arrays, a key and a number of sequences; under `jit` and `vmap`.
        valid: sequences by which the rate and the state are chosen; all with a `loss_mask`.
        test: sequences that are reported.
        outputs: features of a prediction.
        loss: the quantity to minimise.
        baselines: test values without a network, by name.
        vocabulary: number of tokens, where inputs are tokens.
        every_step: whether there is a prediction at every step or at the last one alone.
        measure: the quantity to report; by default the loss.
        scale: its factor, such as 100 for percent.
    """

    train: Any
    draw: Draw
    valid: Batch
    test: Batch
    outputs: int
    loss: MeanLoss
    baselines: Callable[[], Mapping[str, float]]
    vocabulary: int | None = None
    every_step: bool = False
    measure: MeanLoss | None = None
    scale: float = 1.0


def some_rows(train: Batch, key: jax.Array, rows: int) -> Batch:
    """Sequences at random, each as likely as any other at every draw."""
    chosen = jax.random.randint(key, (rows,), 0, len(train.targets))
    return jax.tree.map(lambda a: a[chosen], train)


def chunks(examples: Batch, rows: int) -> list[Batch]:
    """The sequences in batches of equal size; what fills the last one does not count."""
    mask = np.asarray(examples.loss_mask)
    missing = -len(mask) % rows
    whole = examples._replace(loss_mask=np.concatenate([mask, np.zeros_like(mask[:missing])]))
    others = (whole.inputs, whole.targets)
    inputs, targets = (np.concatenate([a, np.asarray(a)[:missing]]) for a in others)
    whole = whole._replace(inputs=inputs, targets=targets)
    starts = range(0, len(targets), rows)
    return [jax.tree.map(lambda a, s=s: a[s : s + rows], whole) for s in starts]
