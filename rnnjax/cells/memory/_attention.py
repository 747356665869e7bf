"""The cell that attends to a memory."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import check_instance, check_positive
from ..._static import derived
from ..._wrapper import Wrapper
from ...attention import Attention, Memory, Source


class AttentionParams(NamedTuple):
    """Parameters of `AttentionDecoder`."""

    cell: Any  # parameters of the cell inside
    attention: Any  # parameters of the attention


class AttentionWeights(NamedTuple):
    """Weights of `AttentionDecoder`: its parameters, and the memory with its keys."""

    cell: Any
    attention: Any
    memory: Memory


class AttentionCarry(NamedTuple):
    """Carry of `AttentionDecoder`."""

    cell: Any  # carry of the cell inside
    attended: Float[Array, "*batch v"]  # what the last step read from the memory
    p: Float[Array, "*batch s"]  # the weights of the values in it


class AttentionDecoder(Wrapper):
    """A cell that attends to a memory, the values of its `context`, before every step.

        attended, p = attention(h, memory)
        carry'      = cell(carry, concat(x, attended))
        y           = output of the cell; with `with_attended`, concat(output, attended)

    `h` is the hidden state of the cell. `scan(cell, params, xs, context=Source(values, lengths))`
    takes the memory; values beyond its lengths affect no result. The carry holds what was read
    and the weights `p`, which `Record` shows.

    `layers.Attend` after a recurrent layer attends at all steps at once, which is faster; the
    loop then does not depend on what was read.

    Args:
        cell: the cell inside, for inputs of `I + V` features; any that has one hidden state.
        attention: how keys are compared with `h`, of `rnnjax.attention`.
        memory_size: number of features of a value.
        with_attended: whether the output includes what was read.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.attention import Additive, Source
        >>> cell = rnnjax.cells.AttentionDecoder(rnnjax.GRU(8), Additive(5), memory_size=4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> memory = Source(jnp.ones((2, 6, 4)), jnp.array([6, 3]))
        >>> carry, ys = rnnjax.scan(cell, params, jnp.ones((10, 2, 3)), context=memory)
        >>> ys.shape, carry.p.shape
        ((10, 2, 8), (2, 6))

    Reference:
        D. Bahdanau, K. Cho, Y. Bengio, Neural machine translation by jointly learning to align
        and translate, ICLR 2015.
    """

    attention: Attention
    memory_size: int
    _: KW_ONLY
    with_attended: bool = False

    takes_context = derived(lambda self: True)
    # The query, the attention, and the products of the cell.
    num_products = derived(lambda self: 2 + self.cell.num_products)
    _attended_size = property(lambda self: self.attention.output_size(self.memory_size))

    def __post_init__(self):
        super().__post_init__()
        check_instance("attention", self.attention, Attention, "Additive(64)")
        if self.cell.num_feature_axes != 1:
            raise ValueError(
                f"expected a cell whose input is one vector, got {self.cell}; the memory is "
                "appended to the input"
            )

    @property
    def output_size(self) -> Any:
        return self.cell.output_size + (self._attended_size if self.with_attended else 0)

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> AttentionParams:
        key_cell, key_attention = jax.random.split(key)
        size = check_positive("input_size", input_size) + self._attended_size
        return AttentionParams(
            self.cell.init(key_cell, size, dtype=dtype),
            self.attention.init(
                key_attention, self.cell.output_size, self.memory_size, dtype=dtype
            ),
        )

    def inner(self, weights):
        return weights.cell

    def prepare(self, params, *, context=None, key=None, batch_shape=()) -> AttentionWeights:
        memory = _checked_memory(self, context, batch_shape)
        more = context if self.cell.takes_context else None
        return AttentionWeights(
            self.cell.prepare(params.cell, context=more, key=key, batch_shape=batch_shape),
            params.attention,
            self.attention.prepare(params.attention, memory),
        )

    def init_carry(self, weights, batch_shape=()) -> AttentionCarry:
        attended = jnp.zeros((*batch_shape, self._attended_size))
        p = jnp.zeros((*batch_shape, weights.memory.keys.shape[-2]))
        return AttentionCarry(super().init_carry(weights, batch_shape), attended, p)

    def project(self, weights, xs, *noise):
        return xs, noise

    def recur(self, weights, carry, z, *s):
        if not s:
            return self.attention.query(weights.attention, _hidden(carry.cell))
        if len(s) == 1:
            x, noise = z
            attended, p = self.attention.read_projected(weights.attention, *s, weights.memory)
            inputs = self.cell.project(weights.cell, _joined(x, attended), *noise)
            return attended, p, inputs
        (*_, z), *s = s[1:]
        return self.cell.recur(weights.cell, carry.cell, z, *s)

    def update(self, weights, carry, *s):
        (attended, p, z), *s = s[1:]
        cell = self.cell.update(weights.cell, carry.cell, *s or [z])
        return AttentionCarry(cell, attended, p)

    def readout(self, weights, carry, x):
        y = self.cell.readout(weights.cell, carry.cell, _joined(x, carry.attended))
        return _joined(y, carry.attended) if self.with_attended else y


def _checked_memory(cell: AttentionDecoder, context: Any, batch_shape: Any) -> Source:
    if not isinstance(context, Source):
        raise ValueError(f"expected context to be a Source, got {context!r}")
    *batch, _, size = jnp.shape(context.values)
    if size != cell.memory_size or tuple(batch) != tuple(batch_shape):
        raise ValueError(
            f"expected values of shape {[*batch_shape, 'S', cell.memory_size]}, got "
            f"{list(jnp.shape(context.values))}; a memory has the batch axes first, also beside "
            "[T, *batch, I]"
        )
    return context


def _hidden(carry: Any) -> Array:
    h = getattr(carry, "h", carry)
    if not hasattr(h, "shape"):
        raise ValueError(
            f"expected a cell with one hidden state, got a carry of the type {type(h).__name__}; "
            "of several cells, let the lowest attend, and stack the others on it"
        )
    return h


def _joined(x: Array, attended: Array) -> Array:
    return jnp.concatenate([x.astype(attended.dtype), attended], axis=-1)
