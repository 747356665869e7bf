"""PyTorch's own recurrent layers, which are cuDNN's on an NVIDIA GPU; also in a CUDA graph."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from _gpu_grid import TORCH_GRAPH, Job
from _gpu_problem import Result, difference, numbers, sampled
from _gpu_timing import WARM_UP, timed

DTYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
LONGEST_NAME = 120
MOST_KERNELS = 12


def hello() -> dict[str, Any]:
    """What the numbers depend on."""
    gpu = torch.cuda.is_available()
    return {
        "platform": "gpu" if gpu else "cpu",
        "device": torch.cuda.get_device_name() if gpu else "cpu",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if gpu else None,
    }


def answer(kind: str, *request: Any) -> Any:
    """`("time", job, reference)` gives a row's entries, `("kernels", job)` who does the work."""
    try:
        return {"time": measure, "kernels": kernels}[kind](*request)
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def measure(job: Job, wanted: Result | None) -> dict[str, Any]:
    """What is known of the layer: how wrong it is, and how fast."""
    layer = Layer(job)
    got = layer.result(layer.run())
    call = layer.graph() if job.who == TORCH_GRAPH else layer.run
    if job.who == TORCH_GRAPH:
        got = layer.result(call())
    entries = timed(call, _wait)
    return {
        "difference": None if wanted is None else difference(wanted, got),
        **entries,
        "event_ms": _by_events(call, entries["repeats"]),
        "temp_bytes": _growth(call),
    }


def kernels(job: Job) -> dict[str, int]:
    """How often which kernel runs in one call."""
    layer = Layer(job)
    for _ in range(WARM_UP):
        _wait(layer.run())
    gpu = layer.device.type == "cuda"
    activities = [torch.profiler.ProfilerActivity.CPU]
    activities += [torch.profiler.ProfilerActivity.CUDA] if gpu else []
    with torch.profiler.profile(activities=activities) as profile:
        _wait(layer.run())
    kind = torch.autograd.DeviceType.CUDA if gpu else torch.autograd.DeviceType.CPU
    found = {
        event.key[:LONGEST_NAME]: int(event.count)
        for event in profile.key_averages()
        if event.device_type == kind
    }
    return dict(sorted(found.items(), key=lambda item: -item[1])[:MOST_KERNELS])


class Layer:
    """`torch.nn.LSTM` or `torch.nn.GRU` with the numbers of a job."""

    def __init__(self, job: Job):
        self.job = job
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = job.precision == "tf32"
        torch.backends.cudnn.allow_tf32 = job.precision == "tf32"
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        training, hidden = job.mode == "training", job.case.hidden
        drawn = numbers(job.case)
        self.layer = getattr(torch.nn, job.case.cell)(hidden, hidden)
        self.layer.to(self.device, DTYPES[job.precision]).train(training)
        self._load(drawn.weights)
        self.layer.flatten_parameters()
        self.xs = self._tensor(drawn.xs).requires_grad_(training)
        self.cotangent = self._tensor(drawn.cotangent)
        self.weights = (
            self.layer.weight_ih_l0,
            self.layer.weight_hh_l0,
            self.layer.bias_ih_l0,
            self.layer.bias_hh_l0,
        )

    def run(self) -> Any:
        """One call, which on a GPU is not waited for."""
        if self.job.mode == "forward":
            with torch.no_grad():
                return (self.layer(self.xs)[0],)
        ys = self.layer(self.xs)[0]
        return (ys, *torch.autograd.grad(ys, (self.xs, *self.weights), self.cotangent))

    def graph(self) -> Callable[[], Any]:
        """The same call, captured."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self.run()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = self.run()

        def replay():
            graph.replay()
            return outputs

        return replay

    def result(self, outputs: Any) -> Result:
        """What `run` gave, as `difference` compares it: the sum of both biases is ours."""
        _wait(outputs)
        ys, *grads = outputs
        steps = sampled(self.job.case.steps)
        result = {"ys": ys[steps]}
        if grads:
            xs, w_x, w_h, b, b_h = grads
            result |= {"xs": xs[steps], "w_x": w_x.T, "w_h": w_h.T, "b": b}
            if self.job.case.cell == "GRU":
                result["b_hn"] = b_h[-self.job.case.hidden :]
        return {name: tensor.detach().float().cpu().numpy() for name, tensor in result.items()}

    def _load(self, weights: Result) -> None:
        b = weights["b"] / 2
        b_i, b_h = b.copy(), b.copy()
        if "b_hn" in weights:  # The candidate's two biases are apart in our cell, too.
            hidden = self.job.case.hidden
            b_i[-hidden:], b_h[-hidden:] = weights["b"][-hidden:], weights["b_hn"]
        with torch.no_grad():
            self.layer.weight_ih_l0.copy_(self._tensor(weights["w_x"].T))
            self.layer.weight_hh_l0.copy_(self._tensor(weights["w_h"].T))
            self.layer.bias_ih_l0.copy_(self._tensor(b_i))
            self.layer.bias_hh_l0.copy_(self._tensor(b_h))

    def _tensor(self, array: np.ndarray) -> Any:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor.to(self.device, DTYPES[self.job.precision])


def _wait(outputs: Any) -> Any:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return outputs


def _by_events(call: Callable[[], Any], repeats: int) -> float | None:
    """Median milliseconds between two events round a call."""
    if not torch.cuda.is_available():
        return None
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return float(np.median(times))


def _growth(call: Callable[[], Any]) -> int | None:
    """Most bytes that one call adds, outputs counted; in a graph they are all there before."""
    if not torch.cuda.is_available():
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    _wait(call())
    return torch.cuda.max_memory_allocated() - before
