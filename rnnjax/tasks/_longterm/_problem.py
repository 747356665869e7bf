"""The base of problems of memory: data, scores, and an answer in words."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from ...data import Batch
from ...training import evaluate
from ...training._objectives import ModelObjective
from .._application import compare

_ROWS, _HELD_OUT = 500, 1000  # of a held-out batch, of all of them that are drawn


class Measure(NamedTuple):
    """A number by which a network is judged."""

    name: str
    key: str  # in the history of training, behind `eval_`
    trivial: Mapping[str, float]  # of answers without a network, by name
    share: bool = False  # whether it is a share of right answers, else an error

    def show(self, value: float) -> str:
        """A value in words."""
        return f"{value:.2%}" if self.share else f"{value:.3g}"


class Problem(ABC):
    """Sequences to learn from, to choose by and to report, and their scores.

    Attributes:
        feed: the batch to learn from after a number of steps.
        valid: batches to choose by.
        test: batches to report.
        eval_every: number of steps between two evaluations.
        steps: length of a sequence.
        input_size: number of features of a step; `None` for tokens.
        outputs: number of outputs of the network.
        measures: the scores to report, the most important one first.
    """

    feed: Callable[[int], Batch]
    valid: list[Batch]
    test: list[Batch]
    eval_every: int = 100
    steps: int
    input_size: int | None
    outputs: int
    measures: tuple[Measure, ...]

    loss: ClassVar[Callable]
    metrics: ClassVar[Mapping[str, Callable]] = {}
    at_every_step: ClassVar[bool] = False  # whether the network answers at every step

    @property
    def held_out(self) -> dict[str, Any]:
        """The options of `fit` by which the state is chosen."""
        return {"evaluate": self.valid, "metrics": self.metrics, "eval_every": self.eval_every}

    def scores(self, objective: ModelObjective, params: Any) -> dict[str, float]:
        """The loss and the metrics on the test."""
        return evaluate(objective, params, self.test, metrics=self.metrics)

    def report(self, objective: ModelObjective, params: Any) -> dict[str, dict[str, float]]:
        """Prints the scores on the test beside trivial ones, and returns them."""
        found, compared = self.scores(objective, params), {}
        for measure in self.measures:
            rows = {**measure.trivial, "this network": found[measure.key]}
            compared |= compare("test sequences", measure.name, rows, measure.show)
        return compared

    def example(self, number: int) -> Batch:
        """A sequence of the test, as a batch of one."""
        batch, row = divmod(number % self.count, len(self.test[0].inputs))
        return jax.tree.map(lambda a: a[row : row + 1], self.test[batch])

    @property
    def count(self) -> int:
        """Number of sequences of the test."""
        return sum(len(batch.inputs) for batch in self.test)

    @abstractmethod
    def parse(self, text: str) -> Batch:
        """A sequence of the user's own, as a batch of one.

        Raises:
            ValueError: in one line, if the text is none.
        """

    @abstractmethod
    def describe(self, batch: Batch, answers: Float[np.ndarray, "t k"]) -> Iterator[str]:
        """The answers to the sequence of a batch of one, in lines of text."""

    @abstractmethod
    def by_step(
        self, answers: Float[np.ndarray, "b t k"], batch: Batch
    ) -> tuple[np.ndarray, np.ndarray]:
        """The steps at which the answers are judged, and their mean score at each."""


def drawn(
    sample: Callable[[jax.Array, int], Batch], batch_size: int, seed: int
) -> tuple[Callable[[int], Batch], list[Batch], list[Batch]]:
    """Fresh batches by the number of steps done, and fixed ones to choose by and to report."""
    keys = jax.random.split(jax.random.key(seed), 3)

    @jax.jit
    def feed(position):
        return sample(jax.random.fold_in(keys[0], position), batch_size)

    valid, test = (parts(sample(key, _HELD_OUT)) for key in keys[1:])
    return feed, valid, test


def parts(data: Batch) -> list[Batch]:
    """Held-out data in batches that fit into memory."""
    count = len(data.inputs)
    starts = range(0, count, _ROWS)
    return [jax.tree.map(lambda a, k=k: np.asarray(a[k : k + _ROWS]), data) for k in starts]
