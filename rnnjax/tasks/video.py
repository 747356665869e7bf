"""Video: the frames that follow, by a convolutional LSTM, or the motion, by a CNN and an LSTM."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import jax

from ..layers import Layer
from ..training import Fit, SequenceObjective
from ._application import Settings, load_model, save_model, train_model
from ._video._batches import drawn, in_batches
from ._video._classifier import Classifier
from ._video._clips import Video, last_frames, own_clips
from ._video._forecaster import Forecaster
from ._video._motion import SETS, moving_digits


class Config(Settings):
    """The settings of a network for video.

    Args:
        data: "digits", small digits that move; "mnist", larger ones; or a file `.npy`, `.npz` or
            `.gif`, or a folder of `.gif`.
        goal: "predict", the frames that follow, or "classify", the motion of a clip.
        digits: number of moving digits to predict.
        given: frames that the network sees.
        ahead: frames to predict.
        cell: of a forecaster: "convlstm" or "convgru".
        channels: features of a patch in its state.
        layers: number of its recurrent layers, in the encoder as in the forecaster.
        kernel: width and height of its kernels, in patches.
        patch: width and height of the patches that it takes for pixels.
        hidden: units of the LSTM of a classifier.
        size: largest height and width of your own pictures, which are shrunk to it.
    """

    data: str = "digits"
    minutes: float = 1.5
    batch: int = 8
    learning_rate: float = 4e-3
    goal: Literal["predict", "classify"] = "predict"
    digits: int = 1
    given: int = 10
    ahead: int = 10
    cell: Literal["convlstm", "convgru"] = "convlstm"
    channels: int = 24
    layers: int = 1
    kernel: int = 3
    patch: int = 2
    hidden: int = 64
    size: int = 64

    @property
    def network(self) -> Forecaster | Classifier:
        """The goal with the settings of its network."""
        if self.goal == "classify":
            return Classifier(self.given, self.hidden)
        sizes = self.channels, self.layers, self.kernel
        return Forecaster(self.given, self.ahead, self.patch, self.cell, *sizes)


def load(config: Config) -> Video:
    """The data of a run."""
    steps, classify = config.network.steps, config.goal == "classify"
    if config.data in SETS:
        return moving_digits(config.data, steps, classify, config.digits)
    return own_clips(Path(config.data), steps, classify, config.size, config.network.patch)


def build(config: Config, video: Video) -> Layer:
    """The model: patches `[B, T, h, w, pixels]` to logits of their pixels, or of classes."""
    _, _, height, width = video.test.frames.shape
    return config.network.build(height, width, len(video.classes))


def objective(config: Config, model: Layer) -> SequenceObjective:
    """The quantity to minimise, in nats per pixel or per clip."""
    return SequenceObjective(model, config.network.loss)


def learn(config: Config, video: Video, model: Layer) -> Fit:
    """Trains; the best state has the lowest loss on the validation clips."""
    network, valid = config.network, video.valid
    params = model.init(jax.random.key(config.seed), network.image_size(*valid.frames.shape[2:]))
    feed = drawn(network, video, config.batch, config.seed)
    held_out = in_batches(network, valid, config.batch)
    options: dict[str, Any] = {"evaluate": held_out, "metrics": network.metrics}
    return train_model(config, objective(config, model), params, feed, eval_every=100, **options)


def train(config: Config, *, out: Path = Path("runs/video")) -> None:
    """Train a network, and compare it on test clips with forecasts or classes without one.

    Args:
        config: settings of data, model and training.
        out: folder for the model and the figure.
    """
    video = load(config)
    model, network = build(config, video), config.network
    count, steps, *image = video.test.frames.shape
    print(f"clips of {steps} frames of {image[0]} x {image[1]} pixels; {count} in the test")
    params = learn(config, video, model).best.params
    out.mkdir(parents=True, exist_ok=True)
    compared = network.report(model, params, video, out)
    extra = {"settings": asdict(config), "classes": [*video.classes], "image": image}
    path = save_model(out, model, params, network.image_size(*image), **extra, compared=compared)
    print(f"model   {path}")


def evaluate(model: Path = Path("runs/video"), *, data: str | None = None) -> None:
    """Report the test numbers of a trained network.

    Args:
        model: folder that `train` wrote.
        data: as in `train`; by default the data that it was trained on.
    """
    layer, params, extra = load_model(model, "video")
    config = Config(**extra["settings"] | ({} if data is None else {"data": data}))
    config.network.report(layer, params, load(config))


def use(
    clip: Path | None = None,
    *,
    model: Path = Path("runs/video"),
    number: int = 0,
    ahead: int | None = None,
) -> None:
    """Continue a clip, as a picture and an animation beside the model, or name its motion.

    Args:
        clip: a file `.npy`, `.npz` or `.gif`, whose last frames are given; by default a clip of
            the test.
        model: folder that `train` wrote.
        number: of the clip in the file or the test.
        ahead: frames to predict; by default as many as in training.
    """
    layer, params, extra = load_model(model, "video")
    config = Config(**extra["settings"])
    network = config.network
    if clip is None:
        test = load(config).test.frames
        frames = test[number % len(test)]
    else:
        frames = last_frames(clip, number, config.given, config.size, tuple(extra["image"]))
    if isinstance(network, Classifier):
        network.answer(layer, params, frames, extra["classes"])
    else:
        network.answer(layer, params, frames, model, ahead)


COMMANDS = {"train": train, "evaluate": evaluate, "use": use}
