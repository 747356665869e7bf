"""A decoder that attends to a memory."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float, Int

from ..._checks import check_positive
from ..._numerics import along, carry_dtype, matmul
from ..._static import derived
from ..._wrapper import Wrapper
from ...initializers import glorot_uniform

# Finite, so that a row without memory stays finite.
_NO_ATTENTION = -1e30


class AttentionMemory(NamedTuple):
    """The context of `AttentionDecoder`: the memory to attend to."""

    values: Float[Array, "*batch s m"]
    lengths: Int[Array, "*batch"] | None = None  # number of valid values, by default all


class AttentionParams(NamedTuple):
    """Parameters of `AttentionDecoder`."""

    cell: Any  # parameters of the cell inside
    w_q: Float[Array, "h a"]  # of the query
    w_k: Float[Array, "m a"]  # of the keys
    w_v: Float[Array, "a 1"]  # of the score


class AttentionWeights(NamedTuple):
    """Weights of `AttentionDecoder`: the memory, without its padding, and the projected keys."""

    cell: Any
    w_q: Float[Array, "h a"]
    w_v: Float[Array, "a 1"]
    values: Float[Array, "*batch s m"]
    keys: Float[Array, "*batch s a"]
    valid: Bool[Array, "*batch s"] | None


class AttentionCarry(NamedTuple):
    """Carry of `AttentionDecoder`."""

    cell: Any  # carry of the cell inside
    attended: Float[Array, "*batch m"]  # mean of the values at the last step


class AttentionDecoder(Wrapper):
    """A cell that attends to a memory, the values of its `context`, before every step.

        score_j  = tanh(h w_q + values_j w_k) w_v
        p        = softmax(score)
        attended = sum_j p_j values_j
        carry'   = cell(carry, concat(x, attended))
        y        = output of the cell

    `h` is the hidden state of the cell. `scan(cell, params, xs, context=AttentionMemory(values,
    lengths))` takes the memory; values beyond its lengths affect no result. `attended` is kept
    in the carry: `Record` shows it, and a readout may use it beside `y`.

    Variant: additive attention, without a bias; the cell may be any that has one hidden state.

    Args:
        cell: the cell inside, for inputs of `I + memory_size` features.
        attention_size: number of units A that compare query and keys.
        memory_size: number of features M of a value.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.cells.AttentionDecoder(rnnjax.GRU(8), attention_size=5, memory_size=4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> memory = rnnjax.cells.AttentionMemory(jnp.ones((2, 6, 4)), jnp.array([6, 3]))
        >>> carry, ys = rnnjax.scan(cell, params, jnp.ones((10, 2, 3)), context=memory)
        >>> ys.shape
        (10, 2, 8)

    Reference:
        D. Bahdanau, K. Cho, Y. Bengio, Neural machine translation by jointly learning to align
        and translate, ICLR 2015.
    """

    attention_size: int
    memory_size: int

    takes_context = derived(lambda self: True)
    # The query, the attention, and the products of the cell.
    num_products = derived(lambda self: 2 + self.cell.num_products)

    def __post_init__(self):
        super().__post_init__()
        if self.cell.num_feature_axes != 1:
            raise ValueError(
                f"expected a cell whose input is one vector, got {self.cell}; the memory is "
                "appended to the input"
            )

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> AttentionParams:
        keys = jax.random.split(key, 4)
        size, input_size = self.attention_size, check_positive("input_size", input_size)
        return AttentionParams(
            cell=self.cell.init(keys[0], input_size + self.memory_size, dtype=dtype),
            w_q=glorot_uniform(keys[1], (self.cell.output_size, size), dtype),
            w_k=glorot_uniform(keys[2], (self.memory_size, size), dtype),
            w_v=glorot_uniform(keys[3], (size, 1), dtype),
        )

    def inner(self, weights):
        return weights.cell

    def prepare(self, params, *, context=None, key=None, batch_shape=()) -> AttentionWeights:
        values, valid = _without_padding(self, context, batch_shape)
        more = context if self.cell.takes_context else None
        return AttentionWeights(
            self.cell.prepare(params.cell, context=more, key=key, batch_shape=batch_shape),
            params.w_q,
            params.w_v,
            values,
            matmul(values, params.w_k),
            valid,
        )

    def init_carry(self, weights, batch_shape=()) -> AttentionCarry:
        attended = jnp.zeros((*batch_shape, self.memory_size))
        return AttentionCarry(super().init_carry(weights, batch_shape), attended)

    def project(self, weights, xs, *noise):
        return xs, noise

    def recur(self, weights, carry, z, *s):
        if not s:
            return matmul(_hidden(carry.cell), weights.w_q)
        if len(s) == 1:
            x, noise = z
            attended = _attend(weights, *s)
            return attended, self.cell.project(weights.cell, _joined(x, attended), *noise)
        (_, z), *s = s[1:]
        return self.cell.recur(weights.cell, carry.cell, z, *s)

    def update(self, weights, carry, *s):
        (attended, z), *s = s[1:]
        return AttentionCarry(self.cell.update(weights.cell, carry.cell, *s or [z]), attended)

    def readout(self, weights, carry, x):
        return self.cell.readout(weights.cell, carry.cell, _joined(x, carry.attended))


def _without_padding(cell, context, batch_shape):
    """The values, zeros in the padding, and which are valid: `None` where all are."""
    if not isinstance(context, AttentionMemory):
        raise ValueError(f"expected context to be an AttentionMemory, got {context!r}")
    values = context.values.astype(carry_dtype(context.values.dtype))
    *batch, steps, size = values.shape
    if size != cell.memory_size or tuple(batch) != tuple(batch_shape):
        raise ValueError(
            f"expected values of shape {[*batch_shape, 'S', cell.memory_size]}, got "
            f"{list(values.shape)}; a memory has the batch axes first, also beside [T, *batch, I]"
        )
    if context.lengths is None:
        return values, None
    lengths = jnp.asarray(context.lengths)[..., None]
    valid = along(jnp.arange(steps), lengths) < lengths
    # Zero times NaN would be NaN.
    return jnp.where(valid[..., None], values, 0), valid


def _attend(weights: AttentionWeights, query: Float[Array, "*lead a"]) -> Float[Array, "*lead m"]:
    """The mean of the values, weighted by how well their keys fit the query."""
    query = query[..., None, :]
    score = matmul(jnp.tanh(along(weights.keys, query) + query), weights.w_v)[..., 0]
    if weights.valid is not None:
        score = jnp.where(along(weights.valid, score), score, _NO_ATTENTION)
    p = checkpoint_name(jax.nn.softmax(score), "attention")
    return (p[..., None, :] @ along(weights.values, p[..., None]))[..., 0, :]


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
