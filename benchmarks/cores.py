"""How much faster is a network when every core of the CPU is a device of its own?

A device runs one loop at a time, on one core for most of it. With as many devices as cores, and
rows of the batch (or members of an ensemble) divided among them, each core has a loop. Any program
in JAX can be divided so, and Flax is, too; PyTorch uses all cores anyway.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
from _case import CELLS, Case
from _harness import Run, Scale, main
from _measure import Measurement, compare
from _peers import EVERY_CORE, JaxContestant, contestants
from _program import cores
from _targets import ENSEMBLE, FLAX, OURS, SIZES
from _torch import FAMILY as TORCH
from jax.sharding import AxisType, NamedSharding, PartitionSpec


def cases(scale: Scale) -> Iterator[Case]:
    """The sizes of the targets; the full grid has every cell on a larger batch, too."""
    if scale == "smoke":
        yield Case("LSTM", 8, 4, 3, 4, members=8)
        return
    for cell in ("LSTM", "GRU"):
        yield from (replace(case, cell=cell) for case in SIZES)
    yield from (ENSEMBLE, replace(ENSEMBLE, shared=True))
    if scale == "full":
        yield from (Case(cell, 128, 128, 128, 128) for cell in CELLS)


def measure(case: Case, run: Run) -> list[Measurement]:
    """Ours and Flax on one device and on all, and PyTorch."""
    flax = FLAX[:1] if run.scale == "smoke" else FLAX
    whole = [who for who in contestants(case, OURS, *flax) if "unroll=8" not in who.name]
    parts = [divided(who) for who in whole]
    torch = run.contestants(case, TORCH)
    return compare(case, [*whole, *parts, *torch], ("forward", "training"), repeats=run.repeats)


def divided(who: JaxContestant) -> JaxContestant:
    """The contestant with each device's rows, or members, on that device."""
    mesh = jax.make_mesh((jax.device_count(),), ("parts",), axis_types=(AxisType.Auto,))
    whole, first = PartitionSpec(), PartitionSpec("parts")
    weights, inputs = whole, PartitionSpec(None, "parts")
    if who.case.members:
        weights, inputs = first, whole if who.case.shared else first

    def place(args: Any) -> Any:
        specs = (weights, inputs, whole)
        return tuple(
            jax.device_put(arg, NamedSharding(mesh, spec))
            for arg, spec in zip(args, specs, strict=True)
        )

    return replace(who, family=who.family + EVERY_CORE, place=place)


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", cores())
    main(__file__, __doc__, cases, measure)
