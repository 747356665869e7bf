"""How long does a request take, served by us, by the artifact and the ONNX file we export?

A request is as a server has it: inputs come as NumPy arrays, outputs go as such, and the carry of
every session stays for the next one. Each repeat is a chain of requests, divided by their number.
JAX computes in the thread that calls, as onnxruntime does, and not in another for which to wait.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import numpy as np
from _case import Case
from _compare import Call, Program, compare
from _harness import Run, Scale, main
from _record import Measurement
from jax.export import deserialize

from rnnjax.decoding import stream_step
from rnnjax.interop import export_model, save_onnx
from rnnjax.layers import RNN, Dense, Sequential

CHAIN = 20
Request = Callable[[np.ndarray, Any], tuple[Any, Any]]  # (xs, carry) -> (carry, ys)


def cases(scale: Scale) -> Iterator[Case]:
    """Sessions B and steps of a request T."""
    if scale == "smoke":
        yield from (Case("LSTM", 2, 1, 4, 4), Case("GRU", 1, 3, 4, 4))
        return
    for cell in ("LSTM", "GRU"):
        for steps in (1, 16):
            yield from (Case(cell, batch, steps, 128, 128) for batch in (1, 16, 256))


def measure(case: Case, run: Run) -> list[Measurement]:
    """The compiled model, or `stream_step` for a single step; the artifact; and the file."""
    model = Sequential((RNN(case.ours), Dense(case.hidden)))
    params = model.init(jax.random.key(0), case.inputs)
    carry = model.init_carry(params, (case.batch,))
    leaves = tuple(jax.tree.leaves(carry))

    def streamed(xs, carry):
        return stream_step(model, params, xs[:, 0], carry)

    ours = streamed if case.steps == 1 else partial(jax.jit(model.apply), params)
    exported = export_model(model, params, case.inputs, extra_inputs=("carry",))
    artifact = jax.jit(deserialize(exported.serialize()).call)
    ways: dict[str, tuple[Request, Any]] = {
        "rnnjax": (ours, carry),
        "rnnjax, the artifact": (lambda xs, carry: artifact(xs, carry=carry), leaves),
    }
    if find_spec("onnx") and find_spec("onnxruntime"):
        start = [np.asarray(a)[None] for a in leaves]
        ways["onnxruntime, the ONNX file"] = (onnx(case, model, params), start)
    found = [Program(name, lambda _, way=way: chain(case, *way)) for name, way in ways.items()]
    return compare(case, found, ("request",), repeats=run.repeats)


def onnx(case: Case, model: Any, params: Any) -> Request:
    """A request answered by onnxruntime from a file."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        save_onnx(path, model, params, case.inputs, extra_inputs=("carry",))
        session = onnxruntime.InferenceSession(path)
    names = [i.name for i in session.get_inputs() if i.name != "xs"]

    def answer(xs, carry):
        ys, *carry = session.run(None, {"xs": xs, **dict(zip(names, carry, strict=True))})
        return carry, ys

    return answer


def chain(case: Case, request: Request, carry: Any) -> Call:
    """A chain of requests; its result is the last answer."""
    xs = np.random.default_rng(0).standard_normal((case.batch, case.steps, case.inputs))
    xs = xs.astype(np.float32)

    def run():
        state, ys = carry, xs
        for _ in range(CHAIN):
            state, ys = request(xs, state)
            ys = np.asarray(ys)
        return ys.reshape(xs.shape)

    return Call(run, count=CHAIN)


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    main(__file__, __doc__, cases, measure, repeats=51)
