"""Our side of the comparison with PyTorch: drives `_worker.py`, call by call."""

import json
import os
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from operator import itemgetter
from pathlib import Path
from typing import Any

import jax
import numpy as np
from _case import Case, problem
from _measure import CHAIN, What
from _peers import identity

FAMILY = "PyTorch"
HERE = Path(__file__).resolve().parent
CELLS = {"LSTM": 4, "GRU": 3, "Elman": 1, "Elman, relu": 1}  # and their number of gates


def find(named: str | None) -> str | None:
    """The interpreter that has PyTorch, if there is one.

    The one named, or that in `RNNJAX_TORCH_PYTHON`, or `.venv-torch`, or the one that runs.
    """
    if named := named or os.environ.get("RNNJAX_TORCH_PYTHON"):
        return named
    venv = HERE.parent / ".venv-torch" / "bin" / "python"
    for python in (str(venv), sys.executable):
        if Path(python).exists():
            done = subprocess.run([python, "-c", "import torch"], capture_output=True)
            if done.returncode == 0:
                return python
    return None


class Worker:
    """The process that has PyTorch."""

    def __init__(self, python: str):
        self.folder = tempfile.TemporaryDirectory()
        self.jobs = count()
        self.dropped: list[int] = []
        self.process: Any = subprocess.Popen(
            [python, str(HERE / "_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        hello = self._answer()
        self.versions, self.threads = hello["versions"], hello["threads"]

    def ask(self, **request: Any) -> dict[str, Any]:
        """Sends a request and waits for the answer."""
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self._answer()

    def file(self, name: str) -> str:
        """A place for arrays."""
        return str(Path(self.folder.name) / f"{name}.npz")

    def forgotten(self) -> list[int]:
        """The jobs that nobody holds any more, since the last time this was asked."""
        jobs, self.dropped[:] = list(self.dropped), []
        return jobs

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


def contestants(case: Case, worker: Worker | None, *modules: str) -> "list[TorchContestant]":
    """PyTorch's layer, or also its "cell" in streaming; nobody where it has no such cell."""
    if worker is None or case.cell not in CELLS:
        return []
    return [TorchContestant(worker, case, module) for module in modules or ("layer",)]


@dataclass(frozen=True)
class TorchContestant:
    """A module of PyTorch in a case."""

    worker: Worker
    case: Case
    module: str

    family = FAMILY
    fit = staticmethod(identity)

    @property
    def name(self) -> str:
        kind = self.case.cell.partition(",")[0].replace("Elman", "RNN")
        return f"nn.{kind}{'Cell' if self.module == 'cell' else ''}"

    def prepare(self, what: What, fit: Callable[[Any], Any] | None = None) -> "TorchCall":
        del fit
        return TorchCall(self, what)


class TorchCall:
    """A job of the worker."""

    compile_s = None
    temp_bytes = None

    def __init__(self, contestant: TorchContestant, what: What):
        self.contestant, self.what = contestant, what
        self.worker, case = contestant.worker, contestant.case
        self.job = next(self.worker.jobs)
        arrays = self.worker.file("arrays")
        np.savez(arrays, allow_pickle=False, **_arrays(case, contestant.module))
        self._ask(
            "prepare",
            case=asdict(case),
            what=what,
            module=contestant.module,
            chain=CHAIN if what == "step" else 0,
            arrays=arrays,
            drop=self.worker.forgotten(),
        )
        weakref.finalize(self, self.worker.dropped.append, self.job)

    def result(self) -> Any:
        file = self.worker.file("result")
        self._ask("result", arrays=file)
        arrays = dict(np.load(file))
        if self.what == "forward":
            return arrays["ys"]
        case = self.contestant.case
        if self.what == "training":
            return _from_torch(case, arrays)
        structure = jax.tree.structure(problem(case).carry)
        return structure.unflatten([arrays[name] for name in "hc" if name in arrays])

    def seconds(self) -> float:
        return self._ask("seconds")["seconds"]

    def memory(self) -> tuple[int, int] | None:
        return self._ask("memory")["memory"]

    def _ask(self, do: str, **request: Any) -> dict[str, Any]:
        return self.worker.ask(do=do, job=self.job, **request)


def _arrays(case: Case, module: str) -> dict[str, np.ndarray]:
    """The numbers of the case, by the names of PyTorch."""
    numbers = jax.device_get(problem(case))
    carry = dict(zip("hc", jax.tree.leaves(numbers.carry), strict=False))
    lengths = {} if numbers.lengths is None else {"lengths": numbers.lengths.astype(np.int64)}
    weights = {}
    for layer, cells in enumerate(numbers.params):
        for params, direction in zip(cells, ("", "_reverse"), strict=False):
            suffix = "" if module == "cell" else f"_l{layer}{direction}"
            for member in range(case.members or 1):
                own = jax.tree.map(itemgetter(member), params) if case.members else params
                for name, array in _to_torch(own).items():
                    weights[f"{member}.{name}{suffix}"] = array
    return {"xs": numbers.xs, **carry, **lengths, **weights}


def _to_torch(params: Any) -> dict[str, np.ndarray]:
    # It has two biases, which are added but for that inside the reset product of a GRU.
    b_ih = b_hh = params.b / 2
    if hasattr(params, "b_hn"):
        gates, n = np.split(params.b, [2 * len(params.b_hn)])
        b_ih, b_hh = np.concatenate([gates / 2, n]), np.concatenate([gates / 2, params.b_hn])
    return {
        "weight_ih": np.ascontiguousarray(params.w_x.T),
        "weight_hh": np.ascontiguousarray(params.w_h.T),
        "bias_ih": b_ih,
        "bias_hh": b_hh,
    }


def _from_torch(case: Case, grads: dict[str, np.ndarray]) -> Any:
    """Gradients, in our layout."""

    def cell(member: int, suffix: str, params: Any) -> Any:
        w_x, w_h, b, b_hh = (
            grads[f"{member}.{name}{suffix}"]
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        ours = params._replace(w_x=w_x.T, w_h=w_h.T, b=b)
        return ours._replace(b_hn=b_hh[2 * case.hidden :]) if hasattr(ours, "b_hn") else ours

    def joined(suffix: str, params: Any) -> Any:
        members = [cell(member, suffix, params) for member in range(case.members or 1)]
        return jax.tree.map(lambda *a: np.stack(a), *members) if case.members else members[0]

    return tuple(
        tuple(
            joined(f"_l{number}{direction}", params)
            for params, direction in zip(layer, ("", "_reverse"), strict=False)
        )
        for number, layer in enumerate(problem(case).params)
    )
