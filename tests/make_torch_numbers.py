"""Writes `torch_numbers.npz`: what PyTorch computes, so that the tests need no PyTorch.

For `torch.nn.RNN`, `LSTM` and `GRU` in float64, two layers, both directions, sequences of unequal
lengths, every weight, bias and initial state random: the outputs, the final states, and the
gradients of a random weighting of both in everything.

    pip install torch && python tests/make_torch_numbers.py
"""

from pathlib import Path

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch.nn.utils.rnn import (  # pyright: ignore[reportMissingImports]
    pack_padded_sequence,
    pad_packed_sequence,
)

BATCH, STEPS, INPUTS, HIDDEN, LAYERS = 4, 6, 3, 4, 2
LENGTHS = [6, 1, 4, 5]
KINDS = {"Elman": torch.nn.RNN, "LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}


def numbers(kind: str) -> dict[str, np.ndarray]:
    module = KINDS[kind](
        INPUTS, HIDDEN, LAYERS, batch_first=True, bidirectional=True, dtype=torch.float64
    )
    weights = dict(module.named_parameters())
    for weight in weights.values():
        torch.nn.init.normal_(weight, std=0.7)
    xs = torch.randn(BATCH, STEPS, INPUTS, dtype=torch.float64, requires_grad=True)
    shape = (2 * LAYERS, BATCH, HIDDEN)
    states = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for _ in range(2 if kind == "LSTM" else 1)
    ]

    packed = pack_padded_sequence(xs, LENGTHS, batch_first=True, enforce_sorted=False)
    packed_ys, finals = module(packed, tuple(states) if kind == "LSTM" else states[0])
    ys, _ = pad_packed_sequence(packed_ys, batch_first=True, total_length=STEPS)
    finals = finals if kind == "LSTM" else (finals,)

    outputs = {"ys": ys, **{f"final_{k}": final for k, final in enumerate(finals)}}
    seeds = {name: torch.randn_like(output) for name, output in outputs.items()}
    torch.autograd.backward(list(outputs.values()), list(seeds.values()))

    arguments = {"xs": xs, **{f"state_{k}": state for k, state in enumerate(states)}, **weights}
    gradients = {f"d_{name}": argument.grad for name, argument in arguments.items()}
    seeds = {f"seed_{name}": seed for name, seed in seeds.items()}
    everything = arguments | outputs | seeds | gradients
    return {f"{kind}.{name}": a.detach().numpy() for name, a in everything.items()}


if __name__ == "__main__":
    torch.manual_seed(0)
    arrays = {name: array for kind in KINDS for name, array in numbers(kind).items()}
    np.savez_compressed(
        Path(__file__).with_name("torch_numbers.npz"), lengths=np.array(LENGTHS), **arrays
    )
