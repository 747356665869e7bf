"""The adding problem, with fresh sequences at every step."""

from collections.abc import Iterator

import numpy as np

from ...data import Batch
from ...losses import squared_error
from .._adding import Adding
from ._problem import Measure, Problem, drawn


class AddingProblem(Problem):
    """The sum of the two marked numbers of a sequence, asked for at its end.

    Args:
        steps: length of a sequence.
        batch: sequences of a training step.
        seed: of the sequences.
    """

    loss = squared_error
    input_size, outputs = 2, 1

    def __init__(self, steps: int, batch: int, seed: int):
        self.steps, task = steps, Adding(steps)
        self.feed, self.valid, self.test = drawn(task.sample, batch, seed)
        trivial = {"always 1": task.trivial_loss}
        self.measures = (Measure("mean squared error", "loss", trivial),)

    def parse(self, text):
        words = text.replace(",", " ").split()
        marks = np.array([word.endswith("*") for word in words], np.float32)
        try:
            values = np.array([float(word.rstrip("*")) for word in words], np.float32)
        except ValueError:
            values = np.zeros(0)
        if len(values) < 2 or marks.sum() != 2 or not ((values >= 0) & (values <= 1)).all():
            raise ValueError(
                "expected numbers from 0 to 1, two of them with a star, such as "
                f"'0.3 0.9* 0.5 0.2* 0.7', got {text!r}"
            )
        inputs = np.stack([values, marks], -1)[None]
        return Batch(inputs, (values * marks).sum(keepdims=True)[None])

    def describe(self, batch, answers) -> Iterator[str]:
        values, marks = np.asarray(batch.inputs)[0].T
        places = np.flatnonzero(marks)
        if len(places) == 2 and places[0] > 0:
            yield f"before the marks          {answers[places[0] - 1, 0]:6.3f}"
        for place in places:
            yield f"after {values[place]:.3f} at step {place + 1:<4} {answers[place, 0]:6.3f}"
        yield f"at the end, step {len(values):<8} {answers[-1, 0]:6.3f}"
        yield f"true sum                  {float(np.asarray(batch.targets)[0, 0]):6.3f}"

    def by_step(self, answers, batch):
        errors = np.square(answers - np.asarray(batch.targets)[:, None])[..., 0]
        return np.arange(1, self.steps + 1), errors.mean(0)
