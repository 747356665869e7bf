"""Two directions over the same sequence."""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._core import Cell, frozen
from ..engine import Sequential, previous_resets
from ._layer import Layer, Signals
from ._recurrent import Recurrent


class Directions(NamedTuple):
    """What belongs to each direction of `Bidirectional`: its parameters, or its carry.

    Attributes:
        forward: of the direction from the first step to the last.
        backward: of the direction from the last step to the first.

    Example:
        >>> Directions(forward=1, backward=2).backward
        2
    """

    forward: PyTree
    backward: PyTree


@frozen
class Bidirectional(Layer):
    """A cell run forwards, and one run backwards, over the whole sequence; outputs merged.

    The backward direction starts at the last valid step of each sequence, so that padding
    changes nothing. A reset marks the first step of a document; both directions start afresh
    at its border, the backward one at the last step of the document before.

    Args:
        cell: the cell of both directions, which have parameters of their own.
        merge: "concat" (forward features first, as in PyTorch), "sum", "mean" or "product".
        backward: another cell for the backward direction, or `None` for the same.
        method: how the engine computes; `None` is the best known way.
        dtype: that to compute products in, such as "bfloat16"; see `scan`.
        precision: of products in float32, such as "highest"; see `scan`.

    Example:
        >>> import rnnjax
        >>> layer = Bidirectional(rnnjax.GRU(8))
        >>> params = layer.init(jax.random.key(0), 3)
        >>> carry, ys = layer.apply(params, jnp.ones((2, 5, 3)))
        >>> ys.shape, carry.forward.shape
        ((2, 5, 16), (2, 8))

    Reference:
        M. Schuster, K. Paliwal, Bidirectional recurrent neural networks, IEEE Transactions on
        Signal Processing 45, 1997.
    """

    cell: Cell
    merge: Literal["concat", "sum", "mean", "product"] = "concat"
    backward: Cell | None = None
    method: Sequential | None = None
    dtype: str | None = None
    precision: str | None = None

    def __post_init__(self):
        if self.merge not in ("concat", "sum", "mean", "product"):
            raise ValueError(
                f"expected merge to be 'concat', 'sum', 'mean' or 'product', got {self.merge!r}"
            )
        sizes = [layer.output_size for layer in self._layers()]
        if self.merge != "concat" and sizes[0] != sizes[1]:
            raise ValueError(
                f"expected cells of equal output size for merge={self.merge!r}, got {sizes}"
            )

    def _layers(self) -> Directions:
        backward = self.cell if self.backward is None else self.backward
        options = {"method": self.method, "dtype": self.dtype, "precision": self.precision}
        return Directions(
            Recurrent(self.cell, **options), Recurrent(backward, reverse=True, **options)
        )

    @property
    def output_size(self) -> int:
        forward, backward = (layer.output_size for layer in self._layers())
        return forward + backward if self.merge == "concat" else forward

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> Directions:
        keys = jax.random.split(key)
        layers = self._layers()
        return Directions(
            *(a.init(k, input_size, dtype=dtype) for a, k in zip(layers, keys, strict=True))
        )

    def init_carry(self, params, batch_shape=()) -> Directions:
        return Directions(
            *(a.init_carry(p, batch_shape) for a, p in zip(self._layers(), params, strict=True))
        )

    def run(self, params, xs, carry, signals: Signals):
        first, last = self._layers()
        before_first, before_last = (None, None) if carry is None else carry
        forward, fs = first.run(params.forward, xs, before_first, signals)
        signals = signals._replace(resets=_ends(signals, xs))
        backward, bs = last.run(params.backward, xs, before_last, signals)
        return Directions(forward, backward), _merge(self.merge, fs, bs)


def _ends(signals, xs):
    """Where documents end, given where they start."""
    if signals.resets is None:
        return None
    time = signals.resets.ndim - 1
    valid = signals.valid(jax.tree.leaves(xs)[0].shape[-2])
    valid = None if valid is None else jnp.moveaxis(valid, time, 0)
    return jnp.moveaxis(previous_resets(jnp.moveaxis(signals.resets, time, 0), valid), 0, time)


def _merge(how, forward, backward):
    match how:
        case "concat":
            return jnp.concatenate([forward, backward], axis=-1)
        case "sum":
            return forward + backward
        case "mean":
            return (forward + backward) / 2
        case "product":
            return forward * backward
