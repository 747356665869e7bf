"""How long does a request take, served by us, by the artifact and the ONNX file we export?

A request is as a server has it: inputs come as NumPy arrays, outputs go as such, and the carry of
every session stays for the next one. Each repeat is a chain of requests, divided by their number.
JAX computes in the thread that calls, as onnxruntime does, and not in another for which to wait.
"""

import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import _rows
import jax
import numpy as np
from _case import CELLS
from jax.export import deserialize

from rnnjax.decoding import stream_step
from rnnjax.interop import export_model, save_onnx
from rnnjax.layers import RNN, Dense, Sequential

CHAIN = 20
OTHERS = ("onnx", "onnxruntime")
Size = tuple[int, int, int]
Request = Callable[[Any, np.ndarray], tuple[Any, np.ndarray]]


def requests(cell: str, size: Size) -> dict[str, tuple[Request, Any]]:
    """Each way to answer a request, `(carry, xs) -> (carry, ys)`, and the carry to start from."""
    sessions, steps, hidden = size
    model = Sequential((RNN(CELLS[cell](hidden)), Dense(hidden)))
    params = model.init(jax.random.key(0), hidden)
    carry = model.init_carry(params, (sessions,))
    leaves = tuple(jax.tree.leaves(carry))
    apply = jax.jit(model.apply)
    exported = export_model(model, params, hidden, extra_inputs=("carry",))
    artifact = jax.jit(deserialize(exported.serialize()).call)

    def ours(carry, xs):
        if steps == 1:
            carry, y = stream_step(model, params, carry, xs[:, 0])
            return carry, np.asarray(y)[:, None]
        carry, ys = apply(params, xs, carry)
        return carry, np.asarray(ys)

    def exports(carry, xs):
        carry, ys = artifact(xs, carry=carry)
        return carry, np.asarray(ys)

    name = "stream_step" if steps == 1 else "jax.jit(model.apply)"
    found: dict[str, tuple[Request, Any]] = {name: (ours, carry), "the artifact": (exports, leaves)}
    if not missing():
        found["onnxruntime, the ONNX file"] = (
            _onnx(model, params, hidden),
            [np.asarray(a)[None] for a in leaves],
        )
    return found


def missing() -> list[str]:
    """What of the other runtime is not installed."""
    return [name for name in OTHERS if importlib.util.find_spec(name) is None]


def _onnx(model: Any, params: Any, hidden: int) -> Request:
    """The same request, answered by onnxruntime from a file."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        save_onnx(path, model, params, hidden, extra_inputs=("carry",))
        session = onnxruntime.InferenceSession(path)
    names = [i.name for i in session.get_inputs() if i.name != "xs"]

    def answer(carry, xs):
        ys, *carry = session.run(None, {"xs": xs, **dict(zip(names, carry, strict=True))})
        return carry, np.asarray(ys)

    return answer


def chain(request: Request, carry: Any, xs: np.ndarray) -> np.ndarray:
    """What the last one of `CHAIN` requests gives."""
    ys = xs
    for _ in range(CHAIN):
        carry, ys = request(carry, xs)
    return ys


def rows(cell: str, size: Size, repeats: int) -> Iterator[dict[str, str]]:
    """A row of the table for each way to answer."""
    sessions, steps, hidden = size
    xs = np.random.default_rng(0).standard_normal((sessions, steps, hidden)).astype(np.float32)
    ways = requests(cell, size)
    chains = {name: partial(chain, *way, xs) for name, way in ways.items()}
    first, *others = (call() for call in chains.values())  # this compiles, too
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-4, atol=1e-5)
    for name, times in _rows.quartiles(chains, repeats).items():
        lower, median, upper = 1e3 / CHAIN * times
        yield {
            "case": f"{cell} B={sessions} T={steps} I=H={hidden}",
            "served by": name,
            "median µs": f"{median:.3g}",
            "quartiles": f"{lower:.3g} … {upper:.3g}",
            "steps per second": f"{1e6 * sessions * steps / median:,.0f}",
        }


def main() -> None:
    """Prints the table and writes the record."""
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    options = _rows.options(__doc__)
    sizes = [(sessions, steps, 128) for steps in (1, 16) for sessions in (1, 16, 256)]
    cases = [(cell, size) for cell in ("LSTM", "GRU") for size in sizes]
    cases = [("LSTM", (2, 1, 4)), ("GRU", (1, 3, 4))] if options.smoke else cases
    repeats = 2 if options.smoke else options.repeats or 51
    found = [row for case in cases for row in rows(*case, repeats)]
    place = _rows.place(__file__, options)
    _rows.keep(place, options.question, found, repeats=repeats, missing=missing())
    for name in missing():
        print(f"missing: {name} is not installed")


if __name__ == "__main__":
    main()
