"""Writes torch_numbers.npz: what PyTorch's recurrent layers compute, gradients included.

    python tests/make_torch_numbers.py

PyTorch is needed here only; the tests read the file.
"""

from pathlib import Path

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch.nn.utils.rnn import (  # pyright: ignore[reportMissingImports]
    pack_padded_sequence,
    pad_packed_sequence,
)

STEPS, INPUT, HIDDEN, LAYERS = 6, 3, 4, 2
LENGTHS = torch.tensor([4, 6, 1])


def numbers(kind: type[torch.nn.Module], seed: int) -> dict[str, torch.Tensor]:
    """Inputs, weights, results and gradients of one bidirectional network of two layers."""
    torch.manual_seed(seed)
    network = kind(INPUT, HIDDEN, LAYERS, bidirectional=True, batch_first=True)
    batch = len(LENGTHS)
    states = "hc" if kind is torch.nn.LSTM else "h"
    arrays = {"x": torch.randn(batch, STEPS, INPUT, requires_grad=True)}
    for state in states:
        arrays[f"{state}_0"] = torch.randn(2 * LAYERS, batch, HIDDEN, requires_grad=True)
    for name, weight in network.named_parameters():
        torch.nn.init.normal_(weight, std=0.5)
        arrays[name] = weight

    initial = tuple(arrays[f"{state}_0"] for state in states)
    packed = pack_padded_sequence(arrays["x"], LENGTHS, batch_first=True, enforce_sorted=False)
    outputs, final = network(packed, initial if len(states) == 2 else initial[0])
    results = {"y": pad_packed_sequence(outputs, batch_first=True)[0]}
    for state, value in zip(states, final if len(states) == 2 else [final], strict=True):
        results[f"{state}_n"] = value

    weights = {f"weight of {name}": torch.randn_like(value) for name, value in results.items()}
    loss = sum((results[name] * weights[f"weight of {name}"]).sum() for name in results)
    gradients = torch.autograd.grad(loss, list(arrays.values()))
    named = zip(arrays, gradients, strict=True)
    return arrays | results | weights | {f"gradient of {name}": value for name, value in named}


def main() -> None:
    torch.set_default_dtype(torch.float64)
    table = {"lengths": LENGTHS}
    for seed, kind in enumerate((torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU)):
        for name, value in numbers(kind, seed).items():
            table[f"{kind.__name__}/{name}"] = value.detach()
    arrays = {name: value.numpy() for name, value in table.items()}
    np.savez_compressed(Path(__file__).with_name("torch_numbers.npz"), **arrays)


if __name__ == "__main__":
    main()
