"""The contestants that are written in JAX: ours, a plain scan, Flax and the bridge to cuDNN."""

import re
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from _gpu_grid import CUDNN, FLAX, OURS, PLAIN, Job
from _gpu_problem import Case, Precision, Result, difference, numbers, sampled
from _gpu_timing import timed

import rnnjax
from rnnjax.cells import GRUParams, LSTMParams
from rnnjax.engine import Loop

# What `jax.default_matmul_precision` is: at its default an accelerator multiplies in TF32.
MATMUL: dict[Precision, str | None] = {"fp32": "highest", "tf32": None, "bf16": None}

# The kinds that are on by default, and WHILE. An option of a single function takes no "+WHILE".
KINDS = "FUSION,CUBLAS,CUBLASLT,CUDNN,CUSTOM_CALL,CONDITIONAL,DYNAMIC_SLICE_FUSION,WHILE"
FEWER = "FUSION,CUBLAS,CUBLASLT,CUDNN,CUSTOM_CALL,CONDITIONAL,WHILE"
WHOLE_LOOP: tuple[dict[str, Any], ...] = tuple(
    {
        "xla_gpu_enable_command_buffer": kinds,
        "xla_gpu_graph_min_graph_size": 1,
        "xla_gpu_command_buffer_unroll_loops": True,
    }
    for kinds in (KINDS, FEWER)
)


class Peer(NamedTuple):
    """A contestant with its weights.

    Attributes:
        run: `(weights, xs) -> ys`.
        weights: in its own layout.
        to_ours: from gradients in its weights to those in ours, by name.
        batch_first: whether its inputs and outputs are `[B, T, H]`.
    """

    run: Callable[[Any, jax.Array], jax.Array]
    weights: Any
    to_ours: Callable[[Any], dict[str, jax.Array]]
    batch_first: bool = False


def hello() -> dict[str, Any]:
    """What the numbers depend on."""
    return {"platform": jax.default_backend(), "device": jax.devices()[0].device_kind}


def answer(kind: str, *request: Any) -> Any:
    """`("reference", case)` gives what is right, `("time", job, reference)` a row's entries."""
    try:
        return {"reference": reference, "time": measure}[kind](*request)
    finally:
        jax.clear_caches()


def reference(case: Case) -> Result:
    """Outputs and gradients in float32, multiplied in full, by the plainest loop."""
    prepared = Prepared(Job(case, "fp32", "training", PLAIN))
    return prepared.result(prepared.call())


def measure(job: Job, wanted: Result | None) -> dict[str, Any]:
    """What is known of one contestant: how wrong it is, and how fast."""
    prepared = Prepared(job)
    got = prepared.result(prepared.call())
    return {
        "difference": None if wanted is None else difference(wanted, got),
        **timed(prepared.call, jax.block_until_ready),
        "compile_s": prepared.seconds,
        "temp_bytes": prepared.temp_bytes,
        "kernels": prepared.operations,
    }


class Prepared:
    """A compiled contestant with its arguments on the device."""

    def __init__(self, job: Job):
        self.job = job
        drawn = numbers(job.case)
        dtype = jnp.bfloat16 if job.precision == "bf16" else jnp.float32
        weights = {name: jnp.asarray(array, dtype) for name, array in drawn.weights.items()}
        self.peer = PEERS[job.who](job, weights)
        xs, cotangent = (self._swapped(jnp.asarray(a, dtype)) for a in drawn[1:])
        self.args = (self.peer.weights, xs)
        with jax.default_matmul_precision(MATMUL[job.precision]):
            if job.mode == "training":
                ys = jax.eval_shape(self.peer.run, *self.args)
                self.args += (cotangent.astype(ys.dtype),)
            start = time.perf_counter()
            function = self._training if job.mode == "training" else self.peer.run
            compiled: Any = _compiled(jax.jit(function).lower(*self.args), job.whole)
        self.seconds = time.perf_counter() - start
        self.temp_bytes = compiled.memory_analysis().temp_size_in_bytes
        self.operations = _operations(compiled.as_text())
        self.call = partial(compiled, *self.args)

    def result(self, outputs: Any) -> Result:
        """What `call` gave, as `difference` compares it."""
        ys, *grads = outputs if self.job.mode == "training" else (outputs,)
        steps = np.array(sampled(self.job.case.steps))
        result = {"ys": self._swapped(ys)[steps]}
        if grads:
            result |= {"xs": self._swapped(grads[1])[steps], **self.peer.to_ours(grads[0])}
        return {name: np.asarray(array.astype(jnp.float32)) for name, array in result.items()}

    def _training(self, weights, xs, cotangent):
        ys, pull_back = jax.vjp(self.peer.run, weights, xs)
        return ys, *pull_back(cotangent)

    def _swapped(self, array: jax.Array) -> jax.Array:
        return array.swapaxes(0, 1) if self.peer.batch_first else array


def _compiled(lowered: Any, whole: bool) -> Any:
    if not whole:
        return lowered.compile()
    *others, last = WHOLE_LOOP
    for options in others:
        try:
            return lowered.compile(compiler_options=options)
        except (RuntimeError, ValueError) as error:  # XLA's own, and what parses the options
            if "valid enum" not in str(error):
                raise
    return lowered.compile(compiler_options=last)


def _operations(text: str) -> dict[str, int]:
    """How often what stands in a compiled program: fusions, loops, and library calls by name."""
    calls = re.findall(r'custom_call_target="([^"]+)"', text)
    kinds = re.findall(r" (fusion|while|dot|copy|command_buffer)\(", text)
    return dict(Counter(calls + kinds))


def _ours(job: Job, weights: dict[str, jax.Array]) -> Peer:
    cell, params = _cell(job.case, weights)
    method = None if job.unroll is None else Loop(unroll=job.unroll)

    def run(params, xs):
        return rnnjax.scan(cell, params, xs, method=method)[1]

    return Peer(run, params, lambda grads: {name: getattr(grads, name) for name in weights})


def _plain(job: Job, weights: dict[str, jax.Array]) -> Peer:
    cell, params = _cell(job.case, weights)

    def run(params, xs):
        carry = cell.init_carry(params, xs.shape[1:-1])
        return jax.lax.scan(partial(cell.step, params), carry, xs, unroll=job.unroll or 1)[1]

    return Peer(run, params, lambda grads: {name: getattr(grads, name) for name in weights})


def _cell(case: Case, weights: dict[str, jax.Array]) -> tuple[Any, Any]:
    if case.cell == "LSTM":
        return rnnjax.LSTM(case.hidden), LSTMParams(**weights)
    return rnnjax.GRU(case.hidden), GRUParams(**weights)


def _flax(job: Job, weights: dict[str, jax.Array]) -> Peer:
    import flax.linen as nn

    gates, side = ("ifgo", "h") if job.case.cell == "LSTM" else ("rzn", "i")
    types: Any = {"LSTM": nn.OptimizedLSTMCell, "GRU": nn.GRUCell}
    # The carry has the dtype of the parameters: float32 here, as it is in our cell.
    cell = types[job.case.cell](job.case.hidden, dtype=weights["w_x"].dtype)
    rnn: Any = nn.RNN(cell, time_major=True, unroll=job.unroll or 1)

    def to_theirs():
        w_x, w_h, b = (jnp.split(weights[n], len(gates), axis=-1) for n in ("w_x", "w_h", "b"))
        theirs: dict[str, Any] = {}
        for number, gate in enumerate(gates):
            theirs["i" + gate] = {"kernel": w_x[number]}
            theirs["h" + gate] = {"kernel": w_h[number]}
            theirs[side + gate]["bias"] = b[number]
        if "b_hn" in weights:
            theirs["hn"]["bias"] = weights["b_hn"]
        return theirs

    def to_ours(theirs):
        def joined(side, entry):
            return jnp.concatenate([theirs[side + gate][entry] for gate in gates], axis=-1)

        ours = {"w_x": joined("i", "kernel"), "w_h": joined("h", "kernel")}
        ours["b"] = joined(side, "bias")
        return ours | ({"b_hn": theirs["hn"]["bias"]} if "b_hn" in weights else {})

    def run(theirs, xs):
        return rnn.apply({"params": {"cell": theirs}}, xs)

    return Peer(run, to_theirs(), to_ours)


def _cudnn(job: Job, weights: dict[str, jax.Array]) -> Peer:
    """One flat array of all weights, with two biases, half of ours each."""
    from jax.experimental import rnn

    batch, steps, hidden = job.case[1:]
    zeros, lengths = jnp.zeros((1, batch, hidden)), jnp.full(batch, steps, jnp.int32)
    precision = jax.lax.Precision.HIGHEST if job.precision == "fp32" else None
    w_x, w_h, b = weights["w_x"].T, weights["w_h"].T, weights["b"] / 2
    flat = jnp.concatenate([w_x.ravel(), w_h.ravel(), b, b])

    def run(flat, xs):
        sizes = (hidden, hidden, 1, 0.0, False)
        return rnn.lstm(xs, zeros, zeros, flat, lengths, *sizes, precision)[0]

    def to_ours(flat):
        ends = np.cumsum([w_x.size, w_h.size, b.size])
        d_x, d_h, d_b, _ = jnp.split(flat, ends)
        return {"w_x": d_x.reshape(w_x.shape).T, "w_h": d_h.reshape(w_h.shape).T, "b": d_b}

    return Peer(run, flat, to_ours, batch_first=True)


PEERS: dict[str, Callable[[Job, dict[str, jax.Array]], Peer]] = {
    OURS: _ours,
    PLAIN: _plain,
    FLAX: _flax,
    CUDNN: _cudnn,
}
