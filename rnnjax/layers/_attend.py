"""Attention of all steps at once."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import check_instance
from .._numerics import add_bias, matmul
from ..attention import Attention, Source
from ..initializers import glorot_uniform
from ._layer import Layer
from ._signals import Signals


class AttendParams(NamedTuple):
    """Parameters of `Attend`."""

    attention: Any  # parameters of the attention
    w: Float[Array, "i_v o"]
    b: Float[Array, "o"]


class Attend(Layer[AttendParams]):
    """Every step together with what it reads from a memory: `[B, T, I]` to `[B, T, size]`.

        attended, p = attention(x, memory)
        y           = tanh(concat(x, attended) w + b)

    The memory is the context, `Source(values, lengths)`. A recurrent layer with `Attend` and
    `Dense` behind it is a decoder with global attention. Its loop does not depend on what was
    read, so it is faster than the one of `cells.AttentionDecoder`.

    Variant: without input feeding.

    Args:
        attention: how queries and keys are compared, of `rnnjax.attention`.
        memory_size: number of features of a value.
        size: number of output features.

    Examples:
        >>> from rnnjax.attention import General
        >>> layer = Attend(General(), memory_size=4, size=7)
        >>> params = layer.init(jax.random.key(0), 3)
        >>> memory = Source(jnp.ones((2, 6, 4)), jnp.array([6, 3]))
        >>> layer.apply(params, jnp.ones((2, 5, 3)), context=memory)[1].shape
        (2, 5, 7)

    Reference:
        M. Luong, H. Pham, C. Manning, Effective approaches to attention-based neural machine
        translation, EMNLP 2015.
    """

    attention: Attention
    memory_size: int
    size: int

    takes_context = True
    output_size = property(lambda self: self.size)

    def __post_init__(self):
        super().__post_init__()
        check_instance("attention", self.attention, Attention, "General()")

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> AttendParams:
        key_attention, key = jax.random.split(key)
        joined = input_size + self.attention.output_size(self.memory_size)
        return AttendParams(
            self.attention.init(key_attention, input_size, self.memory_size, dtype=dtype),
            glorot_uniform(key, (joined, self.size), dtype),
            jnp.zeros(self.size, dtype),
        )

    def run(self, params, xs, carry, signals: Signals):
        attended, _ = self.read(params, xs, signals.context)
        y = matmul(jnp.concatenate([xs, attended.astype(xs.dtype)], axis=-1), params.w)
        return (), jnp.tanh(add_bias(y, params.b.astype(y.dtype)))

    def read(
        self, params: AttendParams, xs: Float[Array, "b t i"], memory: Source
    ) -> tuple[Float[Array, "b t v"], Float[Array, "b t s"]]:
        """What every step reads, and the weights `p` of the values in it."""
        shape = list(jnp.shape(memory.values)) if isinstance(memory, Source) else None
        if shape and (shape[0], shape[-1]) != (xs.shape[0], self.memory_size):
            raise ValueError(
                f"expected values [{xs.shape[0]}, S, {self.memory_size}], one memory for each "
                f"sequence, got {shape}"
            )
        prepared = self.attention.prepare(params.attention, memory)
        attended, p = self.attention.read(params.attention, xs.swapaxes(0, 1), prepared)
        return attended.swapaxes(0, 1), p.swapaxes(0, 1)
