"""PyTorch's side of a comparison: a process that computes one call whenever it is asked.

It runs under an interpreter of its own, with PyTorch and NumPy and without JAX. A request is a
line of JSON on the standard input, the answer one on the standard output; arrays travel in files.
"""

import json
import os
import platform
import sys
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from _clock import cores, memory, seconds

MODULES = {
    "LSTM": (torch.nn.LSTM, torch.nn.LSTMCell, {}),
    "GRU": (torch.nn.GRU, torch.nn.GRUCell, {}),
    "Elman": (torch.nn.RNN, torch.nn.RNNCell, {"nonlinearity": "tanh"}),
    "Elman (relu)": (torch.nn.RNN, torch.nn.RNNCell, {"nonlinearity": "relu"}),
}
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
WARM_UP = 3  # calls before a CUDA graph is captured


class Job:
    """One case, ready to run: "forward", "training", or a chain of streaming steps."""

    def __init__(self, *, case, what, module, precision, gpu, graph, chain, arrays):
        self.case, self.what, self.chain = case, what, chain
        if gpu and not torch.cuda.is_available():
            raise ValueError("expected a PyTorch that finds the GPU, got one that does not")
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        device, dtype = "cuda" if gpu else "cpu", DTYPES.get(precision, torch.float32)
        given = {name: torch.from_numpy(array) for name, array in np.load(arrays).items()}
        self.models = [_model(case, module) for _ in range(case["members"] or 1)]
        for member, model in enumerate(self.models):
            model.load_state_dict({name: given[f"{member}.{name}"] for name in model.state_dict()})
            model.to(device, dtype)
        self.gpu, self.lengths = gpu, given.get("lengths")
        self.xs = given["xs"].to(device, dtype)
        self.carry = [given[name].to(device, dtype) for name in ("h", "c") if name in given]
        # In 16 bits the gradient of a mean would be too small a number.
        self.scale = self.xs.numel() / 1024 if precision == "fp16" else 1.0
        steps = {"layer": self._layer, "cell": self._cell}
        ways = {"forward": self._forward, "training": self._training, "step": steps[module]}
        self.one: Any = ways[what]
        if graph:
            self.one = self._captured()

    def run(self) -> dict[str, torch.Tensor]:
        """Computes `chain` times, and waits."""
        found = self._computed(self.chain)
        if self.gpu:
            torch.cuda.synchronize()
        return found

    def seconds(self) -> float:
        """The time of one call, or of one step of a chain."""
        return seconds(self.run) / self.chain

    def memory(self) -> tuple[int, int] | None:
        """Growth and peak of memory during one run, on the GPU if that is used."""
        if not self.gpu:
            return memory(self.run)
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        self.run()
        peak = torch.cuda.max_memory_allocated()
        return peak - before, peak

    def result(self) -> dict[str, np.ndarray]:
        """The result of a single call or step."""
        scale = self.scale if self.what == "training" else 1.0
        found = self._computed(1)
        return {name: a.detach().float().cpu().numpy() / scale for name, a in found.items()}

    def _computed(self, times: int) -> dict[str, torch.Tensor]:
        with nullcontext() if self.what == "training" else torch.inference_mode():
            if self.what != "step":
                return [self.one() for _ in range(times)][-1]
            carry = self.carry
            for _ in range(times):
                carry = self.one(carry)
            return dict(zip("hc", carry, strict=False))

    def _outputs(self) -> list[torch.Tensor]:
        own = self.case["members"] and not self.case["shared"]
        inputs = self.xs if own else [self.xs] * len(self.models)
        return [self._network(model, xs) for model, xs in zip(self.models, inputs, strict=True)]

    def _network(self, model: Any, xs: torch.Tensor) -> torch.Tensor:
        if self.lengths is None:
            return model(xs)[0]
        pack = torch.nn.utils.rnn.pack_padded_sequence
        packed = pack(xs, self.lengths, enforce_sorted=False)
        unpack = torch.nn.utils.rnn.pad_packed_sequence
        return unpack(model(packed)[0], total_length=len(xs))[0]

    def _forward(self) -> dict[str, torch.Tensor]:
        outputs = self._outputs()
        return {"ys": torch.stack(outputs) if self.case["members"] else outputs[0]}

    def _training(self) -> dict[str, Any]:
        means = [ys.float().square().mean() for ys in self._outputs()]
        loss: Any = self.scale * sum(means) / len(self.models)
        named = {
            f"{member}.{name}": weight
            for member, model in enumerate(self.models)
            for name, weight in model.named_parameters()
        }
        grads: Any = torch.autograd.grad(loss, list(named.values()))
        return dict(zip(named, grads, strict=True))

    def _cell(self, carry: list[torch.Tensor]) -> list[torch.Tensor]:
        lstm, cell = len(carry) == 2, self.models[0]
        new = cell(self.xs[0], tuple(carry) if lstm else carry[0])
        return list(new) if lstm else [new]

    def _layer(self, carry: list[torch.Tensor]) -> list[torch.Tensor]:
        lstm, layer = len(carry) == 2, self.models[0]
        _, new = layer(self.xs[:1], tuple(a[None] for a in carry) if lstm else carry[0][None])
        return [a[0] for a in new] if lstm else [new[0]]

    def _captured(self) -> Any:
        call, stream = self.one, torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                call()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with nullcontext() if self.what == "training" else torch.no_grad(), torch.cuda.graph(graph):
            found = call()

        def replay():
            graph.replay()
            return found

        return replay


def _model(case: dict[str, Any], module: str) -> Any:
    layer, cell, options = MODULES[case["cell"]]
    sizes = (case["inputs"], case["hidden"])
    if module == "cell":
        return cell(*sizes, **options)
    return layer(*sizes, case["layers"], bidirectional=case["bidirectional"], **options)


def answer(jobs: dict[int, Job], do: str, job: int, **request: Any) -> dict[str, Any]:
    """The answer to a request."""
    if do == "prepare":
        for number, other in list(jobs.items()):
            if (other.case, other.what) != (request["case"], request["what"]):
                del jobs[number]
        jobs[job] = Job(**request)
    elif do == "result":
        np.savez(request["arrays"], allow_pickle=False, **jobs[job].result())
    else:
        return {do: getattr(jobs[job], do)()}
    return {}


def main() -> None:
    """Serves on the standard output; everything else that is printed goes to the errors."""
    torch.set_num_threads(cores())
    jobs: dict[int, Job] = {}
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        versions = {"torch": torch.__version__, "python of torch": platform.python_version()}
        print(json.dumps({"versions": versions}), file=answers, flush=True)
        for line in sys.stdin:
            try:
                found = answer(jobs, **json.loads(line))
            # PyTorch raises whatever it likes; the other process has to know.
            except Exception as error:
                found = {"error": str(error)}
            print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
