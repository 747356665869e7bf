"""What do unrolled steps and command buffers save in a loop on a GPU?

A loop launches kernels at every step, and short steps are bound by that. Several steps in one turn
of the loop are launched with less delay; as one command buffer ("whole loop") the loop needs no
launches from the host. One size is bound by launches, the other by products.
"""

from collections.abc import Iterator
from dataclasses import replace

from _case import Case
from _compare import compare
from _contestant import JaxContestant
from _gpu import SIZES, precise, reference
from _harness import Run, Scale, main
from _peers import FLAX, OURS, PLAIN, contestants, ours, plain
from _record import Measurement

from rnnjax.engine import Loop

# The kinds of command that are on by default, and WHILE.
KINDS = "FUSION,CUBLAS,CUBLASLT,CUDNN,CUSTOM_CALL,CONDITIONAL,DYNAMIC_SLICE_FUSION,WHILE"
WHOLE_LOOP = {
    "xla_gpu_enable_command_buffer": KINDS,
    "xla_gpu_graph_min_graph_size": 1,
    "xla_gpu_command_buffer_unroll_loops": True,
}


def cases(scale: Scale) -> Iterator[Case]:
    """Two sizes of an LSTM."""
    for batch, steps, hidden in [(2, 3, 8)] if scale == "smoke" else SIZES[:2]:
        yield Case("LSTM", batch, steps, hidden, hidden)


def measure(case: Case, run: Run) -> list[Measurement]:
    """Our loop and a plain scan with every number of steps a turn, and Flax's with eight."""
    precision = "fp32" if run.scale == "smoke" else "tf32"
    found = []
    for unroll in (1, 4) if run.scale == "smoke" else (1, 4, 8, 16):
        peers = {OURS: ours(case, method=Loop(unroll=unroll)), PLAIN: plain(case, unroll)}
        for family, peer in peers.items():
            one = precise(JaxContestant(f"{family}, unroll={unroll}", peer, case), precision)
            found += [one, replace(one, family=f"{one.family}, whole loop", options=WHOLE_LOOP)]
    flax = contestants(case, FLAX[0], unrolls=(8,))[-1]
    found.append(precise(replace(flax, family=f"{FLAX[0]}, unroll=8"), precision))
    whats, right = ("training", "forward"), reference(case)
    return compare(case, found, whats, repeats=run.repeats, reference=right, tolerant=True)


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure, repeats=31, gpu=True)
