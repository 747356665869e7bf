"""PyTorch as a contestant: drives `_worker.py`, which runs in a process of its own."""

import json
import os
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from itertools import count
from operator import itemgetter
from pathlib import Path
from typing import Any

import jax
import numpy as np
from _case import Case, problem
from _contestant import CHAIN, adjoint
from _peers import TORCH

from rnnjax import interop

HERE = Path(__file__).resolve().parent
CELLS = ("LSTM", "GRU", "Elman", "Elman (relu)")


def find(named: str | None) -> str | None:
    """The interpreter that has PyTorch: the named one, `RNNJAX_TORCH_PYTHON`, `.venv-torch`."""
    venv = HERE.parent / ".venv-torch" / "bin" / "python"
    return named or os.environ.get("RNNJAX_TORCH_PYTHON") or (str(venv) if venv.exists() else None)


class Worker:
    """The process that has PyTorch."""

    def __init__(self, python: str):
        self.folder = tempfile.TemporaryDirectory()
        self.jobs = count()
        self.process: Any = subprocess.Popen(
            [python, str(HERE / "_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.versions = self._answer()["versions"]

    def ask(self, **request: Any) -> dict[str, Any]:
        """Sends a request and waits for the answer; an error there is an error here."""
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self._answer()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def file(self, name: str) -> str:
        """A place for arrays."""
        return str(Path(self.folder.name) / f"{name}.npz")

    def close(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("expected an answer of PyTorch's process, but it has ended")
        return json.loads(line)


@dataclass(frozen=True)
class TorchContestant:
    """A module of PyTorch in a case.

    Attributes:
        worker: the process that has PyTorch.
        case: the case to compute.
        module: "layer", or "cell" in streaming.
        family: the library, and its variant.
        precision: of products and numbers: "fp32", "tf32", "bf16" or "fp16".
        graph: whether a call is captured as a CUDA graph.
        queue: number of calls that are waited for together.
        tolerance: the error that the precision excuses.
    """

    worker: Worker
    case: Case
    module: str = "layer"
    family: str = TORCH
    precision: str = "fp32"
    graph: bool = False
    queue: int = 1
    tolerance: float = 0.0

    @property
    def name(self) -> str:
        kind = self.case.cell.partition(" ")[0].replace("Elman", "RNN")
        return f"nn.{kind}{'Cell' if self.module == 'cell' else ''}"

    def prepare(self, what: str) -> "TorchCall":
        return TorchCall(self, what)

    def convert(self, params: Any) -> dict[str, np.ndarray]:
        """The state dict of one network."""
        if self.module == "cell":
            return interop.to_torch(self.case.ours, params[0][0])
        return interop.to_torch(self.case.network(), self.case.joined(params))

    def members(self) -> list[Any]:
        """The parameters of every network."""
        params = jax.device_get(problem(self.case).params)
        if not self.case.members:
            return [params]
        return [jax.tree.map(itemgetter(m), params) for m in range(self.case.members)]

    def gradients(self, arrays: dict[str, np.ndarray]) -> Any:
        """The gradients of all networks, in the layout of this library."""
        found = []
        for number, params in enumerate(self.members()):
            own = {name: arrays[f"{number}.{name}"] for name in self.convert(params)}
            found.append(adjoint(self.convert, params)(own))
        return jax.tree.map(lambda *a: np.stack(a), *found) if self.case.members else found[0]


class TorchCall:
    """A job of the worker."""

    compile_s = None
    temp_bytes = None

    def __init__(self, contestant: TorchContestant, what: str):
        self.contestant, self.what = contestant, what
        self.worker = contestant.worker
        self.job = next(self.worker.jobs)
        arrays = self.worker.file("arrays")
        np.savez(arrays, allow_pickle=False, **_arrays(contestant))
        self._ask(
            "prepare",
            case=asdict(contestant.case),
            what=what,
            module=contestant.module,
            precision=contestant.precision,
            gpu=jax.default_backend() == "gpu",
            graph=contestant.graph,
            chain=CHAIN if what == "step" else contestant.queue,
            arrays=arrays,
        )

    def result(self) -> Any:
        file = self.worker.file("result")
        self._ask("result", arrays=file)
        arrays = dict(np.load(file))
        if self.what == "forward":
            return arrays["ys"]
        if self.what == "training":
            return self.contestant.gradients(arrays)
        structure = jax.tree.structure(problem(self.contestant.case).carry)
        return structure.unflatten([arrays[name] for name in "hc" if name in arrays])

    def seconds(self) -> float:
        return self._ask("seconds")["seconds"]

    def memory(self) -> tuple[int, int] | None:
        return self._ask("memory")["memory"]

    def _ask(self, do: str, **request: Any) -> dict[str, Any]:
        return self.worker.ask(do=do, job=self.job, **request)


def _arrays(contestant: TorchContestant) -> dict[str, np.ndarray]:
    """The numbers of the case, by the names of PyTorch."""
    numbers = jax.device_get(problem(contestant.case))
    carry = dict(zip("hc", jax.tree.leaves(numbers.carry), strict=False))
    lengths = {} if numbers.lengths is None else {"lengths": numbers.lengths.astype(np.int64)}
    weights = {
        f"{number}.{name}": np.ascontiguousarray(array)
        for number, params in enumerate(contestant.members())
        for name, array in contestant.convert(params).items()
    }
    return {"xs": numbers.xs, **carry, **lengths, **weights}
