"""Digits that move: bouncing ones to forecast, and motions to tell apart."""

import numpy as np
from jaxtyping import Int, UInt8
from numpy.random import Generator

from .._digits import Digits, mnist, sklearn_digits
from ._clips import Clips, Video

SETS = {"digits": sklearn_digits, "mnist": mnist}
SPEED = 0.1  # of a large digit: the share of its free way that it goes in a step
MOTIONS = ("still", "left", "right", "up", "down", "clockwise", "anticlockwise", "to and fro")
_WIDER = {8: 16, 28: 64}  # the side of the canvas by that of a digit
_FREE = 10  # pixels; with fewer, a step is of whole pixels
_WAYS = np.array([(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column])
_VALID, _TEST = 200, 500


def moving_digits(name: str, steps: int, classify: bool, digits: int) -> Video:
    """Clips of digits of a set that move; those of validation and test are of other digits.

    Args:
        name: of the set: "digits" on 16 x 16 pixels, or "mnist" on 64 x 64.
        steps: number of frames.
        classify: whether to give clips of eight motions, or else of bouncing digits.
        digits: number of bouncing digits.
    """
    found: Digits = SETS[name]()
    cut = len(found.train_images) - len(found.train_images) // 10
    parts = found.train_images[:cut], found.train_images[cut:], found.test_images
    side = _WIDER[found.train_images.shape[-1]]

    def draw(images: np.ndarray, rng: Generator, count: int) -> Clips:
        if classify:
            return motions(rng, images, count, steps, side)
        return bouncing(rng, images, count, steps, side, digits)

    valid, test = (
        draw(images, np.random.default_rng(seed), count)
        for images, seed, count in zip(parts[1:], (1, 2), (_VALID, _TEST), strict=True)
    )
    classes = MOTIONS if classify else ()
    return Video(lambda rng, count: draw(parts[0], rng, count), valid, test, classes)


def bouncing(
    rng: Generator, images: np.ndarray, count: int, steps: int, side: int, digits: int
) -> Clips:
    """Digits of constant speed that bounce off the borders; the brighter one shows in front.

    Small digits go one pixel a step in each direction, or none, so that two frames determine the
    next ones. Larger ones go a tenth of their free way in any direction, as in the paper.

    Reference:
        N. Srivastava, E. Mansimov, R. Salakhutdinov, Unsupervised learning of video
        representations using LSTMs, ICML 2015.
    """
    free, shape = side - images.shape[-1], (count, 1, digits)
    start = rng.uniform(0, 2 * free, (*shape, 2))
    if free < _FREE:
        start = np.floor(start)
        velocity = _WAYS[rng.integers(len(_WAYS), size=shape)]
    else:
        angle = rng.uniform(0, 2 * np.pi, shape)
        velocity = SPEED * free * np.stack([np.sin(angle), np.cos(angle)], -1)
    # There and back again is a circle of twice the length.
    way = (start + np.arange(steps)[:, None, None] * velocity) % (2 * free)
    places = np.rint(np.minimum(way, 2 * free - way)).astype(int)
    pictures = images[rng.integers(len(images), size=(count, digits))]
    return Clips(paint(pictures, places, side), np.zeros(count, int))


def motions(rng: Generator, images: np.ndarray, count: int, steps: int, side: int) -> Clips:
    """A digit in one of the motions `MOTIONS`, on a canvas whose opposite borders are joined.

    The digit starts anywhere, so that a single frame is alike in all classes.
    """
    labels = rng.integers(len(MOTIONS), size=count)
    speed = rng.uniform(1, 2, (count, 1)) * side / 20  # pixels of a step
    phase = rng.uniform(0, 2 * np.pi, (count, 1))
    t, radius = np.arange(steps), side / 6
    angle = phase + np.where(labels == MOTIONS.index("clockwise"), 1, -1)[:, None] * (
        t * speed / radius
    )
    round_and_round = radius * np.stack([np.sin(angle), np.cos(angle)], -1)  # rows run downwards
    fro = 3 - np.abs((t + 6 * phase / (2 * np.pi)) % 6 - 3)  # three steps there, three back
    axes = np.array([(0, 1), (1, 0), (1, 1), (1, -1)])[rng.integers(4, size=count), None]
    straight = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
    ways = np.zeros((count, steps, 2))
    for label, name in enumerate(MOTIONS):
        way = round_and_round if "clockwise" in name else (speed * fro)[..., None] * axes
        way = (speed * t)[..., None] * straight[name] if name in straight else way
        ways = np.where((labels == label)[:, None, None] & (name != "still"), way, ways)
    start = rng.uniform(0, side, (count, 1, 2))
    places = np.rint(start + ways).astype(int)[:, :, None]
    pictures = images[rng.integers(len(images), size=(count, 1))]
    return Clips(paint(pictures, places, side), labels)


def paint(
    pictures: UInt8[np.ndarray, "n digits h w"],
    places: Int[np.ndarray, "n time digits 2"],
    side: int,
) -> UInt8[np.ndarray, "n time side side"]:
    """Square frames with pictures at places, row and column of their upper left corners.

    A picture that leaves at a border comes in at the opposite one.
    """
    count, steps, digits, _ = places.shape
    frames = np.zeros((count, steps, side, side), np.uint8)
    n, t = np.arange(count)[:, None, None, None], np.arange(steps)[:, None, None]
    inside = np.arange(pictures.shape[-1])
    for digit in range(digits):
        rows, columns = np.moveaxis(places[:, :, digit, :, None] + inside, 2, 0) % side
        at = n, t, rows[..., None], columns[..., None, :]
        frames[at] = np.maximum(frames[at], pictures[:, None, digit])
    return frames
