"""Text: a language model of characters, words or pieces, beside models that count."""

from pathlib import Path
from typing import Any, Literal

import jax
from rich.console import Console
from rich.markup import escape

from .. import lab
from .._checks import Rate
from ..decoding import generate
from ..training import evaluate as mean_loss
from ._application import MODEL, Settings, compare, draw_figure, load_model, save_model
from ._language._data import held_out_windows, load, read, split
from ._language._figure import draw
from ._language._network import build, learn, objective
from ._language._ngram import counting_models
from ._language._units import Unit, Units, measure

_FOLDER = Path("runs/text")


class Config(Settings):
    """The settings of a language model.

    Args:
        data: "documentation", Python's own; "shakespeare", a million characters of his plays; or
            a UTF-8 file.
        unit: a token: a character, a word, or a piece of a word (byte pairs).
        cell: kind of recurrent layer.
        hidden: units of every recurrent layer.
        layers: number of recurrent layers.
        embedding: features of a token.
        tied: whether the output weights are the embedding; `hidden` units then are mapped to
            `embedding` ones.
        dropout: rate after the embedding's and every recurrent layer's output.
        per_sequence: whether dropout takes one mask for all steps of a window.
        weight_drop: rate of recurrent weights that are dropped.
        window: tokens through which a gradient flows back.
        average: decay of an average of the parameters, such as 0.999; 0 for none.
    """

    data: str = "documentation"
    minutes: float = 3.0
    batch: int = 16
    learning_rate: float = 4e-3
    unit: Unit = "characters"
    cell: Literal["lstm", "gru", "elman"] = "lstm"
    hidden: int = 256
    layers: int = 1
    embedding: int = 64
    tied: bool = False
    dropout: Rate = 0.3
    per_sequence: bool = False
    weight_drop: Rate = 0.0
    window: int = 64
    average: Rate = 0.0


def train(config: Config, *, out: Path = _FOLDER, prompt: str | None = None) -> None:
    """Train on a text, and let the network write.

    Args:
        config: settings of data, model and training.
        out: folder for the model, the figure, and the page in which a model of characters writes.
        prompt: text to continue; by default the start of the held-out text.
    """
    data, unit = load(config), config.unit
    prompt = data.text[:40] if prompt is None else prompt
    data.units.encode(prompt)
    model = build(config, len(data.units))
    print(
        f"{config.cell.upper()}, {config.layers} x {config.hidden} units, on "
        f"{len(data.train):,} {unit}, {len(data.units):,} different; "
        f"{len(data.held_out):,} are held out"
    )
    counting = counting_models(data.train, data.held_out, len(data.units))
    rows = {name: measure(nats, unit)[1] for name, nats in counting.items()}
    run, params = learn(config, data, model)
    name, result = measure(run.history[-1]["eval_loss"], unit)
    compared = compare("held-out text", name, {**rows, "this network": result})
    known = {"unit": unit, "units": data.units.saved, "data": config.data}
    path = save_model(out, model, params, **known, compared=compared)
    use(out, prompt=prompt)
    print(f"\nmodel   {path}")
    if unit == "characters":
        print(f"page    {lab.save(out / 'page.html', model, params, units=data.units.saved)}")
    draw_figure(out / "learning_curve.png", draw, run.history, rows, config.clip, unit)


def evaluate(model: Path = _FOLDER, *, data: str | None = None) -> None:
    """Report how well a trained network predicts a text.

    Args:
        model: folder that `train` wrote.
        data: a UTF-8 file; by default the held-out part of the text that it was trained on.
    """
    network, params, extra = load_model(model, "text")
    units = Units(extra["unit"], extra["units"])
    tokens = units.encode(split(read(extra["data"]))[1] if data is None else read(data))
    loss = mean_loss(objective(network), params, held_out_windows(tokens, 64))
    name, result = measure(loss, units.unit)
    print(f"{result:.3f} {name} on {len(tokens):,} {units.unit}")


def use(
    model: Path = _FOLDER,
    *,
    prompt: str = "\n",
    length: int = 400,
    temperature: float = 0.7,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    seed: int = 0,
) -> None:
    """Continue a text with a trained network.

    Args:
        model: folder that `train` wrote; without a model in the usual one, the package's writes.
        prompt: text to continue.
        length: tokens to write.
        temperature: below 1, likely tokens become likelier; 0 takes the likeliest.
        top_k: number of likeliest tokens to choose from.
        top_p: probability that the tokens to choose from must have together.
        min_p: least probability of a token, relative to the likeliest.
        seed: of the samples.
    """
    network, params, units = _trained(model)
    start = units.encode(prompt)
    if not len(start):
        raise ValueError("expected a prompt of at least one token, got an empty one")
    options: Any = {"top_k": top_k, "top_p": top_p, "min_p": min_p, "temperature": temperature}
    tokens = generate(network, params, start, jax.random.key(seed), length=length, **options)
    between = " " * (units.unit == "words")
    written = escape(between + units.decode(tokens))
    Console(highlight=False).print(f"[bold]{escape(prompt)}[/]{written}", soft_wrap=True)


def _trained(folder: Path) -> tuple[Any, Any, Units]:
    """The model that was trained last, or the package's."""
    if folder == _FOLDER and not (folder / MODEL).is_file():
        shipped = lab.demo()
        print(f"no model in {folder} yet, so the package's writes, {shipped.about}\n")
        return shipped.model, [*shipped.snapshots.values()][-1], Units("characters", shipped.units)
    network, params, extra = load_model(folder, "text")
    return network, params, Units(extra["unit"], extra["units"])


COMMANDS = {"train": train, "evaluate": evaluate, "use": use}
