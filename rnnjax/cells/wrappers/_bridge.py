"""An initial carry that is computed from the context."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._numerics import add_bias, matmul
from ..._static import derived
from ..._trees import inexact, replace_inexact
from ..._wrapper import Wrapper
from ...attention import Source
from ...initializers import glorot_uniform


class BridgeParams(NamedTuple):
    """Parameters of `Bridge`, with an entry for each array of the carry."""

    cell: Any  # as the cell inside has them
    w: tuple[Float[Array, "n h"], ...]
    b: tuple[Float[Array, "h"], ...]


class BridgeWeights(NamedTuple):
    """Weights of `Bridge`."""

    cell: Any
    start: tuple[Float[Array, "*batch h"], ...]  # the arrays of the initial carry


class Bridge(Wrapper):
    """A cell whose initial carry is computed from the summary of its context.

        start = tanh(summary w + b), for each array of the carry

    It connects an encoder to the first step of a decoder: `layers.EncoderDecoder` passes the
    final carry of the encoder as the summary. Arrays of integers in the carry stay as they are.

    Args:
        cell: the cell inside, whose carry has one feature axis.
        summary_size: number of features of the summary.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.cells.Bridge(rnnjax.GRU(8), summary_size=4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> source = rnnjax.attention.Source(jnp.ones((2, 1, 1)), summary=jnp.ones((2, 4)))
        >>> carry, ys = rnnjax.scan(cell, params, jnp.ones((10, 2, 3)), context=source)
        >>> ys.shape
        (10, 2, 8)

    Reference:
        D. Bahdanau, K. Cho, Y. Bengio, Neural machine translation by jointly learning to align
        and translate, ICLR 2015, appendix A.2.2.
    """

    summary_size: int

    takes_context = derived(lambda self: True)

    def __post_init__(self):
        super().__post_init__()
        if self.cell.takes_context:
            raise ValueError(
                f"expected a cell without context, got {self.cell}; wrap the cell inside it"
            )

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> BridgeParams:
        key_cell, key = jax.random.split(key)
        params = self.cell.init(key_cell, input_size, dtype=dtype)
        sizes = [a.shape for a in inexact(self.cell.init_carry(self.cell.prepare(params)))]
        if any(len(size) != 1 for size in sizes):
            raise ValueError(f"expected a cell whose carry has one feature axis, got {self.cell}")
        shapes = [(self.summary_size, *size) for size in sizes]
        w = (glorot_uniform(jax.random.fold_in(key, k), s, dtype) for k, s in enumerate(shapes))
        return BridgeParams(params, tuple(w), tuple(jnp.zeros(size, dtype) for size in sizes))

    def inner(self, weights):
        return weights.cell

    def prepare(self, params, *, context=None, key=None, batch_shape=()) -> BridgeWeights:
        summary = context.summary if isinstance(context, Source) else None
        got = None if summary is None else list(jnp.shape(summary))
        if summary is None or got != [*batch_shape, self.summary_size]:
            raise ValueError(
                f"expected a Source with a summary {[*batch_shape, self.summary_size]} as the "
                f"context, got {got}"
            )
        start = [
            jnp.tanh(add_bias(y := matmul(summary, w), b.astype(y.dtype)))
            for w, b in zip(params.w, params.b, strict=True)
        ]
        weights = self.cell.prepare(params.cell, key=key, batch_shape=batch_shape)
        return BridgeWeights(weights, tuple(start))

    def init_carry(self, weights, batch_shape=()):
        own = super().init_carry(weights, batch_shape)
        batched = weights.start[0].shape[:-1] == tuple(batch_shape)
        # The engine asks for the shapes of one sequence with the weights of all.
        return replace_inexact(own, weights.start) if batched else own
