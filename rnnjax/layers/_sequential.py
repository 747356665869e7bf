"""Layers one after the other."""

from typing import Any

import jax
import jax.numpy as jnp

from .._core import frozen
from ._dense import Embedding
from ._layer import Layer, Signals


@frozen
class Sequential(Layer):
    """Layers one after the other; each takes the outputs of the one before it.

    Parameters and carries are tuples with an entry for each layer, in order.

    Args:
        layers: the layers, the first one first.

    Example:
        >>> import rnnjax
        >>> from rnnjax.layers import Dense, Embedding, Recurrent
        >>> model = Sequential((Embedding(50, 8), Recurrent(rnnjax.GRU(16)), Dense(50)))
        >>> params = model.init(jax.random.key(0))
        >>> carry, logits = model.apply(params, jnp.array([[3, 1, 4, 1, 5]]))
        >>> logits.shape
        (1, 5, 50)
    """

    layers: tuple[Layer, ...]

    def __post_init__(self):
        if not isinstance(self.layers, tuple) or not self.layers:
            raise ValueError(
                f"expected layers to be a tuple of at least one layer, got {self.layers!r}"
            )
        for layer in self.layers:
            if not isinstance(layer, Layer):
                raise ValueError(
                    f"expected every entry of layers to be a Layer, got {layer!r}; a cell becomes "
                    "a layer by Recurrent(cell)"
                )

    @property
    def output_size(self) -> int | None:
        sizes = [layer.output_size for layer in self.layers]
        return next((size for size in reversed(sizes) if size is not None), None)

    def init(self, key, input_size=None, *, dtype: Any = jnp.float32) -> tuple:
        params = []
        if input_size is None and not isinstance(self.layers[0], Embedding | Sequential):
            raise ValueError(
                "expected an input_size, got None; only a model that starts with an Embedding, "
                "whose inputs are tokens, can do without"
            )
        for layer, k in zip(self.layers, jax.random.split(key, len(self.layers)), strict=True):
            params.append(layer.init(k, input_size, dtype=dtype))
            input_size = input_size if layer.output_size is None else layer.output_size
        return tuple(params)

    def init_carry(self, params, batch_shape=()) -> tuple:
        pairs = zip(self.layers, params, strict=True)
        return tuple(layer.init_carry(p, batch_shape) for layer, p in pairs)

    def run(self, params, xs, carry, signals: Signals):
        count = len(self.layers)
        carries = [None] * count if carry is None else carry
        for name, entries in (("parameters", params), ("carry", carries)):
            if len(entries) != count:
                raise ValueError(
                    f"expected {name} to have {count} entries, one a layer, got {len(entries)}"
                )
        keys = [None] * count if signals.key is None else jax.random.split(signals.key, count)
        finals = []
        for layer, p, c, key in zip(self.layers, params, carries, keys, strict=True):
            final, xs = layer.run(p, xs, c, signals._replace(key=key))
            finals.append(final)
        return tuple(finals), xs
