"""Music: which keys of a piano sound next, independently or as a chord; MIDI in and out."""

from pathlib import Path
from typing import Literal

import jax
import numpy as np

from .. import cells
from .._checks import Rate, check_above, check_positive
from ..data import write_midi
from ..decoding import generate_frames
from ..layers import NADE, RNN, Dense, Dropout, Layer, Sequential
from ._application import Settings, compare, draw_figure, load_model, save_model
from ._music._baselines import frame_baselines
from ._music._figure import draw
from ._music._figure import note_name as note_name
from ._music._pieces import Pieces, chorales, made_pieces, own_piece, own_pieces, piano
from ._music._training import learn, nats
from ._music._training import objective as objective

SETS = {"made": made_pieces, "chorales": chorales, "piano": piano}


class Config(Settings):
    """The settings of a model of music.

    Args:
        data: "made", pieces for four voices from a grammar of chords; "chorales", those of J. S.
            Bach; "piano", classical piano pieces; or a folder of MIDI files.
        frame: duration of a frame of your own files, in beats.
        head: whether the keys of a frame are independent, or each depends on those below it.
        hidden: units of every recurrent layer.
        layers: number of recurrent layers.
        units: hidden units of the autoregressive head.
        dropout: rate after every recurrent layer.
        input_dropout: rate of the keys that the network does not see.
        transpose: largest interval, in semitones, by which training pieces are moved at random.
        average: decay of the average of the parameters that is kept; 0 for none.
    """

    data: str = "made"
    minutes: float = 1.5
    batch: int = 8
    learning_rate: float = 1.5e-2
    weight_decay: Rate = 0.03
    frame: float = 0.5
    head: Literal["autoregressive", "independent"] = "autoregressive"
    hidden: int = 192
    layers: int = 1
    units: int = 48
    dropout: Rate = 0.1
    input_dropout: Rate = 0.0
    transpose: int = 0
    average: Rate = 0.99

    def __post_init__(self):
        super().__post_init__()
        check_above("frame", self.frame)


def load(data: str, frame: float = 0.5, seed: int = 0) -> Pieces:
    """The data of a run."""
    return SETS[data]() if data in SETS else own_pieces(data, frame, seed)


def build(config: Config) -> Layer:
    """The model: frames `[B, T, 88]` to logits of the keys of the next frame."""
    recurrent = (RNN(cells.LSTM(config.hidden)), Dropout(config.dropout)) * config.layers
    head = NADE(88, config.units) if config.head == "autoregressive" else Dense(88)
    return Sequential((Dropout(config.input_dropout), *recurrent, head))


def train(config: Config, *, out: Path = Path("runs/music")) -> None:
    """Train a model of music, compare it with counting, and let it continue a piece.

    Args:
        config: settings of data, model and training.
        out: folder for the model, the piece and its picture.
    """
    pieces = load(config.data, config.frame, config.seed)
    model = build(config)
    sizes = {name: len(getattr(pieces, name)) for name in ("train", "valid", "test")}
    print(f"pieces: {sizes}; {sum(map(len, pieces.train)):,} frames of {pieces.frame:g} beats")
    _, params = learn(config, pieces, model)
    rows = frame_baselines(pieces.train, pieces.test)
    rows |= {f"this network, {config.head} keys": nats(model, params, pieces.test)}
    compared = compare("test pieces", "nats a frame", rows)
    extra = {"data": config.data, "frame": pieces.frame, "seed": config.seed, "compared": compared}
    print(f"\nmodel   {save_model(out, model, params, 88, **extra)}")
    use(model=out, out=out / "continuation.mid")


def evaluate(model: Path = Path("runs/music"), *, data: str | None = None) -> None:
    """Report the loss of a trained model on the test pieces.

    Args:
        model: folder that `train` wrote.
        data: as in `train`; by default the data that it was trained on.
    """
    network, params, extra = load_model(model, "music")
    pieces = load(data or extra["data"], extra["frame"], extra["seed"])
    print(f"{nats(network, params, pieces.test):.3f} nats a frame on {len(pieces.test)} pieces")


def use(
    midi: Path | None = None,
    *,
    model: Path = Path("runs/music"),
    number: int = 0,
    prompt: int = 16,
    length: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    out: Path = Path("continuation.mid"),
) -> None:
    """Continue a piece, and write it as a MIDI file and as a picture.

    Args:
        midi: the file with the piece; by default a test piece.
        model: folder that `train` wrote.
        number: of the test piece.
        prompt: number of frames from its start to continue.
        length: number of frames to write.
        temperature: below 1, likely keys become likelier; 0 takes the likelier state of each key.
        seed: of the samples.
        out: the MIDI file to write; the picture is beside it.
    """
    network, params, extra = load_model(model, "music")
    frame = extra["frame"]
    if midi is None:
        test = load(extra["data"], frame, extra["seed"]).test
        piece = test[number % len(test)]
    else:
        piece = own_piece(midi, frame)
    start, key = piece[: check_positive("prompt", prompt)], jax.random.key(seed)
    written = np.asarray(
        generate_frames(network, params, start, key, length=length, temperature=temperature)
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    print(f"piece   {write_midi(out, np.concatenate([start, written]), frame=frame)}")
    draw_figure(out.with_suffix(".png"), draw, start, written, frame)


COMMANDS = {"train": train, "evaluate": evaluate, "use": use}
