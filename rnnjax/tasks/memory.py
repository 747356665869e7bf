"""Memory: pictures recalled from damaged ones, and a chaotic series continued."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import KW_ONLY
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import jax

from .._checks import Rate, check_above
from .._static import Static
from ._application import draw_figure, load_model, save_model
from ._memory import _recall, _reservoir
from ._memory._figure import draw_attractor as draw_attractor
from ._memory._figure import draw_capacity as draw_capacity
from ._memory._figure import draw_recall as draw_recall
from ._memory._patterns import answers as answers
from ._memory._patterns import as_text as as_text
from ._memory._patterns import complete as complete
from ._memory._patterns import damaged as damaged
from ._memory._patterns import recall as recall
from ._memory._patterns import right as right
from ._memory._series import Scale as Scale
from ._memory._series import error as error
from ._memory._series import forecasts as forecasts
from ._memory._series import free_run as free_run
from ._memory._series import solve as solve
from ._memory._series import states_of as states_of
from ._memory._series import test_runs as test_runs


class Config(Static):
    """The settings of a memory. Nothing is trained by gradients: patterns are stored at once.

    Args:
        model: for pictures "hopfield", unit after unit; "synchronous", all units at once; or
            "modern", with continuous states. For a series "echo", an echo state network.
        data: "digits" or "mnist"; a folder of images of one size; or a text file of pictures in
            `#` and `.`, an empty line between. For a series "mackey-glass", or a `.csv` or `.tsv`
            whose last column it is.
        patterns: number of pictures to store.
        rule: how a Hopfield network stores them.
        beta: inverse temperature of the modern network.
        noise: share of the pixels of a cue that are wrong.
        hidden: units of the reservoir.
        spectral_radius: largest modulus of its eigenvalues.
        density: share of its connections.
        input_scale: largest weight of an input.
        leak: share of a unit that a step replaces.
        washout: first steps that do not count.
        horizon: steps of a free run whose last error is reported.
        seed: of noise and reservoir.
    """

    _: KW_ONLY
    model: Literal["hopfield", "synchronous", "modern", "echo"] = "hopfield"
    data: str | None = None
    patterns: int = 10
    rule: Literal["hebb", "pseudo-inverse"] = "pseudo-inverse"
    beta: float = 1.0
    noise: Rate = 0.2
    hidden: int = 400
    spectral_radius: float = 0.95
    density: float = 0.05
    input_scale: float = 0.3
    leak: float = 0.5
    washout: int = 1000
    horizon: int = 84
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        check_above("beta", self.beta)
        build(self, 1)


def load(config: Config) -> Any:
    """The data of a run: `Pictures`, or a `Series`."""
    return _kind(config.model).load(config)


def build(config: Config, size: int) -> Any:
    """The cell: a memory of pictures of `size` pixels, or an echo state network."""
    return _kind(config.model).build(config, size)


def train(config: Config, *, out: Path = Path("runs/memory")) -> None:
    """Store pictures, or solve the readout of a reservoir; compare with simpler answers.

    Args:
        config: settings of data and model.
        out: folder for the model and the figures.
    """
    with precision(config.model):
        *model, extra, figures = _kind(config.model).learn(config)
        print(f"\nmodel   {save_model(out, *model, config={**vars(config)}, **extra)}")
        for name, (draw, *arguments) in figures.items():
            draw_figure(out / name, draw, *arguments)


def evaluate(model: Path = Path("runs/memory"), *, data: str | None = None) -> None:
    """Report recall by the damage of the cue, or errors by the length of a free run.

    Args:
        model: folder that `train` wrote.
        data: a series, as in `train`; by default the data that it was trained on.
    """
    with _loaded(model) as (kind, given, *learnt):
        kind.evaluate(Config(**given | ({"data": data} if data else {})), *learnt)


def use(path: Path, *, steps: int = 84, model: Path = Path("runs/memory")) -> None:
    """Repair damaged pictures, or continue a series.

    Args:
        path: pictures as in `train`, in which `?` is an unknown pixel; or a table whose last
            column is the series.
        steps: number of values to add to a series.
        model: folder that `train` wrote.
    """
    with _loaded(model) as (kind, _, *learnt):
        kind.use(path, steps, *learnt)


def precision(model: str) -> Any:
    """The context in which a model computes: a reservoir in float64."""
    return jax.enable_x64(True) if model == "echo" else nullcontext()


def _kind(model: str) -> ModuleType:
    """The functions of a model: those for a series, or those for pictures."""
    return _reservoir if model == "echo" else _recall


@contextmanager
def _loaded(folder: Path) -> Iterator[Any]:
    """The functions, the settings and the rest of a saved model, in the precision that it needs."""
    with jax.enable_x64(True):  # without it, numbers of the file would be cut
        cell, params, extra = load_model(folder, "memory")
    given = extra["config"]
    with precision(given["model"]):
        yield _kind(given["model"]), given, cell, params, extra


COMMANDS = {"train": train, "evaluate": evaluate, "use": use}
