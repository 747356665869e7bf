"""Text: a character-level language model, beside models that count characters."""

import importlib.util
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
import optax
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .. import cells, interop
from .._checks import Rate, check_above, check_instance
from .._static import Static
from ..data import Alphabet, Batch, Batches, load_text, streams, windows
from ..decoding import generate
from ..layers import RNN, Dense, Dropout, Embedding, Layer, Sequential
from ..losses import bits, cross_entropy
from ..training import (
    Fit,
    TBPTTObjective,
    clipped,
    fit,
    paced,
    train_state,
    train_step,
)
from ..training import evaluate as held_out_loss
from ._ngram import ngram_bits
from ._text_figure import draw

_CELLS = {"lstm": cells.LSTM, "gru": cells.GRU, "elman": cells.Elman}
_HELD_OUT_ROWS = 16
_LARGEST_HELD_OUT = 200_000


class Config(Static):
    """The settings of a character-level language model.

    Args:
        text: a UTF-8 file; by default Python's own documentation.
        cell: kind of recurrent layer.
        hidden: units of every recurrent layer.
        layers: number of recurrent layers.
        embedding: features of a character.
        dropout: rate after the embedding's and every recurrent layer's output.
        minutes: time budget of training; the learning rate falls to zero over it.
        steps: number of steps, instead of a time budget.
        batch: streams learnt side by side.
        window: characters through which a gradient flows back.
        learning_rate: the highest rate, reached after a twentieth of the budget.
        clip: largest global norm of a gradient.
        seed: of parameters, noise and samples.
    """

    _: KW_ONLY
    text: str | None = None
    cell: Literal["lstm", "gru", "elman"] = "lstm"
    hidden: int = 256
    layers: int = 1
    embedding: int = 64
    dropout: Rate = 0.3
    minutes: float = 3.0
    steps: int | None = None
    batch: int = 16
    window: int = 64
    learning_rate: float = 4e-3
    clip: float = 1.0
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        if self.text is not None:
            check_instance("text", self.text, str)
        for name in ("minutes", "learning_rate", "clip"):
            check_above(name, getattr(self, name))


class Data(NamedTuple):
    """A text as tokens."""

    train: np.ndarray  # tokens to learn from
    held_out: np.ndarray  # the tokens after them
    alphabet: Alphabet  # the characters that they stand for


def load(config: Config) -> Data:
    """The data of a run; a tenth of the text, at its end, is held out."""
    text = load_text(config.text)
    alphabet, window = Alphabet.of(text), config.window
    cut = len(text) - min(len(text) // 10, _LARGEST_HELD_OUT)
    if len(text) - cut <= window:
        raise ValueError(
            f"expected a text of at least {10 * (window + 1)} characters, so that a window of "
            f"{window} fits into the tenth that is held out, got {len(text)}"
        )
    tokens = alphabet.encode(text)
    return Data(tokens[:cut], tokens[cut:], alphabet)


def build(config: Config, vocabulary: int) -> Layer:
    """The model: tokens `[B, T]` to logits `[B, T, vocabulary]`."""
    cell = _CELLS[config.cell](config.hidden)
    recurrent = (RNN(cell), Dropout(config.dropout)) * config.layers
    return Sequential((Embedding(vocabulary, config.embedding), *recurrent, Dense(vocabulary)))


def objective(model: Layer) -> TBPTTObjective:
    """The quantity to minimise, in nats per character."""
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


def learn(config: Config, data: Data, model: Layer) -> Fit:
    """Trains with `fit`; Ctrl-C ends it early and keeps the parameters of the last round."""
    optimizer = clipped(optax.inject_hyperparams(optax.adamw)(0.0, b2=0.99), config.clip)
    feed, loss = batches(data.train, config), objective(model)
    key_params, key = jax.random.split(jax.random.key(config.seed))
    params = model.init(key_params, None)
    state = train_state(params, optimizer, key, loss.init_carry(params, feed(0)))
    peak = optax.warmup_cosine_decay_schedule(0.0, config.learning_rate, 50, 1000)
    budget: Any = {"stop": 60 * config.minutes} if config.steps is None else {"steps": config.steps}
    step = paced(train_step(loss, optimizer), lambda share: peak(1000 * share), **budget)
    rounds: list[Fit] = []
    keep = (lambda state, history: rounds.append(Fit(state, state, history)),)
    held_out = _windows(data.held_out, config.window)
    try:
        return fit(step, state, feed, eval_every=200, evaluate=held_out, callbacks=keep, **budget)
    except KeyboardInterrupt:
        if not rounds:
            raise ValueError("stopped before the end of the first round: nothing to keep") from None
        print(f"interrupted; keeping the parameters of step {rounds[-1].history[-1]['step']}")
        return rounds[-1]


def train(config: Config, *, out: Path = Path("runs/text"), prompt: str | None = None) -> None:
    """Train on a text, and let the network write.

    Args:
        config: settings of model and training.
        out: folder for the model and the figure.
        prompt: text to continue; by default the start of the held-out text.
    """
    console = Console(highlight=False)
    data = load(config)
    prompt = data.alphabet.decode(data.held_out[:40]) if prompt is None else prompt
    data.alphabet.encode(prompt)
    model = build(config, len(data.alphabet))
    console.print(
        f"{config.cell.upper()}, {config.layers} x {config.hidden} units, on "
        f"{len(data.train):,} characters; {len(data.held_out):,} are held out"
    )
    baselines = counted(data)
    run = learn(config, data, model)
    result = bits(run.history[-1]["eval_loss"])
    _compare(console, baselines, result)
    out.mkdir(parents=True, exist_ok=True)
    extra = {"alphabet": data.alphabet.characters, "bits per character": result}
    interop.save(out / "model.safetensors", model, run.state.params, extra=extra)
    use(out, prompt=prompt)
    console.print(f"\nmodel   {out / 'model.safetensors'}")
    if importlib.util.find_spec("matplotlib") is None:
        console.print("figure  none: it needs matplotlib (pip install 'rnnjax[plots]')")
    else:
        draw(out / "learning_curve.png", run.history, baselines, config.clip)
        console.print(f"figure  {out / 'learning_curve.png'}")


def evaluate(model: Path = Path("runs/text"), *, text: str | None = None) -> None:
    """Report the bits per character of a trained network on a text.

    Args:
        model: folder that `train` wrote.
        text: a UTF-8 file; by default the held-out part of Python's own documentation.
    """
    network, params, alphabet = _trained(model)
    characters = load_text(text)
    if text is None:
        characters = characters[-min(len(characters) // 10, _LARGEST_HELD_OUT) :]
    tokens = alphabet.encode(characters)
    loss = held_out_loss(objective(network), params, _windows(tokens, 64))
    print(f"{bits(loss):.3f} bits per character on {len(tokens):,} characters")


def use(
    model: Path = Path("runs/text"),
    *,
    prompt: str = "\n",
    length: int = 400,
    temperature: float = 0.7,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> None:
    """Continue a text with a trained network.

    Args:
        model: folder that `train` wrote.
        prompt: text to continue.
        length: characters to write.
        temperature: below 1, likely characters become likelier; 0 takes the likeliest.
        top_k: number of likeliest characters to choose from.
        top_p: probability that the characters to choose from must have together.
        seed: of the samples.
    """
    network, params, alphabet = _trained(model)
    if not prompt:
        raise ValueError("expected a prompt of at least one character, got an empty one")
    tokens = generate(
        network,
        params,
        alphabet.encode(prompt),
        jax.random.key(seed),
        length=length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
    )
    written = escape(alphabet.decode(tokens))
    Console(highlight=False).print(f"[bold]{escape(prompt)}[/]{written}", soft_wrap=True)


COMMANDS = {"train": train, "evaluate": evaluate, "use": use}


def counted(data: Data) -> dict[str, float]:
    """The bits per held-out character of models that count characters."""
    orders = {"unigram": 1, "trigram": 3, "interpolated 5-gram": 5}
    return {
        name: ngram_bits(data.train, data.held_out, order=order, vocabulary=len(data.alphabet))
        for name, order in orders.items()
    }


def _windows(tokens: np.ndarray, window: int) -> Any:
    rows = min(_HELD_OUT_ROWS, len(tokens) // (window + 1))
    return windows(streams(tokens, max(rows, 1)), window)


def _compare(console: Console, baselines: dict[str, float], result: float) -> None:
    table = Table("held-out text", "bits per character", title="Lower is better")
    table.columns[1].justify = "right"
    for name, value in baselines.items():
        table.add_row(name, f"{value:.3f}")
    table.add_row("this network", f"{result:.3f}", style="bold")
    console.print(table)


def _trained(folder: Path) -> tuple[Layer, Any, Alphabet]:
    """A network that `train` wrote, with its parameters and alphabet."""
    path = folder / "model.safetensors"
    if not path.is_file():
        raise ValueError(f"expected a model that 'rnnjax text train' wrote, got no file {path}")
    network, params = interop.load(path)
    return network, params, Alphabet(interop.read_extra(path)["alphabet"])
