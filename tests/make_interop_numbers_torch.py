"""Writes interop_numbers_torch.npz: what PyTorch's recurrent modules compute in float64.

    python tests/make_interop_numbers_torch.py

It also writes the file that the notebook `from_pytorch.ipynb` reads. PyTorch is needed here and
in `live/` only.
"""

from pathlib import Path

import numpy as np
import safetensors.torch
import torch  # pyright: ignore[reportMissingImports]

BATCH, STEPS, INPUT, HIDDEN = 2, 4, 3, 5

FORMS = {
    "RNN": torch.nn.RNN(INPUT, HIDDEN, batch_first=True),
    "RNN-relu-2": torch.nn.RNN(INPUT, HIDDEN, 2, nonlinearity="relu", batch_first=True),
    "LSTM": torch.nn.LSTM(INPUT, HIDDEN, batch_first=True),
    "LSTM-2-both": torch.nn.LSTM(INPUT, HIDDEN, 2, bidirectional=True, batch_first=True),
    "LSTM-no-bias": torch.nn.LSTM(INPUT, HIDDEN, bias=False, batch_first=True),
    "LSTM-projected-3-both": torch.nn.LSTM(
        INPUT, HIDDEN, 3, bidirectional=True, proj_size=2, batch_first=True
    ),
    "GRU-both": torch.nn.GRU(INPUT, HIDDEN, bidirectional=True, batch_first=True),
    "GRU-2": torch.nn.GRU(INPUT, HIDDEN, 2, batch_first=True),
    "GRU-no-bias": torch.nn.GRU(INPUT, HIDDEN, bias=False, batch_first=True),
    "RNNCell-relu": torch.nn.RNNCell(INPUT, HIDDEN, nonlinearity="relu"),
    "LSTMCell": torch.nn.LSTMCell(INPUT, HIDDEN),
    "GRUCell": torch.nn.GRUCell(INPUT, HIDDEN),
}


def draw(form: str, seed: int) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """A module with random parameters, and random arguments for it: x, h_0, and an LSTM's c_0."""
    torch.manual_seed(seed)
    module = FORMS[form].double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    if isinstance(module, torch.nn.RNNBase):
        layers = module.num_layers * (1 + module.bidirectional)
        x, lead = (BATCH, STEPS, INPUT), (layers, BATCH)
    else:
        x, lead = (BATCH, INPUT), (BATCH,)
    shapes = {"x": x, "h_0": (*lead, getattr(module, "proj_size", 0) or HIDDEN)}
    if "LSTM" in form:
        shapes["c_0"] = (*lead, HIDDEN)
    return module, {k: torch.randn(s, dtype=torch.float64) for k, s in shapes.items()}


def run(module: torch.nn.Module, arguments: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The outputs y of a module, and its final states; of a cell, the states after one step."""
    x, *states = arguments.values()
    results = module(x, tuple(states) if len(states) == 2 else states[0])
    y, final = results if isinstance(module, torch.nn.RNNBase) else (None, results)
    h, c = final if len(states) == 2 else (final, None)
    named = {"y": y, "h_n": h, "c_n": c}
    return {name: value for name, value in named.items() if value is not None}


class Tagger(torch.nn.Module):
    """The model of the notebook: two bidirectional layers of LSTM and a readout."""

    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.LSTM(2, 8, 2, bidirectional=True, dropout=0.1, batch_first=True)
        self.readout = torch.nn.Linear(16, 3)

    def forward(self, x):
        features, (h_n, c_n) = self.rnn(x)
        return {"logits": self.readout(features), "h_n": h_n, "c_n": c_n}


def write_tagger() -> None:
    """The weights of a model under its own names, an input, and what it computes."""
    torch.manual_seed(0)
    tagger = Tagger().double().eval()
    for parameter in tagger.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    time = torch.arange(80, dtype=torch.float64)
    x = torch.stack([torch.sin(0.2 * time), torch.sign(torch.sin(0.07 * time + 1))], dim=1)[None]
    with torch.no_grad():
        results = tagger(x)
    named = {f"results.{name}": value for name, value in ({"x": x} | results).items()}
    path = Path(__file__).parent.parent / "notebooks" / "from_pytorch.safetensors"
    safetensors.torch.save_file(tagger.state_dict() | named, path)


def main() -> None:
    table = {}
    for seed, form in enumerate(FORMS):
        module, arguments = draw(form, seed)
        table |= {f"{form}/{name}": weight for name, weight in module.state_dict().items()}
        values = arguments | run(module, arguments)
        table |= {f"{name} of {form}": value for name, value in values.items()}
    arrays = {name: value.detach().numpy() for name, value in table.items()}
    np.savez_compressed(Path(__file__).with_name("interop_numbers_torch.npz"), **arrays)
    write_tagger()


if __name__ == "__main__":
    main()
