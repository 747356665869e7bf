"""The network that continues a clip, and its forecasts of test clips beside simple ones."""

from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, UInt8

from ... import cells
from ..._static import Static
from ...attention import Source
from ...data import Batch
from ...layers import RNN, Conv, EncoderDecoder, Layer, Sequential
from ...losses import binary_cross_entropy
from .._application import compare, draw_figure
from ._baselines import copied, errors, fit_shares, mixed, moved_on
from ._clips import Clips, Video, write_gif
from ._figure import draw_forecast, draw_rows
from ._frames import in_parts, joined, patches

CELLS = {"convlstm": cells.ConvLSTM, "convgru": cells.ConvGRU}
SIMPLE = {"last frame": copied, "last frame, moved on": moved_on}
OURS = "this network"


class Forecasts(NamedTuple):
    """Forecasts of the test clips by name, the network's last, and errors by the step ahead."""

    frames: dict[str, np.ndarray]  # `[N, ahead, height, width]`, 0 to 1
    nats: dict[str, np.ndarray]  # cross-entropy of a frame `[ahead]`
    squared: dict[str, np.ndarray]  # squared error of a frame `[ahead]`


class Forecaster(Static):
    """The goal "predict": an encoder of frames, in patches, and a forecaster.

    The forecaster starts from the final carries of the encoder, and sees the last given frame at
    every step.

    Args:
        given: frames that the network sees.
        ahead: frames to predict.
        patch: width and height of a patch.
        cell: "convlstm" or "convgru".
        channels: features of a patch in the state.
        layers: number of recurrent layers of each.
        kernel: width and height of the kernels, in patches.

    Reference:
        X. Shi et al., Convolutional LSTM network: a machine learning approach for precipitation
        nowcasting, NeurIPS 2015.
    """

    given: int
    ahead: int
    patch: int
    cell: Literal["convlstm", "convgru"]
    channels: int
    layers: int
    kernel: int

    loss = binary_cross_entropy
    metrics = None
    steps = property(lambda self: self.given + self.ahead)

    def image_size(self, height: int, width: int) -> tuple[int, int, int]:
        """The shape of a frame in patches."""
        return height // self.patch, width // self.patch, self.patch**2

    def build(self, height: int, width: int, classes: int) -> Layer:
        """The model: patches `[B, T, h, w, pixels]` to logits of their pixels."""
        *size, pixels = self.image_size(height, width)
        cell = CELLS[self.cell](tuple(size), self.channels, kernel_size=self.kernel)
        recurrent = (RNN(cell),) * self.layers
        ahead = Sequential((*recurrent, Conv(pixels, kernel_size=1)))
        return EncoderDecoder(Sequential(recurrent), ahead, hand_over=True)

    def batch(self, clips: Clips) -> Batch:
        """Clips as the network takes them."""
        frames = patches(clips.frames, self.patch)
        before, after = frames[:, : self.given], frames[:, self.given :]
        return Batch(_again(before, self.ahead), after, context=Source(before))

    def forecast(
        self,
        model: Layer,
        params: Any,
        given: UInt8[np.ndarray, "n time height width"],
        ahead: int | None = None,
    ) -> Float[np.ndarray, "n ahead height width"]:
        """The expected brightness, 0 to 1, of the pixels of the frames that follow."""
        run = partial(_forecast, model, params, ahead=self.ahead if ahead is None else ahead)
        return joined(in_parts(run, patches(given, self.patch)), self.patch)

    def forecasts(self, model: Layer, params: Any, video: Video) -> Forecasts:
        """The network's forecasts of the test clips, beside the mean frame and simple guesses.

        The simple guesses are mixed with the mean frame in shares that fit clips to learn from.
        """
        train, test = video.draw(np.random.default_rng(0), 300).frames, video.test.frames
        known, truth = (clips[:, self.given :] / np.float32(255) for clips in (train, test))
        mean = known.mean((0, 1))
        found = {"mean frame": np.broadcast_to(mean, truth.shape)}
        for name, guess in SIMPLE.items():
            shares = fit_shares(guess(train[:, : self.given], self.ahead), known, mean)
            found[name] = mixed(guess(test[:, : self.given], self.ahead), mean, shares)
        found[OURS] = self.forecast(model, params, test[:, : self.given])
        every = {name: errors(frames, truth) for name, frames in found.items()}
        nats, squared = ({name: both[k] for name, both in every.items()} for k in (0, 1))
        return Forecasts(found, nats, squared)

    def report(
        self, model: Layer, params: Any, video: Video, out: Path | None = None
    ) -> dict[str, dict[str, float]]:
        """Prints the errors of the test clips, and draws a forecast where there is a folder."""
        found = self.forecasts(model, params, video)
        if out is not None:
            frames = video.test.frames[0] / 255
            rows = {"given": frames[: self.given], "true": frames[self.given :]}
            rows |= {name: found.frames[name][0] for name in (OURS, *SIMPLE)}
            truth = video.test.frames[:, self.given :] / np.float32(255)
            curves = {"a perfect forecast": errors(truth, truth)[0], **found.nats}  # of grey pixels
            draw_figure(out / "forecast.png", draw_forecast, rows, curves)
        compared = {}
        for unit, each in (("nats", found.nats), ("squared error", found.squared)):
            means = {name: float(steps.mean()) for name, steps in each.items()}
            compared |= compare("test clips", f"{unit} per frame", means, "{:.2f}".format)
        return compared

    def answer(
        self, model: Layer, params: Any, frames: np.ndarray, out: Path, ahead: int | None
    ) -> None:
        """Continues a clip, as a picture and an animation; frames beyond the given are true."""
        given, true = frames[: self.given], frames[self.given :]
        found = self.forecast(model, params, given[None], ahead)[0]
        rows = {"given": given / 255, **({"true": true / 255} if len(true) else {})}
        draw_figure(out / "continuation.png", draw_rows, rows | {"predicted": found})
        write_gif(out / "continuation.gif", np.concatenate([given / 255, found]))
        print(f"clip    {out / 'continuation.gif'}")


def _again(before: Any, ahead: int) -> Any:
    """The last frame once for every frame ahead."""
    return before[:, -1:].repeat(ahead, axis=1)


@partial(jax.jit, static_argnames=("model", "ahead"))
def _forecast(model: Layer, params: Any, before: Any, *, ahead: int) -> jax.Array:
    _, logits = model.apply(params, _again(before, ahead), context=Source(before))
    return jax.nn.sigmoid(logits)
