"""How much faster is a network when every core of the CPU is a device of its own?

A device runs one loop at a time, on one core for most of it. With as many devices as cores, and
rows of the batch (or members of an ensemble) divided among them, each core has a loop. Any program
in JAX can be divided so, and Flax is, too; PyTorch uses all cores anyway.
"""

from collections.abc import Iterator
from dataclasses import replace

import jax
from _case import CELLS, Case
from _clock import cores
from _compare import compare
from _contestant import JaxContestant
from _harness import Run, Scale, main
from _peers import FLAX, OURS, contestants
from _record import Measurement
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

PARTS = ("parts",)
EVERY_CORE = ", every core a device"  # after the name of a family that is divided among them


def cases(scale: Scale) -> Iterator[Case]:
    """Three sizes and an ensemble; the full grid has every cell on a larger batch, too."""
    if scale == "smoke":
        yield Case("LSTM", 8, 4, 3, 4, members=8)
        return
    for cell in ("LSTM", "GRU"):
        for batch, hidden in ((32, 128), (32, 256), (64, 512)):
            yield Case(cell, batch, 128, hidden, hidden)
    for shared in (False, True):
        yield Case("LSTM", 16, 64, 16, 32, members=32, shared=shared)
    if scale == "full":
        yield from (Case(cell, 128, 128, 128, 128) for cell in CELLS)


def measure(case: Case, run: Run) -> list[Measurement]:
    """Ours and Flax on one device and on all, and PyTorch."""
    flax = FLAX[:1] if run.scale == "smoke" else FLAX
    whole = contestants(case, OURS, *flax, unrolls=(1,))
    found = [*whole, *map(divided, whole), *run.torch(case)]
    return compare(case, found, ("forward", "training"), repeats=run.repeats)


def divided(contestant: JaxContestant) -> JaxContestant:
    """The contestant with each device's rows, or members, on that device."""
    mesh = jax.make_mesh((jax.device_count(),), PARTS, axis_types=(AxisType.Auto,))
    whole, first, second = (NamedSharding(mesh, P(*axes)) for axes in ((), PARTS, (None, *PARTS)))
    place = whole, second, whole
    if contestant.case.members:
        place = first, whole if contestant.case.shared else first, whole
    family = contestant.family + EVERY_CORE
    return replace(contestant, family=family, place=lambda args: jax.device_put(args, place))


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", cores())
    main(__file__, __doc__, cases, measure)
