"""The copy problem, with fresh sequences at every step."""

import re
from collections.abc import Iterator

import jax
import numpy as np

from ...data import Batch
from ...losses import accuracy, cross_entropy
from ...losses._mean import MeanLoss
from .._copy import CopyMemory
from ._problem import Measure, Problem, drawn


@MeanLoss
def recalled(logits, targets, mask=None):
    """The share of symbols that come back right."""
    return accuracy.total(logits, targets, targets > 0)


class CopyProblem(Problem):
    """Ten symbols that must be repeated after a number of blanks; all steps count, blanks too.

    Args:
        blanks: number of blanks.
        batch: sequences of a training step.
        seed: of the sequences.
    """

    loss = cross_entropy
    metrics = {"accuracy": recalled}
    input_size = None
    at_every_step = True

    def __init__(self, blanks: int, batch: int, seed: int):
        task = CopyMemory(blanks)
        self.steps = blanks + 2 * task.length
        self.outputs = task.vocabulary  # also the number of tokens

        def sample(key: jax.Array, batch_size: int) -> Batch:
            return task.sample(key, batch_size)._replace(loss_mask=None)

        self.task = task
        self.feed, self.valid, self.test = drawn(sample, batch, seed)
        guess = {"guess evenly at the cues": task.length * task.trivial_loss / self.steps}
        even = {"guess evenly": 1 / task.symbols}
        self.measures = (
            Measure("nats per step", "loss", guess),
            Measure("accuracy of symbols", "accuracy", even, share=True),
        )

    def parse(self, text):
        symbols = np.array([int(word) for word in re.findall(r"\d", text)], np.int32)
        length, blanks = self.task.length, self.task.delay
        known = ((symbols >= 1) & (symbols <= self.task.symbols)).all()
        if re.sub(r"[\d\s,]", "", text) or len(symbols) != length or not known:
            raise ValueError(
                f"expected {length} digits from 1 to {self.task.symbols}, such as "
                f"'3141526535', got {text!r}"
            )
        cues = np.full(length, self.task.symbols + 1, np.int32)
        inputs = np.concatenate([symbols, np.zeros(blanks, np.int32), cues])[None]
        return Batch(inputs, np.concatenate([np.zeros(blanks + length, np.int32), symbols])[None])

    def describe(self, batch, answers) -> Iterator[str]:
        length = self.task.length
        found = answers.argmax(-1)
        yield f"shown     {' '.join(map(str, np.asarray(batch.inputs)[0, :length]))}"
        yield f"answered  {' '.join(map(str, found[-length:]))}"
        yield f"          after {self.task.delay} blanks; 0 is the blank"

    def by_step(self, answers, batch):
        length = self.task.length
        right = answers[:, -length:].argmax(-1) == np.asarray(batch.targets)[:, -length:]
        return np.arange(self.steps - length, self.steps) + 1, right.mean(0)
