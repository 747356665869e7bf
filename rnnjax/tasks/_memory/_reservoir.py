"""A series in a reservoir: its readout solved at once, and free runs that continue it."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ... import cells
from ..._checks import check_positive
from .._application import compare
from ._figure import draw_attractor
from ._learnt import Learnt
from ._series import (
    Scale,
    Series,
    error,
    forecasts,
    free_run,
    load_series,
    read_series,
    solve,
    states_of,
    test_runs,
)

_FREE = 2000  # steps of the attractor's picture
_OPTIONS = ("spectral_radius", "density", "input_scale", "leak")


def load(config: Any) -> Series:
    """The series to continue."""
    return load_series(config.data or "mackey-glass", config.horizon)


def build(config: Any, size: int) -> cells.EchoState:
    """An echo state network; its inputs and outputs are two, whatever the size of the data."""
    return cells.EchoState(config.hidden, 2, **{name: getattr(config, name) for name in _OPTIONS})


def learn(config: Any) -> Learnt:
    """Solves the readout of a reservoir, and compares how far its free runs are right."""
    series, cell = load(config), build(config, 2)
    scale = Scale.of(series.train)
    params = cell.init(jax.random.key(config.seed), 2, dtype=jnp.float64)
    params, ridge = solve(cell, params, series, scale, config.horizon, config.washout)
    sizes = ", ".join(f"{len(part)} {name}" for name, part in series._asdict().items())
    print(f"values: {sizes}; ridge {ridge:g}")
    runs = test_runs(cell, params, series, scale, config.horizon)
    rows = forecasts(series, scale, config.horizon) | {"this network": error(*runs, series)}
    compared = compare("free runs", f"NRMSE after {config.horizon} steps", rows, "{:.5f}".format)
    state = states_of(cell, params, scale.inputs(np.concatenate(series[:2])))[-1]
    free = scale.values(free_run(cell, params, state, steps := min(_FREE, len(series.test))))
    figures = {"attractor.png": (draw_attractor, series.test[:steps], free)}
    return Learnt(cell, params, 2, {"scale": [*scale], "compared": compared}, figures)


def evaluate(config: Any, cell: cells.EchoState, params: Any, extra: Any) -> None:
    """Prints errors by the length of a free run."""
    series, scale = load(config), Scale(*extra["scale"])
    runs, places = test_runs(cell, params, series, scale, config.horizon)
    for steps in np.unique(np.linspace(1, config.horizon, 5).astype(int)):
        print(f"NRMSE after {steps:3} steps  {error(runs[:steps], places, series):.5f}")


def use(path: Path, steps: int, cell: cells.EchoState, params: Any, extra: Any) -> None:
    """Prints the values that follow a series."""
    steps, scale = check_positive("steps", steps), Scale(*extra["scale"])
    states = states_of(cell, params, scale.inputs(read_series(path)))
    print(*scale.values(free_run(cell, params, states[-1], steps)), sep="\n")
