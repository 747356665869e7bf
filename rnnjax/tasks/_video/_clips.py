"""Clips: sequences of grey pictures, made of digits or read from files of one's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy.random import Generator

from ..._optional import optional

_LEAST = 20


class Clips(NamedTuple):
    """Clips of equal size, from 0, black, to 255, white, and the class of each."""

    frames: UInt8[np.ndarray, "n time height width"]
    labels: Int[np.ndarray, "n"]  # zeros where there are no classes

    def __getitem__(self, places: Any) -> "Clips":  # pyright: ignore[reportIncompatibleMethodOverride]
        return Clips(self.frames[places], self.labels[places])


class Video(NamedTuple):
    """Clips to learn from, to choose by, and to report."""

    draw: Callable[[Generator, int], Clips]  # so many clips to learn from, by chance
    valid: Clips
    test: Clips
    classes: tuple[str, ...]  # names, none where there is nothing to classify


def own_clips(path: Path, steps: int, classify: bool, size: int, multiple: int) -> Video:
    """The clips of a file or a folder, cut into stretches of so many frames.

    A file is an array `[N, T, height, width]` or `[T, height, width]` in `.npy`; in `.npz`, where
    it is called `frames` and may have `labels`; or an animation in `.gif`. Of a folder all `.gif`
    are taken, and the name of the folder that a file is in is its class. To forecast, the last
    tenth is the test, in the order of the files and of time, and the tenth before it for
    validation; to classify, they are drawn by chance.

    Args:
        path: of the file or the folder.
        steps: frames of a stretch.
        classify: whether classes are needed.
        size: largest height and width; larger pictures are shrunk by a whole factor.
        multiple: height and width are cut to a multiple of it.

    Raises:
        ValueError: in one line, if it is none of these, sizes differ, or it is too little.
    """
    read, names = read_clips(path)
    fitted = [fit_size(frames, size, multiple) for frames in read]
    if len(shapes := {frames.shape[1:] for frames in fitted}) > 1:
        raise ValueError(f"expected clips of one size in {path}, got {sorted(shapes)}")
    classes = tuple(sorted({*names})) if classify else ()
    if classify and len(classes) < 2:
        raise ValueError(
            f"expected clips of several classes, as labels in a .npz or folders of .gif, got {path}"
        )
    pieces = [(f[k : k + steps], n) for f, n in zip(fitted, names, strict=True)
              for k in range(0, len(f) - steps + 1, steps)]  # fmt: skip
    if len(pieces) < _LEAST:
        raise ValueError(
            f"expected at least {_LEAST} stretches of {steps} frames in {path}, got {len(pieces)}"
        )
    labels = [classes.index(name) if classify else 0 for _, name in pieces]
    every = Clips(np.stack([frames for frames, _ in pieces]), np.array(labels))
    count, tenth = len(pieces), len(pieces) // 10
    order = np.random.default_rng(0).permutation(count) if classify else np.arange(count)
    train, valid, test = np.split(order, [count - 2 * tenth, count - tenth])

    def draw(rng: Generator, number: int) -> Clips:
        return every[rng.choice(train, number)]

    return Video(draw, every[valid], every[test], classes)


def last_frames(
    path: Path, number: int, steps: int, size: int, image: tuple[int, ...]
) -> UInt8[np.ndarray, "time height width"]:
    """The last frames of a clip of one's own, for a network of pictures of a size.

    Raises:
        ValueError: in one line, if there are too few, or they have another size.
    """
    every, _ = read_clips(path)
    clip = every[number % len(every)]
    if len(clip) < steps:
        raise ValueError(f"expected at least {steps} frames in {path}, got {len(clip)}")
    frames = fit_size(clip[-steps:], size, 1)
    height, width = image
    if frames.shape[1] // height != 1 or frames.shape[2] // width != 1:
        raise ValueError(
            f"expected pictures of {height} x {width} pixels, as in training, got "
            f"{frames.shape[1]} x {frames.shape[2]} in {path}"
        )
    return frames[:, :height, :width]


def read_clips(path: Path) -> tuple[list[np.ndarray], list[str]]:
    """The clips `[T, height, width]` of a file or a folder, in bytes, and a name for each.

    Raises:
        ValueError: in one line, if there is none.
    """
    files = sorted(path.rglob("*.gif")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise ValueError(
            "expected 'digits', 'mnist', a file .npy, .npz or .gif, or a folder of .gif, got no "
            f"{'.gif in' if path.is_dir() else 'file'} {path}"
        )
    if files[0].suffix.lower() == ".gif":
        return [_read_gif(file) for file in files], [file.parent.name for file in files]
    frames, labels = _read_array(path)
    every = frames[None] if frames.ndim == 3 else frames
    if every.ndim != 4 or not every.size or (labels is not None and len(labels) != len(every)):
        raise ValueError(
            f"expected frames [N, T, height, width] and a label for each clip in {path}, got "
            f"{list(frames.shape)}{'' if labels is None else f' and {len(labels)} labels'}"
        )
    names = [""] * len(every) if labels is None else [str(label) for label in labels]
    return list(as_bytes(every, path)), names


def as_bytes(frames: np.ndarray, path: Path) -> np.ndarray:
    """Pixels of 0 to 1 or of 0 to 255 as bytes.

    Raises:
        ValueError: in one line, if they are neither.
    """
    numbers = np.issubdtype(frames.dtype, np.number) or frames.dtype == bool
    real = numbers and not np.iscomplexobj(frames)
    low, high = (float(frames.min()), float(frames.max())) if real else (-1.0, -1.0)
    if not 0 <= low <= high <= 255:  # NaN, too
        raise ValueError(
            f"expected pixels of 0 to 1 or of 0 to 255 in {path}, got {frames.dtype}"
            f"{f' of {low:g} to {high:g}' if real else ''}"
        )
    whole = np.issubdtype(frames.dtype, np.integer) or high > 1
    return np.rint(frames * (1.0 if whole else 255.0)).astype(np.uint8)


def fit_size(frames: np.ndarray, size: int, multiple: int) -> np.ndarray:
    """Pictures shrunk by a whole factor to at most `size`, and cut to a multiple."""
    factor = -(-max(frames.shape[1:]) // size)
    height, width = (n // factor for n in frames.shape[1:])
    cut = frames[:, : height * factor, : width * factor]
    blocks = cut.reshape(len(cut), height, factor, width, factor)
    small = np.rint(blocks.mean((2, 4))).astype(np.uint8)
    if min(height, width) < multiple:
        raise ValueError(f"expected pictures of at least {multiple} pixels, got {height} x {width}")
    return small[:, : height - height % multiple, : width - width % multiple]


def _read_array(path: Path) -> tuple[np.ndarray, Any]:
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found, None
        names = [name for name in found.files if name != "labels"]
        name = "frames" if "frames" in names else names[0]
        return found[name], found["labels"] if "labels" in found.files else None
    except (ValueError, OSError, EOFError, IndexError) as error:
        raise ValueError(f"expected an array in .npy or .npz, got {path}: {error}") from None


def _read_gif(path: Path) -> np.ndarray:
    """The frames of an animation; one that is shown for longer, as often as its time says."""
    images, frames, times = optional("PIL.Image", "for animations in .gif", "plots"), [], []
    try:
        with images.open(path) as image:
            for step in range(getattr(image, "n_frames", 1)):
                image.seek(step)
                frames.append(np.asarray(image.convert("L")))
                times.append(image.info.get("duration", 0))
    except OSError as error:
        raise ValueError(f"expected an animation in .gif, got {path}: {error}") from None
    counts = np.rint(np.array(times) / max(1, min(times))).astype(int)
    return np.repeat(frames, np.maximum(1, counts), axis=0)


def write_gif(path: Path, frames: Float[np.ndarray, "time height width"], zoom: int = 8) -> None:
    """Writes frames of 0 to 1 as an endless animation, each pixel as a square.

    Raises:
        ValueError: in one line, if Pillow is missing.
    """
    images = optional("PIL.Image", "for animations in .gif", "plots")
    large = np.kron(np.rint(255 * frames).astype(np.uint8), np.ones((1, zoom, zoom), np.uint8))
    first, *others = map(images.fromarray, large)
    first.save(path, save_all=True, append_images=others, duration=150, loop=0)
