"""Forecasting: the next values of series, as paths of an LSTM or all at once by a GRU."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from .. import losses
from .._checks import Rate
from ..data import Batch
from ..forecasting import LinearForecast
from ..layers import Layer
from ..training import Fit, SequenceObjective
from ..training import evaluate as held_out_loss
from ._application import Settings, draw_figure, load_model, save_model, train_model
from ._forecast._figure import draw
from ._forecast._network import (
    Direct,
    Rows,
    direct_network,
    initial,
    network_batch,
    path_network,
)
from ._forecast._scores import LIKELIHOODS, Forecaster, report, scored_windows, scores
from ._forecast._series import Table, etth1, made_series, own_series
from ._forecast._write import beyond, figure_windows, write

SETS: dict[str, Callable[[], Table]] = {"made": made_series, "etth1": etth1}


class Config(Settings):
    """The settings of a forecaster.

    Args:
        data: "made", eight hourly series; "etth1", a transformer's load and oil temperature; or
            a .csv file with a header, times in its first column or none, and empty cells at gaps.
        model: "paths", an LSTM that gives the distribution of the next value, for sampled paths;
            or "direct", a GRU beside a linear map, which gives the whole horizon at once.
        horizon: number of steps to forecast.
        context: number of steps before them that the model sees.
        hidden: units of a recurrent layer.
        layers: number of LSTMs of paths.
        dropout: rate before and after the recurrent layer.
        likelihood: of the next value, for paths.
        samples: number of paths.
        season: number of steps of a season; 0 takes it from the times.
    """

    data: str = "made"
    minutes: float = 1.2
    learning_rate: float = 5e-3
    model: Literal["paths", "direct"] = "paths"
    horizon: int = 24
    context: int = 168
    hidden: int = 64
    layers: int = 1
    dropout: Rate = 0.3
    likelihood: Literal["gaussian", "student_t"] = "gaussian"
    samples: int = 100
    season: int = 0


def load(config: Config) -> Table:
    """The series of a run."""
    table = SETS[config.data]() if config.data in SETS else own_series(config.data)
    if config.season:
        table = table._replace(clock=table.clock._replace(periods=(config.season,)))
    return table


def build(config: Config, season: int) -> Layer:
    """The model: inputs `[B, T, 2 + C]` to points `[B, H]`, or to numbers of distributions."""
    if config.model == "direct":
        return direct_network(config, season)
    return path_network(config, LIKELIHOODS[config.likelihood][1])


def objective(config: Config, model: Layer) -> SequenceObjective:
    """The quantity to minimise: the absolute error, or nats per value."""
    name = "absolute_error" if config.model == "direct" else f"{config.likelihood}_loss"
    return SequenceObjective(model, getattr(losses, name))


def learn(config: Config, rows: Rows, model: Layer, line: LinearForecast) -> Fit:
    """Trains; the best state has the lowest loss on the validation windows."""
    batch = partial(network_batch, config.model)
    feed = rows.windows("train", config, config.batch, seed=config.seed).map(batch)
    stride = max(1, config.horizon // 4)
    valid = rows.windows("valid", config, stride=stride).map(batch)
    loss = objective(config, model)
    first: Batch = feed(0)
    params = initial(model, jax.random.key(config.seed), first.inputs.shape[-1], line)
    return train_model(
        config, loss, params, feed, evaluate=lambda s: held_out_loss(loss, s.params, valid)
    )


def train(config: Config, *, out: Path = Path("runs/forecast")) -> None:
    """Train a forecaster, and compare it with the last value, the last season, a linear map.

    Args:
        config: settings of data, model and training.
        out: folder for the model and the figure.
    """
    table = load(config)
    rows, season = Rows.of(table), table.season
    print(f"{len(table.names)} series of {len(table.values)} steps, season {season}, ", end="")
    print(f"{np.isnan(table.values).mean():.1%} missing")
    model = build(config, season)
    line = LinearForecast.fit(rows.windows("train", config))
    run = learn(config, rows, model, line)
    found = Forecaster(model, run.best.params, config.model, config.likelihood, config.samples)
    settings = {name: getattr(config, name) for name in Config.__dataclass_fields__}
    extra = {"settings": settings, "compared": report(config, rows, season, line, found)}
    inputs = 2 + 2 * len(table.clock.periods)
    print(f"\nmodel   {save_model(out, model, found.params, inputs, **extra)}")
    draw_figure(out / "forecast.png", draw, *figure_windows(config, table, rows, line, found))


def trained(folder: Path, data: str | None) -> tuple[Config, Table, Forecaster]:
    """The settings of a trained forecaster, its table or another one, and the forecaster."""
    network, params, extra = load_model(folder, "forecast", (Direct,))
    config = Config(**extra["settings"])
    config = replace(config, data=data or config.data)
    found = Forecaster(network, params, config.model, config.likelihood, config.samples)
    return config, load(config), found


def evaluate(model: Path = Path("runs/forecast"), *, data: str | None = None) -> None:
    """Report the errors of a trained forecaster on test windows, in standard deviations.

    Args:
        model: folder that `train` wrote.
        data: as in `train`; by default the data that it was trained on.
    """
    config, table, found = trained(model, data)
    for name, value in scores(found, scored_windows("test", Rows.of(table), config)).items():
        print(f"{name:10} {value:.3f}")


def use(
    *, model: Path = Path("runs/forecast"), data: str | None = None, out: Path | None = None
) -> None:
    """Forecast the steps beyond the end of a table, as CSV: for paths, mean and quantiles.

    Args:
        model: folder that `train` wrote.
        data: as in `train`; by default the data that it was trained on.
        out: file to write; by default the forecast is printed.
    """
    config, table, found = trained(model, data)
    write(out, table, beyond(table, config.context, config.horizon, found))


COMMANDS = {"train": train, "evaluate": evaluate, "use": use}
