"""Text: a language model of characters, words or pieces, beside models that count."""

import math
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from rich.console import Console
from rich.markup import escape

from .. import cells
from .._checks import Rate
from ..data import Batch, Batches, data_file, load_text, streams, windows
from ..decoding import generate
from ..layers import RNN, Dense, Dropout, Embedding, Layer, Sequential, Tied
from ..losses import bits, cross_entropy
from ..training import Fit, TBPTTObjective, average_of
from ..training import evaluate as held_out_loss
from ._application import Settings, compare, draw_figure, load_model, save_model, train_model
from ._language._figure import draw
from ._language._ngram import ngram_bits
from ._language._units import Unit, Units

_CELLS = {"lstm": cells.LSTM, "gru": cells.GRU, "elman": cells.Elman}
_HELD_OUT_ROWS = 16
_LARGEST_HELD_OUT = 200_000


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


class Data(NamedTuple):
    """A text as tokens."""

    train: np.ndarray  # tokens to learn from
    held_out: np.ndarray  # the tokens after them
    units: Units  # the tokens' meaning
    text: str  # the beginning of the held-out text


def read(data: str) -> str:
    """The text of a data set or of a file."""
    if data != "shakespeare":
        return load_text(None if data == "documentation" else data)
    url = (
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
    )
    checksum = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
    return load_text(data_file("text/tinyshakespeare.txt", url=url, sha256=checksum))


def load(config: Config) -> Data:
    """The data of a run; a tenth of the text, at its end, is held out."""
    text = read(config.data)
    cut = len(text) - min(len(text) // 10, _LARGEST_HELD_OUT)
    # Every character has a token; rare words are unknown, by the text to learn from.
    units = Units.of(config.unit, text if config.unit == "characters" else text[:cut])
    train, held_out = units.encode(text[:cut]), units.encode(text[cut:])
    if len(held_out) <= config.window:
        raise ValueError(
            f"expected a text of at least {10 * (config.window + 1)} {config.unit}, so that a "
            f"window of {config.window} fits into the tenth that is held out, got "
            f"{len(train) + len(held_out)}"
        )
    return Data(train, held_out, units, text[cut : cut + 1000])


def build(config: Config, vocabulary: int) -> Layer:
    """The model: tokens `[B, T]` to logits `[B, T, vocabulary]`."""
    cell = _CELLS[config.cell](config.hidden)
    cell = cells.WeightDrop(cell, config.weight_drop) if config.weight_drop else cell
    noise = Dropout(config.dropout, per_sequence=config.per_sequence)
    recurrent, embedding = (RNN(cell), noise) * config.layers, (vocabulary, config.embedding)
    if config.tied:
        last = () if config.hidden == config.embedding else (Dense(config.embedding),)
        first = Embedding(*embedding, scale=config.embedding**-0.5)
        return Tied(first, Sequential((noise, *recurrent, *last)))
    return Sequential((Embedding(*embedding), *recurrent, Dense(vocabulary)))


def objective(model: Layer) -> TBPTTObjective:
    """The quantity to minimise, in nats per token."""
    return TBPTTObjective(model, cross_entropy)


def batches(tokens: np.ndarray, config: Config) -> Batches:
    """Windows of a text; every epoch starts at another place, so that they differ."""
    rows = min(config.batch, len(tokens) // (config.window + 1))
    rest = len(tokens) % config.window
    count = ((len(tokens) - rest) // rows - 1) // config.window

    def batch(epoch: int, index: int) -> Batch:
        offset = np.random.default_rng((config.seed, epoch)).integers(rest + 1)
        return windows(streams(tokens[offset:], rows), config.window)(index)

    return Batches(batch, count)


def held_out_windows(tokens: np.ndarray, window: int) -> Any:
    """Windows of a held-out text."""
    rows = min(_HELD_OUT_ROWS, len(tokens) // (window + 1))
    return windows(streams(tokens, max(rows, 1)), window)


def learn(config: Config, data: Data, model: Layer) -> tuple[Fit, Any]:
    """Trains; gives the run, and the parameters after its last step or their average."""
    feed, loss = batches(data.train, config), objective(model)
    params = model.init(jax.random.key(config.seed), None)
    held_out = held_out_windows(data.held_out, config.window)

    def chosen(state: Any) -> Any:
        return average_of(state.opt_state) if config.average else state.params

    run = train_model(
        config,
        loss,
        params,
        feed,
        carry=loss.init_carry(params, feed(0)),
        b2=0.99,
        average=config.average,
        evaluate=lambda state: held_out_loss(loss, chosen(state), held_out),
        eval_every=200,
    )
    return run, chosen(run.state)


def measure(nats: float, unit: str) -> tuple[str, float]:
    """A mean cross-entropy in the field's measure: bits for characters, else perplexity."""
    if unit == "characters":
        return "bits per character", bits(nats)
    return f"perplexity by {unit[:-1]}", math.exp(nats)


def counted(data: Data) -> dict[str, float]:
    """The nats per held-out token of models that count."""
    orders = {"unigram": 1, "trigram": 3, "interpolated 5-gram": 5}
    return {
        name: math.log(2)
        * ngram_bits(data.train, data.held_out, order=order, vocabulary=len(data.units))
        for name, order in orders.items()
    }


def train(config: Config, *, out: Path = Path("runs/text"), prompt: str | None = None) -> None:
    """Train on a text, and let the network write.

    Args:
        config: settings of data, model and training.
        out: folder for the model and the figure.
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
    rows = {name: measure(nats, unit)[1] for name, nats in counted(data).items()}
    run, params = learn(config, data, model)
    name, result = measure(run.history[-1]["eval_loss"], unit)
    compare("held-out text", name, {**rows, "this network": result})
    known = {"unit": unit, "units": data.units.saved, "data": config.data}
    path = save_model(out, model, params, **known, **{name: result})
    use(out, prompt=prompt)
    print(f"\nmodel   {path}")
    draw_figure(out / "learning_curve.png", draw, run.history, rows, config.clip, unit)


def evaluate(model: Path = Path("runs/text"), *, data: str | None = None) -> None:
    """Report how well a trained network predicts a text.

    Args:
        model: folder that `train` wrote.
        data: a UTF-8 file; by default the held-out part of the text that it was trained on.
    """
    network, params, extra = load_model(model, "text")
    text, units = read(data or extra["data"]), Units(extra["unit"], extra["units"])
    if data is None:
        text = text[-min(len(text) // 10, _LARGEST_HELD_OUT) :]
    tokens = units.encode(text)
    loss = held_out_loss(objective(network), params, held_out_windows(tokens, 64))
    name, result = measure(loss, units.unit)
    print(f"{result:.3f} {name} on {len(tokens):,} {units.unit}")


def use(
    model: Path = Path("runs/text"),
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
        model: folder that `train` wrote.
        prompt: text to continue.
        length: tokens to write.
        temperature: below 1, likely tokens become likelier; 0 takes the likeliest.
        top_k: number of likeliest tokens to choose from.
        top_p: probability that the tokens to choose from must have together.
        min_p: least probability of a token, relative to the likeliest.
        seed: of the samples.
    """
    network, params, extra = load_model(model, "text")
    units = Units(extra["unit"], extra["units"])
    start = units.encode(prompt)
    if not len(start):
        raise ValueError("expected a prompt of at least one token, got an empty one")
    options: Any = {"top_k": top_k, "top_p": top_p, "min_p": min_p, "temperature": temperature}
    tokens = generate(network, params, start, jax.random.key(seed), length=length, **options)
    between = " " * (units.unit == "words")
    written = escape(between + units.decode(tokens))
    Console(highlight=False).print(f"[bold]{escape(prompt)}[/]{written}", soft_wrap=True)


COMMANDS = {"train": train, "evaluate": evaluate, "use": use}
