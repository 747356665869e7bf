"""Who computes what on the accelerator, and in which order: what matters most comes first."""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

from _gpu_problem import Case, Mode, Precision

Who = tuple[str, Precision]
Size = tuple[int, int, int]

MODES: tuple[Mode, ...] = ("training", "forward")

# (B, T, H), by importance; every B, T and H that peers measure occurs.
SIZES: tuple[Size, ...] = (
    (16, 512, 128),
    (64, 512, 512),
    (16, 1024, 768),
    (32, 512, 256),
    (1, 512, 512),
    (128, 512, 1024),
    (64, 512, 64),
    (256, 512, 256),
    (8, 128, 128),
    (64, 512, 768),
    (128, 128, 512),
    (32, 1024, 512),
    (1, 512, 64),
    (64, 512, 1024),
    (8, 512, 64),
    (256, 512, 1024),
)
SMOKE_SIZE = (2, 3, 8)

OURS, PLAIN, FLAX, CUDNN, TORCH, TORCH_GRAPH = (
    "rnnjax",
    "plain scan",
    "Flax",
    "jax.experimental.rnn",
    "torch.nn",
    "torch.nn, CUDA graph",
)

MAIN: tuple[Who, ...] = (
    (OURS, "tf32"),
    (TORCH, "tf32"),
    (TORCH, "fp16"),
    (TORCH, "bf16"),
    (TORCH, "fp32"),
    (OURS, "bf16"),
    (PLAIN, "tf32"),
)
OTHERS: tuple[Who, ...] = (
    (OURS, "fp32"),
    (CUDNN, "tf32"),
    (FLAX, "tf32"),
    (TORCH_GRAPH, "tf32"),
    (TORCH_GRAPH, "fp16"),
    (CUDNN, "fp32"),
    (TORCH_GRAPH, "bf16"),
    (TORCH_GRAPH, "fp32"),
    (PLAIN, "fp32"),
    (PLAIN, "bf16"),
    (FLAX, "fp32"),
    (FLAX, "bf16"),
)
SMOKE: tuple[Who, ...] = (
    (OURS, "fp32"),
    (TORCH, "fp32"),
    (TORCH, "bf16"),
    (OURS, "bf16"),
    (PLAIN, "fp32"),
    (FLAX, "fp32"),
    (CUDNN, "fp32"),
)


class Job(NamedTuple):
    """One row of the record.

    Attributes:
        case: what is computed.
        precision: in which numbers; "fp32" and "tf32" are float32, multiplied in full or not.
        mode: "forward" keeps nothing for a gradient; "training" gives the outputs and the
            gradients in the inputs and all weights.
        who: the contestant.
        unroll: how many steps stand in one turn of its loop; `None` as it comes.
        whole: whether the whole loop is asked to become one command buffer.
    """

    case: Case
    precision: Precision
    mode: Mode
    who: str
    unroll: int | None = None
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.case}, {self.mode}, {self.precision}, {self.contestant}"

    @property
    def contestant(self) -> str:
        """Who computes it, and how."""
        unroll = None if self.unroll is None else f"unroll={self.unroll}"
        whole = "whole loop" if self.whole else None
        return ", ".join(filter(None, (self.who, unroll, whole)))

    @property
    def worker(self) -> str:
        """The process that computes it; what could take a process down runs apart."""
        if self.who in (TORCH, TORCH_GRAPH):
            return "torch" if self.who == TORCH else "torch apart"
        return "jax apart" if self.whole or self.who == CUDNN else "jax"


def jobs(smoke: bool) -> Iterator[Job]:
    """All of them, the most important first."""
    if smoke:
        yield from _points([SMOKE_SIZE], SMOKE)
        yield from _knobs(SMOKE_SIZE, (1, 4), (OURS, PLAIN), "fp32", ("training",))
        return
    first, second, *_ = SIZES
    yield from _points([first], MAIN + OTHERS)
    yield from _knobs(first, (1, 4, 8, 16), (OURS, PLAIN), "tf32", MODES)
    yield from _points(SIZES[1:], MAIN)
    yield from _knobs(second, (1, 4, 8, 16), (OURS, PLAIN), "tf32", MODES)
    yield from _knobs(first, (8,), (FLAX,), "tf32", MODES)
    yield from _points(SIZES[1:], OTHERS)


def _points(sizes: Iterable[Size], whos: Iterable[Who]) -> Iterator[Job]:
    for size, cell in product(sizes, ("LSTM", "GRU")):
        for mode, (who, precision) in product(MODES, whos):
            if cell == "LSTM" or who != CUDNN:  # which has no GRU
                yield Job(Case(cell, *size), precision, mode, who)


def _knobs(
    size: Size,
    unrolls: Iterable[int],
    whos: Iterable[str],
    precision: Precision,
    modes: Iterable[Mode],
) -> Iterator[Job]:
    for who, mode in product(whos, modes):
        for unroll, whole in product(unrolls, (False, True)):
            yield Job(Case("LSTM", *size), precision, mode, who, unroll, whole)
