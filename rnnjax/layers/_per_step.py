"""Sequences inside the steps of a sequence."""

from dataclasses import KW_ONLY
from typing import Any

import jax
import jax.numpy as jnp

from ._layer import Layer
from ._signals import Signals


class PerStep(Layer[Any]):
    """A layer run over the tokens inside every step: `[B, T, N]` to `[B, T, O]`.

    Each step is a sequence of its own, of up to N tokens: the characters of a word, the words of a
    sentence. The layer makes one vector of it.

    Args:
        layer: a layer of tokens that gives one vector a sequence; its parameters are the layer's.
        padding: the token that fills up the sequences. Where it is, the inner step is masked.

    Raises:
        ValueError: if the layer takes no tokens or a context, or gives more than one vector.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import Bidirectional, Embedding, Sequential
        >>> inside = Bidirectional(rnnjax.LSTM(4), return_sequences=False)
        >>> layer = PerStep(Sequential((Embedding(30, 5), inside)))
        >>> characters = jnp.array([[[3, 1, 20, 0], [14, 15, 0, 0]]])
        >>> layer.apply(layer.init(jax.random.key(0), 4), characters)[1].shape
        (1, 2, 8)

    Reference:
        G. Lample et al., Neural architectures for named entity recognition, NAACL 2016.
    """

    layer: Layer
    _: KW_ONLY
    padding: int = 0

    output_size = property(lambda self: self.layer.output_size)

    def __post_init__(self):
        super().__post_init__()
        layer = self.layer
        if layer.num_feature_axes or layer.keeps_time or layer.takes_context:
            raise ValueError(
                "expected a layer that makes one vector of the tokens of a sequence, such as "
                "Sequential((Embedding(30, 5), Bidirectional(LSTM(4), return_sequences=False))), "
                f"got {layer}"
            )

    def init(self, key, input_size=None, *, dtype: Any = jnp.float32) -> Any:
        return self.layer.init(key, None, dtype=dtype)

    def run(self, params, xs, carry, signals: Signals):
        batch, steps, size = xs.shape
        inner = xs.reshape(batch * steps, size)
        _, ys = self.layer.apply(params, inner, mask=inner != self.padding, key=signals.key)
        return (), jax.tree.map(lambda y: y.reshape(batch, steps, *y.shape[1:]), ys)
