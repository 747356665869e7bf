"""The linear recurrent unit."""

from dataclasses import KW_ONLY
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from ..._core import Cell
from ..._numerics import along, carry_dtype, matmul


class LRUParams(NamedTuple):
    """Parameters of `LRU`; `re` and `im` are real and imaginary parts."""

    nu: Float[Array, "n"]  # log of the decay, -log|a|
    theta: Float[Array, "n"]  # log of the phase of a
    gamma: Float[Array, "n"]  # log of the gain of the input
    w_x_re: Float[Array, "i n"]
    w_x_im: Float[Array, "i n"]
    w_c_re: Float[Array, "n o"]
    w_c_im: Float[Array, "n o"]
    skip: Float[Array, "o"]


class LRUWeights(NamedTuple):
    """Weights of `LRU`: the parameters, and the values that depend on them alone."""

    params: LRUParams
    a: Complex[Array, "n"]
    gain: Float[Array, "n"]


class LRU(Cell[LRUParams, Array]):
    """Linear recurrent unit: complex units that turn and decay, each on its own.

        a  = exp(-exp(nu) + i exp(theta))
        h' = a h + exp(gamma) (x w_x)
        y  = Re(h' w_c) + skip x

    The moduli of `a` start uniformly in the area of the ring between `min_radius` and
    `max_radius`, and `gamma` starts at `log(sqrt(1 - |a|**2))`, so that the carry starts with the
    variance of its input. No step changes the stability: `|a| < 1` for all parameters.

    Args:
        hidden_size: number of complex units N.
        output_size: number of output features O, which is also the number of input features.
        min_radius: smallest initial modulus of `a`.
        max_radius: largest initial modulus of `a`.
        max_phase: largest initial phase of `a`, in radians; small ones suit long sequences.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.cells.LRU(8, 3)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> h, ys = rnnjax.scan(cell, params, jnp.ones((10, 3)))
        >>> h.dtype, ys.shape
        (dtype('complex64'), (10, 3))

    Reference:
        A. Orvieto et al., Resurrecting recurrent neural networks for long sequences, ICML 2023.
    """

    hidden_size: int
    output_size: int
    _: KW_ONLY
    min_radius: float = 0.0
    max_radius: float = 1.0
    max_phase: float = 6.28

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.min_radius < self.max_radius <= 1:
            raise ValueError(
                "expected 0 <= min_radius < max_radius <= 1, "
                f"got {self.min_radius} and {self.max_radius}"
            )
        if self.max_phase <= 0:
            raise ValueError(f"expected max_phase to be positive, got {self.max_phase}")

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> LRUParams:
        if input_size != self.output_size:
            raise ValueError(
                f"expected inputs of {self.output_size} features, as many as {self} puts out, got "
                f"{input_size}; its skip adds them up, so put a Dense({self.output_size}) in front"
            )
        n, keys = self.hidden_size, jax.random.split(key, 7)
        # A radius of 0 has no logarithm, and a phase neither.
        area, phase = jax.random.uniform(keys[0], (2, n), minval=1e-4)
        square = area * (self.max_radius**2 - self.min_radius**2) + self.min_radius**2
        square = jnp.minimum(square, 1 - 1e-6)

        def normal(key, shape, scale):
            return (scale * jax.random.normal(key, shape)).astype(dtype)

        return LRUParams(
            nu=jnp.log(-jnp.log(square) / 2).astype(dtype),
            theta=jnp.log(self.max_phase * phase).astype(dtype),
            gamma=(jnp.log1p(-square) / 2).astype(dtype),
            w_x_re=normal(keys[1], (input_size, n), (2 * input_size) ** -0.5),
            w_x_im=normal(keys[2], (input_size, n), (2 * input_size) ** -0.5),
            w_c_re=normal(keys[3], (n, self.output_size), n**-0.5),
            w_c_im=normal(keys[4], (n, self.output_size), n**-0.5),
            skip=normal(keys[5], (self.output_size,), 1.0),
        )

    def prepare(self, params, *, context=None, key=None, batch_shape=()) -> LRUWeights:
        nu, theta = (p.astype(carry_dtype(p.dtype)) for p in (params.nu, params.theta))
        a = jnp.exp(jax.lax.complex(-jnp.exp(nu), jnp.exp(theta)))
        return LRUWeights(params, a, jnp.exp(params.gamma))

    def init_carry(self, weights, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.hidden_size), jnp.complex64)

    def elements(self, weights, xs):
        re, im = matmul(xs, weights.params.w_x_re), matmul(xs, weights.params.w_x_im)
        gain = along(weights.gain, re)
        return weights.a, jax.lax.complex(gain * re, gain * im)

    def readout(self, weights, carry, x):
        p = weights.params
        y = matmul(carry.real, p.w_c_re) - matmul(carry.imag, p.w_c_im)
        return y + along(p.skip, y) * x.astype(y.dtype)
