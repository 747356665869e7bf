"""Long-term memory: adding, copying, and sequences of pixels with a label, by any cell."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import jax

from .._checks import Rate, check_positive
from ..layers import Sequential
from ..training import Fit, SequenceObjective
from ._application import Settings, draw_figure, load_model, save_model, train_model
from ._digits import mnist, sklearn_digits
from ._longterm._copying import CopyProblem
from ._longterm._figure import draw
from ._longterm._labels import LabelProblem
from ._longterm._network import answers, initial, network
from ._longterm._problem import Problem
from ._longterm._sequences import digit_sequences, own_sequences
from ._longterm._sums import AddingProblem

FRESH = {"adding": AddingProblem, "copy": CopyProblem}
DIGITS = {"digits": sklearn_digits, "mnist": mnist}


class Config(Settings):
    """The settings of a network that must remember.

    Args:
        data: "adding", two of many numbers; "copy", ten symbols and many blanks; "digits",
            small pictures; "mnist", larger ones; or a .csv or .tsv file with a row for each
            sequence, its label and then its values, as in the UCR archive.
        length: numbers of a sequence to add, or blanks before symbols are repeated.
        read: the steps of a picture: "pixels", its "rows", or its pixels in an order that the seed
            gives, "permuted".
        cell: the recurrent cell.
        hidden: units of a recurrent layer.
        layers: number of recurrent layers.
        dropout: rate after every recurrent layer.
        chrono: whether the biases of an LSTM start with memories of all durations.
        radius: smallest initial modulus of an LRU's eigenvalues.
    """

    data: str = "adding"
    minutes: float = 1.5
    learning_rate: float = 5e-3
    length: int = 200
    read: Literal["pixels", "rows", "permuted"] = "pixels"
    cell: Literal["LSTM", "GRU", "Elman", "IndRNN", "MinGRU", "LRU"] = "LSTM"
    hidden: int = 64
    layers: int = 1
    dropout: Rate = 0.0
    chrono: bool = True
    radius: Rate = 0.99

    def __post_init__(self):
        super().__post_init__()
        check_positive("length", self.length, least=2)


def load(config: Config) -> Problem:
    """The problem of a run."""
    if config.data in FRESH:
        return FRESH[config.data](config.length, config.batch, config.seed)
    if config.data in DIGITS:
        sequences = digit_sequences(DIGITS[config.data](), config.read, config.seed)
    else:
        sequences = own_sequences(config.data)
    return LabelProblem(sequences, config.batch, config.read, config.seed)


def build(config: Config, problem: Problem) -> Sequential:
    """The model: inputs `[B, T, F]` or tokens `[B, T]` to an answer a sequence, or a step."""
    noise, radius = config.dropout, config.radius
    return network(problem, config.cell, config.hidden, config.layers, noise, radius)


def objective(problem: Problem, model: Sequential) -> SequenceObjective:
    """The quantity to minimise: the squared error, or nats per step or sequence."""
    return SequenceObjective(model, problem.loss)


def learn(config: Config, problem: Problem, model: Sequential) -> Fit:
    """Trains; the best state has the lowest loss on the sequences to choose by."""
    params = initial(model, jax.random.key(config.seed), problem, config.chrono)
    return train_model(config, objective(problem, model), params, problem.feed, **problem.held_out)


def train(config: Config, *, out: Path = Path("runs/longterm")) -> None:
    """Train a network, and compare it with answers that need no memory.

    Args:
        config: settings of problem, model and training.
        out: folder for the model and the figure.
    """
    problem = load(config)
    model = build(config, problem)
    print(f"sequences of {problem.steps} steps; {problem.count} in the test")
    run = learn(config, problem, model)
    params = run.best.params
    compared = problem.report(objective(problem, model), params)
    path = save_model(
        out, model, params, problem.input_size, settings=asdict(config), compared=compared
    )
    print(f"\nmodel   {path}")
    by_step = problem.by_step(answers(model, params, problem.test[0]), problem.test[0])
    title = f"{config.cell}({config.hidden}) on {config.data}, sequences of {problem.steps} steps"
    first, last = problem.measures[0], problem.measures[-1]
    draw_figure(out / "memory.png", draw, title, run.history, first, by_step, last)


def evaluate(model: Path = Path("runs/longterm"), *, length: int | None = None) -> None:
    """Report the test scores of a trained network beside trivial ones.

    Args:
        model: folder that `train` wrote.
        length: as in `train`; another one than in training shows whether the network needs it.
    """
    network, params, config = trained(model)
    problem = load(replace(config, length=config.length if length is None else length))
    problem.report(objective(problem, network), params)


def use(given: str | None = None, *, model: Path = Path("runs/longterm"), number: int = 0) -> None:
    """Answer for a sequence, step by step.

    Args:
        given: numbers, two of them with a star ("0.3 0.9* 0.5 0.2*"); ten digits to repeat
            ("3141526535"); a picture of a digit in dark ink; or the values of a sequence. By
            default a sequence of the test.
        model: folder that `train` wrote.
        number: of the sequence of the test.
    """
    network, params, config = trained(model)
    problem = load(config)
    batch = problem.example(number) if given is None else problem.parse(given)
    for line in problem.describe(batch, answers(network, params, batch)[0]):
        print(line)


def trained(folder: Path) -> tuple[Sequential, Any, Config]:
    """The network that `train` wrote, its parameters and its settings."""
    network, params, extra = load_model(folder, "longterm")
    return network, params, Config(**extra["settings"])


COMMANDS = {"train": train, "evaluate": evaluate, "use": use}
