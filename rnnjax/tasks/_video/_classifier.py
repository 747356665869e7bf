"""The network that names the motion of a clip, and its results beside a single frame's."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, UInt8

from ..._static import Static
from ...cells import LSTM
from ...data import Batch
from ...layers import RNN, Conv, Dense, Flatten, Layer, Sequential
from ...losses import accuracy, cross_entropy
from .._application import compare, draw_figure
from ._baselines import nearest_mean
from ._clips import Clips, Video
from ._figure import draw_motions
from ._frames import in_parts, patches

_CONTRAST = np.float32(3)  # most pixels are black; it brings their mean square near 1


class Classifier(Static):
    """The goal "classify": convolutions of each frame, an LSTM over the frames, and logits.

    Args:
        given: frames of a clip.
        hidden: units of the LSTM.

    Reference:
        J. Donahue et al., Long-term recurrent convolutional networks for visual recognition and
        description, CVPR 2015.
    """

    given: int
    hidden: int

    loss = cross_entropy
    metrics = {"accuracy": accuracy}
    steps = property(lambda self: self.given)
    patch = 1

    def image_size(self, height: int, width: int) -> tuple[int, int, int]:
        """The shape of a frame."""
        return height, width, 1

    def build(self, height: int, width: int, classes: int) -> Layer:
        """The model: frames `[B, T, height, width, 1]` to logits `[B, classes]`."""
        convolutions, side, channels = [], max(height, width), 16
        while side > 5:
            convolutions.append(Conv(channels, stride=2, activation="tanh"))
            side, channels = -(-side // 2), min(2 * channels, 32)
        recurrent = RNN(LSTM(self.hidden), return_sequences=False)
        return Sequential((*convolutions, Flatten(), recurrent, Dense(classes)))

    def batch(self, clips: Clips) -> Batch:
        """Clips as the network takes them."""
        return Batch(_CONTRAST * patches(clips.frames), clips.labels)

    def classify(
        self, model: Layer, params: Any, frames: UInt8[np.ndarray, "n time height width"]
    ) -> Float[np.ndarray, "n classes"]:
        """The probability of each class."""
        return in_parts(partial(_classify, model, params), _CONTRAST * patches(frames))

    def report(
        self, model: Layer, params: Any, video: Video, out: Path | None = None
    ) -> dict[str, dict[str, float]]:
        """Prints the accuracy on the test clips, and draws mistakes where there is a folder."""
        labels, count = video.test.labels, len(video.classes)
        found = self.classify(model, params, video.test.frames).argmax(-1)
        train = video.draw(np.random.default_rng(0), 2000)
        rows = {
            "most frequent class": float(np.mean(np.bincount(train.labels).argmax() == labels)),
            "nearest mean of a single frame": nearest_mean(train, video.test),
            "this network": float(np.mean(found == labels)),
        }
        if out is not None:
            confused = np.zeros((count, count), int)
            np.add.at(confused, (labels, found), 1)
            draw_figure(out / "motions.png", draw_motions, video.test, video.classes, confused)
        return compare("test clips", "accuracy", rows, "{:.1%}".format)

    def answer(self, model: Layer, params: Any, frames: np.ndarray, classes: list[str]) -> None:
        """Prints the likeliest classes of a clip."""
        likely = self.classify(model, params, frames[None])[0]
        for k in np.argsort(-likely)[:3]:
            print(f"{likely[k]:6.1%}  {classes[k]}")


@partial(jax.jit, static_argnames="model")
def _classify(model: Layer, params: Any, frames: Any) -> jax.Array:
    return jax.nn.softmax(model.apply(params, frames)[1])
