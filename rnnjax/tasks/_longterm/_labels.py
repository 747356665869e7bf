"""The class of a sequence, asked for at its end."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..._optional import optional
from ...data import Batch, shuffled
from ...losses import accuracy, cross_entropy
from ._linear import linear_accuracy, majority_accuracy
from ._problem import Measure, Problem, parts
from ._sequences import Sequences, read_pictures

_ROUND = (50, 500)  # steps between two evaluations, at least and at most


class LabelProblem(Problem):
    """The class of a sequence, asked for at its end.

    Args:
        sequences: the data.
        batch: sequences of a training step.
        read: the order in which pictures are read.
        seed: of the order of sequences, and of pixels.
    """

    loss = cross_entropy
    metrics = {"accuracy": accuracy}

    def __init__(self, sequences: Sequences, batch: int, read: str, seed: int):
        self.classes, self.picture = sequences.classes, sequences.picture
        self.read, self.seed, self.scale = read, seed, sequences.scale
        train, valid, test = (
            one._replace(inputs=self._scaled(one.inputs)) for one in sequences[:3]
        )
        self.feed = shuffled(train, min(batch, len(train.targets)), seed=seed)
        self.eval_every = int(np.clip(self.feed.per_epoch, *_ROUND))
        self.valid, self.test = parts(valid), parts(test)
        self.steps, self.input_size = train.inputs.shape[1:]
        self.outputs = len(self.classes)
        self._all = train, valid, test

    @cached_property
    def measures(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        train, valid, test = self._all
        trivial = {
            "most frequent class": majority_accuracy(train, test),
            "linear map of all steps": linear_accuracy(train, valid, test),
        }
        return (Measure("accuracy", "accuracy", trivial, share=True),)

    def _scaled(self, values: Any) -> np.ndarray:
        mean, deviation = self.scale
        return ((values - mean) / deviation).astype(np.float32)

    def parse(self, text):
        values = self._values(text) if self.picture is None else self._pixels(text, *self.picture)
        return Batch(self._scaled(values), np.array([-1]))

    def _values(self, text: str) -> np.ndarray:
        try:
            values = np.array([float(w) for w in text.replace(",", " ").split()], np.float32)
        except ValueError:
            values = np.zeros(0)
        if not values.size or not np.isfinite(values).all():
            raise ValueError(f"expected the values of a sequence, such as '0.3 1.2', got {text!r}")
        return values[None, :, None]

    def _pixels(self, path: str, height: int, width: int) -> np.ndarray:
        """A picture in dark ink on light paper, at the size of the digits."""
        images = optional("PIL.Image", "to read a picture", "plots")
        try:
            with images.open(Path(path)) as image:
                grey = np.asarray(image.convert("L").resize((width, height)))
        except OSError:
            raise ValueError(f"expected a picture of a digit, got {path}") from None
        return read_pictures(255 - grey[None], self.read, self.seed)

    def describe(self, batch, answers) -> Iterator[str]:
        shares = np.asarray(jax.nn.softmax(answers))
        label, count = int(np.asarray(batch.targets)[0]), len(answers)
        if label >= 0:
            yield f"true class: {self.classes[label]}"
        for step in sorted({max(1, round(count * k / 8)) for k in range(1, 9)}):
            best = np.argsort(-shares[step - 1])[:3]
            said = "   ".join(f"{self.classes[k]} {shares[step - 1, k]:6.1%}" for k in best)
            yield f"after {step:4} of {count} steps   {said}"

    def by_step(self, answers, batch):
        right = answers.argmax(-1) == np.asarray(batch.targets)[:, None]
        valid = np.ones_like(right) if batch.mask is None else np.asarray(batch.mask)
        share = (right & valid).sum(0) / np.maximum(valid.sum(0), 1)
        return np.arange(1, self.steps + 1), share
