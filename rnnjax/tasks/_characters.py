"""A language model over characters: its layers, its training, and its file."""

import json
import time
from collections.abc import Iterator
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax.tree_util import keystr, tree_flatten_with_path
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .. import cells
from .._static import Static
from ..layers import RNN, Dense, Dropout, Embedding, Layer, Sequential
from ..training import (
    Batch,
    TBPTTObjective,
    bits,
    clipped,
    cross_entropy,
    evaluate,
    streams,
    train_state,
    train_step,
    windows,
)
from ._text import Alphabet

CELLS = ("lstm", "gru", "elman")
_CLASSES = {name.lower(): name for name in ("LSTM", "GRU", "Elman")}
_HELD_OUT_ROWS = 16


class CharacterModel(Static):
    """Sizes of a character model.

    Args:
        characters: the alphabet, as one string.
        cell: "lstm", "gru" or "elman".
        hidden: units of every recurrent layer.
        layers: number of recurrent layers.
        embedding: features of a character's vector.
        dropout: rate after the embedding's and every recurrent layer's output.
    """

    characters: str
    _: KW_ONLY
    cell: str = "lstm"
    hidden: int = 256
    layers: int = 1
    embedding: int = 64
    dropout: float = 0.3

    def __post_init__(self):
        super().__post_init__()
        if self.cell not in CELLS:
            raise ValueError(f"expected cell to be one of {', '.join(CELLS)}, got {self.cell!r}")

    @property
    def alphabet(self) -> Alphabet:
        """The alphabet."""
        return Alphabet(self.characters)

    def layer(self) -> Layer:
        """The model: tokens `[B, T]` to logits `[B, T, vocabulary]`."""
        vocabulary = len(self.characters)
        cell = getattr(cells, _CLASSES[self.cell])(self.hidden)
        recurrent = (RNN(cell), Dropout(self.dropout)) * self.layers
        return Sequential((Embedding(vocabulary, self.embedding), *recurrent, Dense(vocabulary)))


class Training(Static):
    """How to train a character model.

    Args:
        minutes: time budget; the learning rate falls to zero over it.
        steps: number of steps, instead of a time budget.
        batch: rows of a batch, each a stream of its own.
        window: characters through which the gradient flows back.
        learning_rate: the highest rate, reached after a twentieth of the budget.
        clip: the global norm to which a gradient is clipped.
        seed: of parameters and noise.
    """

    _: KW_ONLY
    minutes: float = 3.0
    steps: int | None = None
    batch: int = 16
    window: int = 64
    learning_rate: float = 4e-3
    clip: float = 1.0
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        for name in ("minutes", "learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"expected {name} to be above 0, got {getattr(self, name)!r}")

    def rate(self, fraction: float) -> float:
        """The learning rate once `fraction` of the budget is used up: warm-up, then cosine."""
        schedule = optax.warmup_cosine_decay_schedule(0.0, self.learning_rate, 50, 1000)
        return np.asarray(schedule(1000 * fraction)).item()


class Split(NamedTuple):
    """Tokens to learn from, and the tokens after them, which are held out."""

    train: np.ndarray
    held_out: np.ndarray


class Progress(NamedTuple):
    """Where training stands; losses in bits per character."""

    step: int
    fraction: float
    seconds: float
    loss: float
    gradient_norm: float
    held_out: float | None
    params: Any


def split(tokens: np.ndarray, window: int, held_out: float = 0.1, most: int = 200_000) -> Split:
    """Holds out the end of a text: a tenth of it, but no more than `most` characters."""
    cut = len(tokens) - min(int(held_out * len(tokens)), most)
    if len(tokens) - cut <= window:
        raise ValueError(
            f"expected a text of at least {round((window + 1) / held_out)} characters, so that a "
            f"window of {window} fits into the tenth that is held out, got {len(tokens)}"
        )
    return Split(tokens[:cut], tokens[cut:])


def held_out_bits(model: Layer, params: Any, tokens: np.ndarray, window: int) -> float:
    """Bits per character on held-out tokens."""
    rows = min(_HELD_OUT_ROWS, len(tokens) // (window + 1))
    held_out, carry = windows(streams(tokens, rows), window), model.init_carry(params, (rows,))
    return bits(evaluate(TBPTTObjective(model, cross_entropy), params, held_out, carry))


def train(model: Layer, data: Split, how: Training, evaluations: int = 12) -> Iterator[Progress]:
    """Trains, and yields after every step; the parameters of the last one are the result.

    The clock starts after the first step, which compiles. The held-out loss is taken
    `evaluations - 1` times on the way.
    """
    optimizer = clipped(optax.inject_hyperparams(optax.adamw)(0.0, b2=0.99), how.clip)
    rows = min(how.batch, len(data.train) // (how.window + 1))
    key_params, key = jax.random.split(jax.random.key(how.seed))
    params = model.init(key_params, 0)
    state = train_state(params, optimizer, key, model.init_carry(params, (rows,)))
    step = train_step(TBPTTObjective(model, cross_entropy), optimizer)
    due, start = 1 / evaluations, None
    for count, batch in enumerate(_epochs(data.train, rows, how)):
        seconds = 0.0 if start is None else time.monotonic() - start
        fraction = seconds / (60 * how.minutes) if how.steps is None else count / how.steps
        if fraction >= 1:
            return
        opt_state = optax.tree.set(state.opt_state, learning_rate=how.rate(fraction))
        state, metrics = step(state._replace(opt_state=opt_state), batch)
        loss, norm = bits(float(metrics.loss)), float(metrics.gradient_norm)
        start = time.monotonic() if start is None else start  # the first step compiles
        held_out = None
        if fraction >= due:
            held_out = held_out_bits(model, state.params, data.held_out, how.window)
            due += 1 / evaluations
        yield Progress(count + 1, fraction, seconds, loss, norm, held_out, state.params)


def _epochs(tokens: np.ndarray, rows: int, how: Training) -> Iterator[Batch]:
    """Windows without end; every pass starts at another place, so that they differ."""
    random = np.random.default_rng(how.seed)
    rest = len(tokens) % how.window + 1
    while True:
        yield from windows(streams(tokens[random.integers(rest) :], rows), how.window)


def save(path: Path, model: CharacterModel, params: Any) -> None:
    """Writes parameters and sizes as a safetensors file."""
    leaves, _ = tree_flatten_with_path(params)
    arrays = {_name(key): np.asarray(leaf) for key, leaf in leaves}
    fields = {name: getattr(model, name) for name in model.__dataclass_fields__}
    save_file(arrays, path, metadata={"rnnjax.characters": json.dumps(fields)})


def load(path: Path) -> tuple[CharacterModel, Any]:
    """Reads what `save` wrote; a `ValueError` in one line if it is not such a file."""
    try:
        with safe_open(path, framework="numpy") as file:
            fields = json.loads((file.metadata() or {})["rnnjax.characters"])
            names = file.keys()
            arrays = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError, KeyError) as error:
        raise ValueError(f"expected a model saved by 'train' at {path}: {error}") from None
    model = CharacterModel(**fields)
    expected = jax.eval_shape(lambda: model.layer().init(jax.random.key(0), 0))
    leaves, structure = tree_flatten_with_path(expected)
    return model, structure.unflatten([arrays[_name(key)] for key, _ in leaves])


def _name(path: Any) -> str:
    return keystr(path, simple=True, separator=".")
