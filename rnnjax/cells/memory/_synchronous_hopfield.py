"""The Hopfield network whose units all change at once."""

from ..._numerics import matmul
from ._hopfield import Hopfield
from ._units import check_units, sgn


class SynchronousHopfield(Hopfield):
    """Hopfield network with synchronous recall: all units change at once.

        h' = sgn(h w_h + x)
        y  = h'

    It ends in a stable state or, since the energy may rise, in a cycle of two states. A step is one
    product, for which a step of `Hopfield` takes N small ones.

    Args:
        hidden_size: number of units N, of inputs and of outputs.

    Examples:
        >>> import jax.numpy as jnp, rnnjax
        >>> cell = rnnjax.cells.SynchronousHopfield(4)
        >>> params = cell.hebb(jnp.array([[1, 1, -1, -1]]))
        >>> cue = jnp.array([1.0, 1.0, 1.0, -1.0])
        >>> rnnjax.scan(cell, params, None, cue, length=1)[0].astype(int).tolist()
        [1, 1, -1, -1]

    Reference:
        W. A. Little, The existence of persistent states in the brain, Mathematical Biosciences 19,
        1974.
    """

    def project(self, weights, xs):
        return None if xs is None else check_units("x", xs, self.hidden_size)

    def recur(self, weights, carry, z):
        s = matmul(carry, weights.w_h)
        return s if z is None else z + s

    def update(self, weights, carry, s):
        return sgn(s, carry)
