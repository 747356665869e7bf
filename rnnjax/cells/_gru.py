"""The gated recurrent unit, in both of its published variants."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._core import StagedCell, carry_dtype, frozen, matmul, matmul_split, positive
from ..initializers import glorot_uniform, orthogonal, per_gate


class GRUParams(NamedTuple):
    """Parameters of `GRU`; the blocks of the last axis are the gates r, z, n.

    Attributes:
        w_x: input weights, `[I, 3H]`.
        w_h: recurrent weights, `[H, 3H]`; where the reset comes first those of r and z, `[H, 2H]`.
        b: bias, `[3H]`.
        b_hn: bias inside the reset product, `[H]`; `None` where the reset comes first.
        w_hn: recurrent weights of n, `[H, H]`, where the reset comes first; `None` elsewhere.

    Example:
        >>> import rnnjax
        >>> rnnjax.GRU(4).init(jax.random.key(0), 3).b_hn.shape
        (4,)
    """

    w_x: Float[Array, "i 3*h"]
    w_h: Float[Array, "h _"]
    b: Float[Array, "3*h"]
    b_hn: Float[Array, "h"] | None
    w_hn: Float[Array, "h h"] | None = None


class GRUGates(NamedTuple):
    """Pre-activations of `GRU`: the two gates side by side, and the candidate's two parts.

    Attributes:
        rz: of the reset gate r and the update gate z, `[*batch, 2H]`.
        n_x: the candidate's part that the reset gate leaves alone, `[*batch, H]`; all of it
            where the reset comes first.
        n_h: the part that it multiplies, `[*batch, H]`; `None` where the reset comes first.

    Example:
        >>> import rnnjax
        >>> cell = rnnjax.GRU(4, reset_after=False)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> s = cell.recur(params, cell.init_carry(params), cell.project(params, jnp.ones(3)))
        >>> s.rz.shape, s.n_h
        ((8,), None)
    """

    rz: Float[Array, "*batch 2*h"]
    n_x: Float[Array, "*batch h"]
    n_h: Float[Array, "*batch h"] | None


@frozen
class GRU(StagedCell[GRUParams, Array]):
    """Gated recurrent unit.

        r  = sigmoid(x w_xr + h w_hr + b_r)
        z  = sigmoid(x w_xz + h w_hz + b_z)
        n  = tanh(x w_xn + b_n + r (h w_hn + b_hn))        reset_after=True
        n  = tanh(x w_xn + b_n + (r h) w_hn)               reset_after=False
        h' = (1 - z) n + z h
        y  = h'

    Variant: `reset_after=True` is that of PyTorch, cuDNN and Keras, and the faster one: one
    recurrent product a step instead of two, one after the other. `reset_after=False` is that
    of the paper and of Haiku. They are different functions of the same weights. PyTorch's two
    biases of r and of z are one each here.

    Args:
        hidden_size: number of units H, which is also the number of output features.
        reset_after: whether the reset gate acts after the recurrent product or before it.

    Example:
        >>> import rnnjax
        >>> cell = rnnjax.GRU(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> h, y = cell.step(params, cell.init_carry(params), jnp.ones(3))
        >>> y.shape
        (4,)

    Reference:
        K. Cho et al., Learning phrase representations using RNN encoder-decoder for
        statistical machine translation, EMNLP 2014 (version 1 of the preprint resets after
        the product, version 3 before it).
    """

    hidden_size: int
    reset_after: bool = True

    def __post_init__(self):
        positive("hidden_size", self.hidden_size)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> GRUParams:
        key_x, key_h = jax.random.split(key)
        columns, gates = 3 * self.hidden_size, 2 * self.hidden_size
        w_x = per_gate(glorot_uniform, 3)(key_x, (input_size, columns), dtype)
        w_h = per_gate(orthogonal, 3)(key_h, (self.hidden_size, columns), dtype)
        b = jnp.zeros(columns, dtype)
        if self.reset_after:
            return GRUParams(w_x, w_h, b, b_hn=jnp.zeros(self.hidden_size, dtype))
        return GRUParams(w_x, w_h[:, :gates], b, b_hn=None, w_hn=w_h[:, gates:])

    def init_carry(self, params, batch_shape=()) -> Array:
        return jnp.zeros((*batch_shape, self.hidden_size), carry_dtype(params.w_h.dtype))

    def project(self, params, xs):
        return matmul_split(xs, params.w_x, at=2 * self.hidden_size)

    def recur(self, params, carry, z):
        gates = 2 * self.hidden_size
        rz, n_x = z[0] + params.b[:gates], z[1] + params.b[gates:]
        if params.b_hn is None:
            return GRUGates(rz=rz + matmul(carry, params.w_h), n_x=n_x, n_h=None)
        h_rz, h_n = jnp.split(matmul(carry, params.w_h), [gates], axis=-1)
        return GRUGates(rz=rz + h_rz, n_x=n_x, n_h=h_n + params.b_hn)

    def recur_again(self, params, carry, s):
        if params.w_hn is None:
            return s
        r = jax.nn.sigmoid(s.rz[..., : self.hidden_size])
        return s._replace(n_x=s.n_x + matmul(r * carry, params.w_hn))

    def gate(self, params, carry, s):
        r, z = jnp.split(jax.nn.sigmoid(s.rz), 2, axis=-1)
        n = jnp.tanh(s.n_x if s.n_h is None else s.n_x + r * s.n_h)
        h = (1 - z) * n + z * carry
        return h, h
