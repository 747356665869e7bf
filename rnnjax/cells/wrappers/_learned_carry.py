"""An initial carry that is trained."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from ..._trees import inexact, replace_inexact
from ..._wrapper import Wrapper


class LearnedCarryParams(NamedTuple):
    """Parameters and weights of `LearnedCarry`."""

    cell: Any  # as the cell inside has them
    start: tuple[Array, ...]  # the arrays of the initial carry, without batch axes


class LearnedCarry(Wrapper):
    """A cell whose initial carry is a parameter, the same for every sequence.

    It starts as the cell's own. Integers in the carry, such as counters, are no parameters and
    stay as they are. In a stack, wrap the parts, which then stay fast.

    Args:
        cell: the cell inside.

    Raises:
        ValueError: if the cell takes a context; wrap the cell inside that one.

    Examples:
        >>> import jax, rnnjax
        >>> cell = rnnjax.cells.LearnedCarry(rnnjax.GRU(8))
        >>> params = cell.init(jax.random.key(0), 3)
        >>> params = params._replace(start=(jnp.ones(8),))
        >>> float(cell.init_carry(cell.prepare(params), (2,)).sum())
        16.0

    Reference:
        M. Forcada, R. Carrasco, Learning the initial state of a second-order recurrent neural
        network during regular-language inference, Neural Computation 7, 1995.
    """

    def __post_init__(self):
        super().__post_init__()
        if self.takes_context:
            raise ValueError(
                f"expected a cell without context, got {self.cell}; wrap the cell inside it"
            )

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> LearnedCarryParams:
        params = super().init(key, input_size, dtype=dtype)
        start = inexact(self.cell.init_carry(self.cell.prepare(params)))
        return LearnedCarryParams(
            params, tuple(a if jnp.iscomplexobj(a) else a.astype(dtype) for a in start)
        )

    def inner(self, weights):
        return weights.cell

    def prepare(self, params, *, context=None, key=None, batch_shape=()) -> LearnedCarryParams:
        weights = self.cell.prepare(params.cell, key=key, batch_shape=batch_shape)
        return LearnedCarryParams(weights, params.start)

    def init_carry(self, weights, batch_shape=()):
        start = [jnp.broadcast_to(a, (*batch_shape, *a.shape)) for a in weights.start]
        return replace_inexact(super().init_carry(weights, batch_shape), start)
