"""The table of tasks: what is measured, and the budget of a cell."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from . import data
from .problem import Problem

LENGTHS = (25, 50, 100, 200, 400)
LEARNT = 0.01  # the mean squared error below which the adding problem counts as learnt
SECONDS = 54.0  # of training of one core, for all rates and seeds of a cell together
PER_STEP = 0.36  # the same for each step of the adding problem, so that all lengths get alike


class Task(NamedTuple):
    """A row of the table.

    Attributes:
        title: in the guide.
        about: what is learnt.
        measure: what its number is, with the unit.
        load: gives its data.
        seconds: CPU seconds of training of a cell, with all its rates and seeds.
        higher: whether a higher number is better.
        length: steps of the adding problem; 0 for the other tasks.
    """

    title: str
    about: str
    measure: str
    load: Callable[[], Problem]
    seconds: float = SECONDS
    higher: bool = False
    length: int = 0


ADDING = {
    f"adding-{length}": Task(
        f"adding at {length} steps",
        "the sum of the two marked numbers of a sequence; fresh ones for every update",
        "mean squared error",
        partial(data.adding, length),
        PER_STEP * length,
        length=length,
    )
    for length in LENGTHS
}
OTHERS = {
    "characters": Task(
        "characters",
        f"the next of Shakespeare's characters; windows of {data.WINDOW}, each from a fresh state",
        "bits per character",
        data.characters,
    ),
    "chorales": Task(
        "chorales",
        f"the keys of the next frame of Bach's chorales; excerpts of {data.FRAMES} in training",
        "nats per frame",
        data.chorales,
    ),
    "forecasting": Task(
        "forecasting",
        f"{data.HORIZON} hours of the seven series of ETTh1 from the {data.CONTEXT} before, as "
        "differences from the last of these",
        "mean squared error",
        data.forecasting,
    ),
    "tagging": Task(
        "tagging",
        "the chunk of each word of CoNLL-2000, from it and the words before",
        "% of tags right",
        data.tagging,
        higher=True,
    ),
    "digits": Task(
        "digits",
        "the digit in a picture of 8 x 8 pixels, read a pixel at a time; scikit-learn's 1797",
        "% of digits right",
        data.digits,
        higher=True,
    ),
}
TASKS = {**ADDING, **OTHERS}
