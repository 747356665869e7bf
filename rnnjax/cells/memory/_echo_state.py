"""The echo state network."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import check_positive
from ..._core import Cell
from ..._numerics import add_bias, matmul
from ...initializers import glorot_uniform


class EchoStateParams(NamedTuple):
    """Parameters of `EchoState`; the gradients of the first two are zero."""

    inlet: Float[Array, "i n"]
    reservoir: Float[Array, "n n"]
    w_o: Float[Array, "n o"]
    b_o: Float[Array, "o"]


class EchoState(Cell[EchoStateParams, Array]):
    """Echo state network: a fixed random reservoir, of which only the readout is trained.

        h' = (1 - leak) h + leak tanh(x inlet + h reservoir)
        y  = h' w_o + b_o

    Without inputs (`xs=None`) it runs freely: its last output is its input, `x = h w_o + b_o`.
    It then continues a series that it was trained to predict. `training.fit_readout` solves `w_o`
    and `b_o` in closed form.

    Variant: no feedback from the output beside the input, and no noise.

    Args:
        hidden_size: number of units N of the reservoir.
        output_size: number of output features O; equal to the number of input features where it
            runs freely.
        leak: share of a unit that a step replaces, above 0 and at most 1.
        spectral_radius: largest modulus of an eigenvalue of `reservoir`; below 1 the reservoir
            mostly forgets where it started.
        density: share of connections in the reservoir, above 0 and at most 1.
        input_scale: largest modulus of an entry of `inlet`.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.cells.EchoState(100, 1, leak=0.3)
        >>> params = cell.init(jax.random.key(0), 1)
        >>> h, ys = rnnjax.scan(cell, params, jnp.ones((10, 1)))
        >>> h, ys = rnnjax.scan(cell, params, None, h, length=5)
        >>> ys.shape
        (5, 1)

    Reference:
        H. Jaeger, The "echo state" approach to analysing and training recurrent neural networks,
        GMD report 148, 2001; H. Jaeger et al., Neural Networks 20, 2007, for the leak.
    """

    hidden_size: int
    output_size: int
    _: KW_ONLY
    leak: float = 1.0
    spectral_radius: float = 0.9
    density: float = 0.1
    input_scale: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        for name in ("leak", "density"):
            if not 0 < (value := getattr(self, name)) <= 1:
                raise ValueError(f"expected {name} to be above 0 and at most 1, got {value}")
        for name in ("spectral_radius", "input_scale"):
            if (value := getattr(self, name)) < 0:
                raise ValueError(f"expected {name} to be at least 0, got {value}")

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> EchoStateParams:
        n, scale = self.hidden_size, self.input_scale
        input_size = check_positive("input_size", input_size)
        key_x, key_h, key_sparse, key_o = jax.random.split(key, 4)
        dense = jax.random.uniform(key_h, (n, n), minval=-1, maxval=1)
        sparse = jnp.where(jax.random.bernoulli(key_sparse, self.density, (n, n)), dense, 0)
        # A small and sparse reservoir may have no cycle, and then the radius is 0.
        radius = _spectral_radius(sparse)
        factor = jnp.where(radius > 0, self.spectral_radius / radius, 1)
        return EchoStateParams(
            inlet=jax.random.uniform(key_x, (input_size, n), dtype, -scale, scale),
            reservoir=(factor * sparse).astype(dtype),
            w_o=glorot_uniform(key_o, (n, self.output_size), dtype),
            b_o=jnp.zeros(self.output_size, dtype),
        )

    def prepare(self, params, *, context=None, key=None, batch_shape=()) -> EchoStateParams:
        fixed = jax.lax.stop_gradient((params.inlet, params.reservoir))
        return params._replace(inlet=fixed[0], reservoir=fixed[1])

    def init_carry(self, weights, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.hidden_size))

    def project(self, weights, xs):
        return None if xs is None else matmul(xs, weights.inlet)

    def recur(self, weights, carry, z):
        if z is None:
            z = self._feedback(weights, carry)
        return z + matmul(carry, weights.reservoir)

    def update(self, weights, carry, s):
        return (1 - self.leak) * carry + self.leak * jnp.tanh(s)

    def readout(self, weights, carry, x):
        return add_bias(matmul(carry, weights.w_o), weights.b_o)

    def _feedback(self, weights, carry):
        if weights.inlet.shape[0] != self.output_size:
            raise ValueError(
                f"expected inputs (xs), got None; {self} takes {weights.inlet.shape[0]} features "
                f"and puts out {self.output_size}, so that it cannot run freely on its outputs"
            )
        return matmul(self.readout(weights, carry, None), weights.inlet)


def _spectral_radius(a: Float[Array, "n n"]) -> Float[Array, ""]:
    """The largest modulus of an eigenvalue."""
    return jnp.abs(jnp.linalg.eigvals(a)).max()
