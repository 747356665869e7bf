"""The Hopfield network: a memory of patterns of ±1."""

from math import sqrt
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..._checks import brief, check_array
from ..._core import Cell
from ..._numerics import matmul
from ._units import check_fields, check_units, sgn, without_diagonal


class HopfieldParams(NamedTuple):
    """Parameters of `Hopfield` and `SynchronousHopfield`: symmetric, the diagonal zero."""

    w_h: Float[Array, "n n"]


class Hopfield(Cell[HopfieldParams, Array]):
    """Hopfield network: a memory that completes damaged patterns of ±1.

        h_i' = sgn(h w_h[:, i] + x_i),  one unit i after the other
        y    = h'

    A step is a sweep: every unit is updated once, in order, and the next one sees its new state.
    A unit whose sum is zero keeps its state. With symmetric weights no update raises the `energy`,
    so that sweeps end in a stable state. Recall starts from the damaged pattern as the carry, in
    which 0 is an unknown unit, and needs no inputs (`xs=None`); an input x is an external field.

    `hebb` and `pseudo_inverse` store patterns in the weights. Hebb's rule holds about 0.138 N
    random patterns. All derivatives are zero, since sgn is constant in pieces.

    Variant: a fixed order of the units in the place of a random one.

    Args:
        hidden_size: number of units N, of inputs and of outputs.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.cells.Hopfield(6)
        >>> params = cell.hebb(jnp.array([[1, 1, 1, -1, -1, -1], [1, -1, 1, -1, 1, -1]]))
        >>> cue = jnp.array([1.0, 1.0, 0.0, -1.0, 0.0, -1.0])
        >>> rnnjax.scan(cell, params, None, cue, length=2)[0].astype(int).tolist()
        [1, 1, 1, -1, -1, -1]

    Reference:
        J. J. Hopfield, Neural networks and physical systems with emergent collective computational
        abilities, PNAS 79, 1982.
    """

    hidden_size: int

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> HopfieldParams:
        """Draws symmetric weights at random, in which nothing is stored."""
        n = self.hidden_size
        check_fields(self, input_size)
        w = jax.random.normal(key, (n, n), dtype)
        return HopfieldParams(without_diagonal((w + w.T) / sqrt(2 * n)))

    def init_carry(self, weights, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.hidden_size))

    def update(self, weights, carry, x) -> Array:
        def visit(h, unit):
            i, w, field = unit
            s = matmul(h, w[:, None])[..., 0]
            s = s if field is None else s + field
            return h.at[..., i].set(sgn(s, h[..., i])), None

        fields = None if x is None else jnp.moveaxis(check_units("x", x, self.hidden_size), -1, 0)
        units = jnp.arange(self.hidden_size), weights.w_h.T, fields
        return jax.lax.scan(visit, carry, units)[0]

    def hebb(self, patterns: Float[ArrayLike, "p n"]) -> HopfieldParams:
        """Stores patterns of ±1 by Hebb's rule: `w_h = patternsᵀ patterns / N`, no diagonal."""
        patterns = self._patterns(patterns)
        return HopfieldParams(without_diagonal(patterns.T @ patterns / self.hidden_size))

    def pseudo_inverse(self, patterns: Float[ArrayLike, "p n"]) -> HopfieldParams:
        """Stores patterns of ±1 by the projection onto their span, without its diagonal.

        Similar patterns do not disturb each other, as they do by Hebb's rule.

        Reference:
            L. Personnaz, I. Guyon, G. Dreyfus, Information storage and retrieval in spin-glass like
            neural networks, J. Physique Lett. 46, 1985; I. Kanter, H. Sompolinsky, Associative
            recall of memory without errors, Phys. Rev. A 35, 1987, for the empty diagonal.
        """
        patterns = self._patterns(patterns)
        return HopfieldParams(without_diagonal(jnp.linalg.pinv(patterns) @ patterns))

    def energy(self, params: HopfieldParams, h: Float[Array, "*batch n"], x: Any = None) -> Array:
        """The energy `[*batch]` of states: `-h w_h hᵀ / 2 - x hᵀ`."""
        n = self.hidden_size
        h, x = check_units("h", h, n), 0 if x is None else check_units("x", x, n)
        return -(h * (matmul(h, params.w_h) / 2 + x)).sum(-1)

    def _patterns(self, patterns: Any) -> Float[Array, "p n"]:
        patterns = check_array("patterns", patterns)
        if patterns.ndim != 2 or patterns.shape[1] != self.hidden_size:
            raise ValueError(
                f"expected patterns [P, {self.hidden_size}], one a row, got {brief(patterns)}"
            )
        known = not isinstance(patterns, Tracer)
        if jnp.iscomplexobj(patterns) or known and not (jnp.abs(patterns) == 1).all():
            raise ValueError(
                f"expected patterns of 1 and -1, got {brief(patterns)} with other values; pixels "
                "p of 0 and 1 become 2 p - 1"
            )
        return patterns.astype(jnp.promote_types(patterns.dtype, jnp.float32))
