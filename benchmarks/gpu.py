"""How fast is a layer on a GPU, next to cuDNN, Flax and a plain scan?

Sizes that matter most come first, and the record is written after every case, so that a run may be
ended at any time (`timeout 450 …`) and taken up again (`--resume`). Each contestant is compared
with a plain loop in full float32; one that fails or is wrong is recorded with the reason. "fp32"
multiplies in full, "tf32" as accelerators do by default, "bf16" and "fp16" have weights, inputs
and outputs in 16 bits (our carry stays float32). PyTorch's layers are cuDNN's; "graph" is
PyTorch in a CUDA graph. "ten waited for together" divides the time of ten enqueued calls.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from _case import Case
from _compare import Contestant, compare
from _gpu import SIZES, TOLERANCE, cudnn, last, precise, reference
from _harness import Run, Scale, main
from _peers import FLAX, OURS, PLAIN, TORCH
from _record import Measurement

TOGETHER = {"queue": 10}


def cases(scale: Scale) -> Iterator[Case]:
    """LSTM and GRU, with as many inputs as units; four sizes, or all in the full grid."""
    sizes = {"smoke": [(2, 3, 8)], "headline": SIZES[:4], "full": SIZES}[scale]
    for batch, steps, hidden in sizes:
        for cell in ("LSTM", "GRU"):
            yield Case(cell, batch, steps, hidden, hidden)


def measure(case: Case, run: Run) -> list[Measurement]:
    """Every library in every precision that it has."""
    found: list[Contestant] = []
    for precision in ("fp32", "bf16") if run.scale == "smoke" else TOLERANCE:
        common = precision == ("fp32" if run.scale == "smoke" else "tf32")
        found += in_jax(case, precision, common) + in_torch(case, run, precision, common)
    whats, right = ("training", "forward"), reference(case)
    return compare(case, found, whats, repeats=run.repeats, reference=right, tolerant=True)


def in_jax(case: Case, precision: str, common: bool) -> list[Contestant]:
    """The contestants in JAX; ours also with calls that are waited for together."""
    if precision == "fp16":
        return []
    ours = last(case, OURS)
    found = [ours, last(case, FLAX[0]), last(case, PLAIN)]
    # It is written for float32, and for LSTM alone.
    found += [cudnn(case)] if case.cell == "LSTM" and precision != "bf16" else []
    together = replace(ours, family=f"{OURS}, ten waited for together")
    queued = [precise(together, precision, **TOGETHER)] if common else []
    return [precise(contestant, precision) for contestant in found] + queued


def in_torch(case: Case, run: Run, precision: str, common: bool) -> list[Contestant]:
    """PyTorch's layer, by itself and in a CUDA graph."""
    variants: dict[str, dict[str, Any]] = {TORCH: {}, f"{TORCH}, graph": {"graph": True}}
    if common:
        variants[f"{TORCH}, ten waited for together"] = TOGETHER
    options = {"precision": precision, "tolerance": TOLERANCE[precision]}
    return [
        contestant
        for name, variant in variants.items()
        for contestant in run.torch(case, family=f"{name}, {precision}", **options, **variant)
    ]


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure, repeats=31, gpu=True)
