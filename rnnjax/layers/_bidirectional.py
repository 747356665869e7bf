"""Two directions over the same sequence."""

from dataclasses import KW_ONLY
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._checks import brief
from .._core import Cell
from ..engine import Method, reverse_resets
from ._layer import Layer
from ._rnn import RNN
from ._signals import Signals, num_steps


class Directions(NamedTuple):
    """The parameters, or the carry, of each direction of `Bidirectional`."""

    forward: PyTree  # from the first step to the last
    backward: PyTree  # from the last step to the first


class Bidirectional(Layer[Directions]):
    """A cell run forwards, and one run backwards, over the whole sequence; outputs merged.

    The backward direction starts at the last valid step of each sequence, so that padding
    changes nothing. A reset marks the first step of a document; both directions start afresh
    at its border, the backward one at the last step of the document before.

    Args:
        cell: the cell of both directions, which have parameters of their own.
        merge: "concat" (forward features first, as in PyTorch), "sum", "mean" or "product".
        backward: another cell for the backward direction, or `None` for the same.
        return_sequences: whether to give the outputs of all steps; otherwise the last step of
            each direction, merged: `[B, 2 O]`, or `[B, O]`.
        method: how the engine computes; `None` is the best known way.

    Examples:
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
    _: KW_ONLY
    merge: Literal["concat", "sum", "mean", "product"] = "concat"
    backward: Cell | None = None
    return_sequences: bool = True
    method: Method | None = None

    has_memory = True
    causal = False
    runs_backward = True
    num_feature_axes = property(lambda self: self.cell.num_feature_axes)
    takes_context = property(lambda self: any(layer.takes_context for layer in self._layers()))
    keeps_time = property(lambda self: self.return_sequences)

    def __post_init__(self):
        super().__post_init__()
        forward, backward = self._layers()
        sizes = [forward.output_size, backward.output_size]
        if self.merge != "concat" and sizes[0] != sizes[1]:
            raise ValueError(
                f"expected cells of equal output size for merge={self.merge!r}, got {sizes}"
            )
        if forward.num_feature_axes != backward.num_feature_axes:
            raise ValueError(
                f"expected cells for the same inputs, got {self.cell} and {self.backward}"
            )

    def _layers(self) -> Directions:
        backward = self.cell if self.backward is None else self.backward
        options: Any = {"return_sequences": self.return_sequences, "method": self.method}
        return Directions(RNN(self.cell, **options), RNN(backward, reverse=True, **options))

    @property
    def output_size(self) -> Any:
        forward, backward = (layer.output_size for layer in self._layers())
        if self.merge != "concat":
            return forward
        if self.num_feature_axes > 1 and isinstance(forward, tuple):  # the shape of an image
            return (*forward[:-1], forward[-1] + backward[-1])
        return jax.tree.map(lambda a, b: a + b, forward, backward)

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> Directions:
        pairs = zip(self._layers(), jax.random.split(key), strict=True)
        return Directions(*(layer.init(k, input_size, dtype=dtype) for layer, k in pairs))

    def init_carry(self, params, batch_shape=()) -> Directions:
        pairs = zip(self._layers(), params, strict=True)
        return Directions(*(layer.init_carry(p, batch_shape) for layer, p in pairs))

    def check(self, params, xs, carry):
        for name, pair in (("params", params), ("carry", carry)):
            fits = isinstance(pair, tuple | list) and len(pair) == 2
            if not fits and (pair is not None or name == "params"):
                raise ValueError(
                    f"expected {name} to be Directions(forward, backward), got {brief(pair)}"
                )
        for layer, own in zip(self._layers(), params, strict=True):
            layer.check(own, xs, None)

    def run(self, params, xs, carry, signals: Signals):
        layers = self._layers()
        carries = (None, None) if carry is None else carry
        keys = (None, None) if signals.key is None else jax.random.split(signals.key)
        resets = (signals.resets, _ends(signals, num_steps(xs)))
        finals, ys = [], []
        for layer, p, c, key, starts in zip(layers, params, carries, keys, resets, strict=True):
            final, y = layer.run(p, xs, c, signals._replace(key=key, resets=starts))
            finals.append(final)
            ys.append(y)
        return Directions(*finals), jax.tree.map(lambda f, b: _merge(self.merge, f, b), *ys)


def _ends(signals, steps):
    """Where documents end, given where they start."""
    if signals.resets is None:
        return None
    valid = signals.valid(steps)
    return reverse_resets(signals.resets.T, None if valid is None else valid.T).T


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
