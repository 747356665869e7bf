"""A connection past layers."""

from typing import Any

import jax.numpy as jnp

from ._layer import Layer
from ._signals import Signals


class Skip(Layer[Any]):
    """A layer whose input is added to its output: `y = x + layer(x)`.

    Deep networks are stacks of it. Parameters and carry are the layer's. `cells.Residual` does the
    same inside a stack of cells.

    Args:
        layer: a layer that keeps the time axis, with as many output features as input features.

    Raises:
        ValueError: if the layer gives one vector a sequence or takes tokens; by `init`, if its
            output has another size than its input.

    Examples:
        >>> import jax, rnnjax
        >>> from rnnjax.layers import GLU, RNN, LayerNorm, Sequential
        >>> lru = rnnjax.cells.LRU(16, 8)
        >>> block = Skip(Sequential((LayerNorm(), RNN(lru), GLU(8))))
        >>> params = block.init(jax.random.key(0), 8)
        >>> block.apply(params, jnp.ones((4, 5, 8)))[1].shape
        (4, 5, 8)

    Reference:
        K. He et al., Deep residual learning for image recognition, CVPR 2016.
    """

    layer: Layer

    output_size = property(lambda self: self.layer.output_size)
    num_feature_axes = property(lambda self: self.layer.num_feature_axes)
    causal = property(lambda self: self.layer.causal)
    has_memory = property(lambda self: self.layer.has_memory)
    takes_context = property(lambda self: self.layer.takes_context)
    runs_backward = property(lambda self: self.layer.runs_backward)

    def __post_init__(self):
        super().__post_init__()
        if not self.layer.keeps_time or not self.num_feature_axes:
            raise ValueError(
                "expected a layer that maps sequences of vectors to as many vectors, to which "
                f"they can be added, got {self.layer}"
            )

    def output_size_of(self, input_size):
        return self.layer.output_size_of(input_size)

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> Any:
        output_size = self.output_size_of(input_size)
        if output_size != input_size:
            raise ValueError(
                f"expected a layer with as many output features as the {input_size} of its input, "
                f"to which they are added, got {output_size} of {self.layer}"
            )
        return self.layer.init(key, input_size, dtype=dtype)

    def init_carry(self, params, batch_shape=()):
        return self.layer.init_carry(params, batch_shape)

    def check(self, params, xs, carry):
        """The layer checks its own parameters and carry."""
        self.layer.check(params, xs, carry)

    def run(self, params, xs, carry, signals: Signals):
        carry, ys = self.layer.run(params, xs, carry, signals)
        return carry, xs.astype(ys.dtype) + ys
