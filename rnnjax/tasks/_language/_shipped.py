"""The character model of the package; `python -m rnnjax.tasks._language._shipped` makes it anew.

It trains for eighteen minutes on two CPU cores, or for as many as its argument says.
"""

import sys
from typing import Any

import jax
import numpy as np

from ...cells import Record
from ...engine import scan
from ...lab._model import DEMO, Demo, write_demo
from ...losses import bits
from ...training import evaluate
from .. import text
from ._data import held_out_windows
from ._network import build, learn, objective

KEPT = (200, 1000, 4000)  # steps; multiples of a round


def train(minutes: float) -> Demo:
    """Trains, and keeps the parameters of five stages."""
    size: Any = {"hidden": 128, "embedding": 32}
    config = text.Config(**size, dropout=0.2, weight_drop=0.3, minutes=minutes)
    data = text.load(config)
    model: Any = build(text.Config(**size), len(data.units))
    loss, windows = objective(model), held_out_windows(data.held_out, config.window)
    start = model.init(jax.random.key(config.seed), None)
    kept: dict[str, Any] = {"untrained": start}

    def keep(state: Any, history: Any) -> None:
        if history[-1]["step"] in KEPT:
            kept[f"step {history[-1]['step']}"] = state.params

    noisy = build(config, len(data.units))  # its parameters have the same structure
    run, params = learn(config, data, noisy, callbacks=(keep,))
    kept["trained"] = params
    measured = tuple(round(bits(evaluate(loss, p, windows)), 3) for p in kept.values())
    version = ".".join(map(str, sys.version_info[:2]))
    about = (
        f"trained for {run.history[-1]['step']:,} steps on the documentation of Python {version}: "
        f"{measured[-1]:.3f} bits per character on the tenth that is held out"
    )
    units = tuple(data.units.saved)
    unit = quotation_unit(model, params, data.held_out, units)
    return Demo(model, units, kept, measured, about, unit)


def quotation_unit(model: Any, params: Any, tokens: Any, units: tuple[str, ...]) -> int:
    """The unit, counted from 1, whose memory tells best what is within quotation marks.

    A. Karpathy, J. Johnson, L. Fei-Fei, Visualizing and understanding recurrent networks, 2015.
    """
    embedding, rnn, *_ = model.layers
    xs = embedding.transform(params[0], tokens)
    _, (_, carries) = scan(Record(rnn.cell), params[1], xs)
    marks = np.cumsum(tokens == units.index('"'))
    before_line = np.maximum.accumulate(np.where(tokens == units.index("\n"), marks, 0))
    inside = (marks - before_line) % 2
    shared = np.corrcoef(carries.c.T, inside)[-1, :-1]
    return 1 + int(np.abs(shared).argmax())


if __name__ == "__main__":
    shipped = train(float(sys.argv[1]) if len(sys.argv) > 1 else 18.0)
    write_demo(DEMO, shipped)
    print(f"{DEMO}: {shipped.about}")
