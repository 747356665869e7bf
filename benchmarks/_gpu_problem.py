"""What is computed on the accelerator, in NumPy alone: sizes, numbers, and what counts as equal."""

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

Mode = Literal["forward", "training"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Result = dict[str, np.ndarray]

GATES = {"LSTM": 4, "GRU": 3}
DRAWN = 1_000_003  # numbers drawn; a prime, so that they repeat in step with no axis

# Of ||got - wanted|| / ||wanted||, where everybody is compared with float32 at full precision.
TOLERANCE: dict[Precision, dict[Mode, float]] = {
    "fp32": {"forward": 1e-5, "training": 1e-4},
    "tf32": {"forward": 3e-3, "training": 1e-2},
    "fp16": {"forward": 5e-3, "training": 2e-2},
    "bf16": {"forward": 3e-2, "training": 1e-1},
}


class Case(NamedTuple):
    """One layer over whole sequences from a zero carry, with as many inputs as units.

    Attributes:
        cell: a key of `GATES`. The reset of the GRU acts after the recurrent product.
        batch: number of sequences B.
        steps: number of steps T.
        hidden: number of units H, and of input features.
    """

    cell: str
    batch: int
    steps: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.cell} B={self.batch} T={self.steps} I=H={self.hidden}"


class Numbers(NamedTuple):
    """The numbers of a case, float32 and random, none of them zero.

    Attributes:
        weights: those of our cell, by name: `w_x`, `w_h`, `b`, for a GRU also `b_hn`.
        xs: inputs `[T, B, H]`.
        cotangent: the gradient of the loss in the outputs, `[T, B, H]`.
    """

    weights: Result
    xs: np.ndarray
    cotangent: np.ndarray


@lru_cache(maxsize=1)
def numbers(case: Case) -> Numbers:
    """The same numbers in every process."""
    generator = np.random.default_rng(0)
    hidden, columns = case.hidden, GATES[case.cell] * case.hidden

    def normal(*shape, scale):
        return (scale * generator.standard_normal(shape)).astype(np.float32)

    weights = {
        "w_x": normal(hidden, columns, scale=hidden**-0.5),
        "w_h": normal(hidden, columns, scale=0.5 * hidden**-0.5),
        "b": normal(columns, scale=0.2),
    }
    if case.cell == "GRU":
        weights["b_hn"] = normal(hidden, scale=0.2)
    shape = (case.steps, case.batch, hidden)
    drawn = normal(2, DRAWN, scale=1.0)
    return Numbers(weights, *(np.resize(numbers, shape) for numbers in drawn))


def sampled(steps: int) -> list[int]:
    """The steps at which outputs and gradients in inputs are compared: nine, first and last too."""
    return np.unique(np.linspace(0, steps - 1, 9).astype(int)).tolist()


def difference(wanted: Result, got: Result) -> float:
    """The largest ||got - wanted|| / ||wanted|| of all arrays in `got`; NaN counts as infinite."""
    worst = 0.0
    for name, array in got.items():
        if array.shape != wanted[name].shape:
            raise ValueError(f"expected {name} of shape {wanted[name].shape}, got {array.shape}")
        error = np.linalg.norm(array - wanted[name]) / np.linalg.norm(wanted[name])
        worst = max(worst, float(np.nan_to_num(error, nan=np.inf)))
    return worst
