"""The Hopfield network with continuous states, whose step is attention."""

from dataclasses import KW_ONLY
from math import log
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..._checks import brief, check_above, check_array
from ..._core import Cell
from ..._numerics import matmul
from ._units import check_fields, check_units


class ModernHopfieldParams(NamedTuple):
    """Parameters of `ModernHopfield`: the stored patterns, one a row."""

    w_h: Float[Array, "p n"]


class ModernHopfield(Cell[ModernHopfieldParams, Array]):
    """Modern Hopfield network: a step is attention of the state over the stored patterns.

        h' = softmax(beta h w_hᵀ) w_h + x
        y  = h'

    No step raises the `energy`. The number of random patterns that it holds is exponential in N,
    and one step mostly suffices. Recall starts from the damaged pattern as the carry and needs no
    inputs (`xs=None`). It is differentiable, by the patterns, too.

    Variant: an input x is an external field, a term `-x hᵀ` of the energy; the paper has none.

    Args:
        hidden_size: number of units N, of inputs and of outputs.
        num_patterns: number of patterns P.
        beta: inverse temperature, above 0; a low one gives averages of similar patterns.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.cells.ModernHopfield(3, 2, beta=8.0)
        >>> params = cell.store([[1.0, 2.0, 0.5], [-1.0, 0.0, 2.0]])
        >>> h, _ = rnnjax.scan(cell, params, None, jnp.array([1.0, 1.0, 0.0]), length=2)
        >>> h.round(3).tolist()
        [1.0, 2.0, 0.5]

    Reference:
        H. Ramsauer et al., Hopfield networks is all you need, ICLR 2021.
    """

    hidden_size: int
    num_patterns: int
    _: KW_ONLY
    beta: float = 1.0

    num_products = 2

    def __post_init__(self):
        super().__post_init__()
        check_above("beta", self.beta)

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> ModernHopfieldParams:
        """Draws standard normal patterns."""
        n = self.hidden_size
        check_fields(self, input_size)
        return ModernHopfieldParams(jax.random.normal(key, (self.num_patterns, n), dtype))

    def init_carry(self, weights, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.hidden_size))

    def project(self, weights, xs):
        return None if xs is None else check_units("x", xs, self.hidden_size)

    def recur(self, weights, carry, z, *s):
        if not s:
            return matmul(self.beta * carry, weights.w_h.T)
        attended = matmul(jax.nn.softmax(s[0], axis=-1), weights.w_h)
        return attended if z is None else z + attended

    def update(self, weights, carry, s, attended):
        return attended

    def store(self, patterns: Float[ArrayLike, "p n"]) -> ModernHopfieldParams:
        """The parameters that hold patterns of any numbers."""
        patterns = check_array("patterns", patterns)
        expected = (self.num_patterns, self.hidden_size)
        if patterns.shape != expected or jnp.iscomplexobj(patterns):
            raise ValueError(
                f"expected real patterns {list(expected)}, one a row, got {brief(patterns)}"
            )
        return ModernHopfieldParams(patterns.astype(jnp.promote_types(patterns.dtype, jnp.float32)))

    def energy(
        self, params: ModernHopfieldParams, h: Float[Array, "*batch n"], x: Any = None
    ) -> Array:
        """The energy `[*batch]` of states, which is never negative without a field.

        `-log(sum(exp(beta h w_hᵀ))) / beta + |h|² / 2 + log(P) / beta + max |w_h|² / 2 - x hᵀ`
        """
        n = self.hidden_size
        h, x = check_units("h", h, n), 0 if x is None else check_units("x", x, n)
        longest = (params.w_h**2).sum(-1).max()
        fit = jax.nn.logsumexp(matmul(self.beta * h, params.w_h.T), axis=-1) / self.beta
        constant = log(self.num_patterns) / self.beta + longest / 2
        return (h * (h / 2 - x)).sum(-1) - fit + constant
