"""The contestants on a GPU: a library in a precision, checked against a loop in full float32."""

import os
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from _case import Case
from _contestant import JaxContestant, Peer
from _peers import PLAIN, contestants, plain

from rnnjax import interop

# Both libraries share the memory of the GPU; JAX reads this when it is first asked for a device.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

CUDNN = "jax.experimental.rnn"
# Multiplied in full; as accelerators do by default; weights, inputs and outputs in 16 bits.
TOLERANCE = {"fp32": 1e-4, "tf32": 1e-2, "fp16": 2e-2, "bf16": 1e-1}
# B, T, H, the most important first; every B, T and H for which peers publish times occurs.
SIZES = (
    (16, 512, 128), (64, 512, 512), (16, 1024, 768), (32, 512, 256), (1, 512, 512),
    (128, 512, 1024), (64, 512, 64), (256, 512, 256), (8, 128, 128), (64, 512, 768),
    (128, 128, 512), (32, 1024, 512), (1, 512, 64), (64, 512, 1024), (8, 512, 64),
    (256, 512, 1024),
)  # fmt: skip


def precise(contestant: JaxContestant, precision: str, **changes: Any) -> JaxContestant:
    """The contestant in a precision, under a name with it."""
    return replace(
        contestant,
        family=f"{contestant.family}, {precision}",
        dtype="bfloat16" if precision == "bf16" else "float32",
        matmul="highest" if precision == "fp32" else None,
        tolerance=TOLERANCE[precision],
        **changes,
    )


def reference(case: Case) -> JaxContestant:
    """The plainest loop in float32, multiplied in full."""
    return JaxContestant(PLAIN, plain(case), case, matmul="highest")


def last(case: Case, family: str) -> JaxContestant:
    """The last cell of a library, which is the optimized one of Flax, step by step."""
    return contestants(case, family, unrolls=(1,))[-1]


def cudnn(case: Case) -> JaxContestant:
    """The bridge to cuDNN in JAX: one flat array of all weights of an LSTM, batch-major."""
    from jax.experimental import rnn

    zeros = jnp.zeros((1, case.batch, case.hidden))
    lengths = jnp.full(case.batch, case.steps, jnp.int32)

    def convert(cell, params):
        arrays = interop.to_torch(cell, params)
        return np.concatenate([np.ravel(array) for array in arrays.values()])

    def run(flat, xs, _, reverse):
        precision = jax.config.jax_default_matmul_precision
        precision = jax.lax.Precision.HIGHEST if precision == "highest" else None
        sizes = (case.inputs, case.hidden, 1, 0.0, False)
        xs = xs.swapaxes(0, 1)
        return rnn.lstm(xs, zeros, zeros, flat, lengths, *sizes, precision)[0].swapaxes(0, 1)

    return JaxContestant(CUDNN, Peer("lstm", convert, run, lengths=False), case)
