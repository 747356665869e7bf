"""PyTorch's side of a comparison: a process that computes one call whenever it is asked.

It runs under an interpreter of its own, which has PyTorch and NumPy, and not JAX. A
request is a line of JSON on the standard input, the answer one on the standard output; arrays
travel in files.
"""

import json
import os
import platform
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from _clock import seconds
from _memory import memory
from _program import cores

MODULES = {
    "LSTM": (torch.nn.LSTM, torch.nn.LSTMCell, {}),
    "GRU": (torch.nn.GRU, torch.nn.GRUCell, {}),
    "Elman": (torch.nn.RNN, torch.nn.RNNCell, {"nonlinearity": "tanh"}),
    "Elman, relu": (torch.nn.RNN, torch.nn.RNNCell, {"nonlinearity": "relu"}),
}


class Job:
    """One case, ready to run: "forward", "training", or a chain of streaming steps."""

    def __init__(self, case: dict[str, Any], what: str, module: str, chain: int, arrays: str):
        self.case, self.what, self.chain = case, what, chain
        given = {name: torch.from_numpy(array) for name, array in np.load(arrays).items()}
        self.models = [_model(case, module) for _ in range(case["members"] or 1)]
        for member, model in enumerate(self.models):
            model.load_state_dict({name: given[f"{member}.{name}"] for name in model.state_dict()})
        self.xs, self.lengths = given["xs"], given.get("lengths")
        self.carry = [given[name] for name in ("h", "c") if name in given]
        self.run = {
            "forward": self._forward,
            "training": self._training,
            "step": self._chain_of_cells if module == "cell" else self._chain_of_layers,
        }[what]

    def call(self) -> dict[str, torch.Tensor]:
        """Runs once."""
        with nullcontext() if self.what == "training" else torch.inference_mode():
            return self.run()

    def seconds(self) -> float:
        """The time of one call, or of one step of a chain."""
        return seconds(self.call) / (self.chain or 1)

    def result(self) -> dict[str, np.ndarray]:
        """What a call computes; of a chain, what its first step does."""
        chain, self.chain = self.chain, min(self.chain, 1)
        arrays = {name: tensor.detach().numpy() for name, tensor in self.call().items()}
        self.chain = chain
        return arrays

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
        loss: Any = sum(ys.square().mean() for ys in self._outputs()) / len(self.models)
        named = {
            f"{member}.{name}": weight
            for member, model in enumerate(self.models)
            for name, weight in model.named_parameters()
        }
        grads: Any = torch.autograd.grad(loss, list(named.values()))
        return dict(zip(named, grads, strict=True))

    def _chain_of_cells(self) -> dict[str, torch.Tensor]:
        lstm, x, cell = len(self.carry) == 2, self.xs[0], self.models[0]
        carry: Any = tuple(self.carry) if lstm else self.carry[0]
        for _ in range(self.chain):
            carry = cell(x, carry)
        return dict(zip("hc", carry if lstm else (carry,), strict=False))

    def _chain_of_layers(self) -> dict[str, torch.Tensor]:
        lstm, xs, layer = len(self.carry) == 2, self.xs[:1], self.models[0]
        carry: Any = tuple(a[None] for a in self.carry) if lstm else self.carry[0][None]
        for _ in range(self.chain):
            _, carry = layer(xs, carry)
        return {name: a[0] for name, a in zip("hc", carry if lstm else (carry,), strict=False)}


def _model(case: dict[str, Any], module: str) -> Any:
    layer, cell, options = MODULES[case["cell"]]
    sizes = (case["inputs"], case["hidden"])
    if module == "cell":
        return cell(*sizes, **options)
    return layer(*sizes, case["layers"], bidirectional=case["both"], **options)


def serve(read: Callable[[], str], write: Callable[[dict[str, Any]], None]) -> None:
    """Answers requests until there are none."""
    jobs: dict[int, Job] = {}
    versions = {"torch": torch.__version__, "python of torch": platform.python_version()}
    write({"versions": versions, "threads": torch.get_num_threads()})
    while line := read():
        request = json.loads(line)
        do, number = request.pop("do"), request.pop("job")
        if do == "prepare":
            for dropped in request.pop("drop"):
                del jobs[dropped]
            jobs[number] = Job(**request)
            write({})
        elif do == "result":
            np.savez(request["arrays"], allow_pickle=False, **jobs[number].result())
            write({})
        elif do == "seconds":
            write({"seconds": jobs[number].seconds()})
        elif do == "memory":
            write({"memory": memory(jobs[number].call)})


def main() -> None:
    """Serves on what was the standard output; what others print goes to the errors."""
    torch.set_num_threads(cores())
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)

        def write(answer: dict[str, Any]) -> None:
            print(json.dumps(answer), file=answers, flush=True)

        serve(sys.stdin.readline, write)


if __name__ == "__main__":
    main()
