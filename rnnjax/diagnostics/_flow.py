"""The gradient on its way back through time: the vanishing or exploding curve."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from .._core import Cell, carry_dtype, frozen
from ..engine import scan
from ._axes import draw_curves
from ._norms import named, norm


def gradient_flow(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    loss: Callable[[PyTree], ArrayLike],
    carry: PyTree = None,
    *,
    lengths: Int[ArrayLike, "*batch"] | None = None,
) -> dict[str, Float[Array, "time *batch"]]:
    """Norms of dL/dh_t: how much gradient has come back to the carry that enters step t.

    Entry 0 is of the initial carry; the last entry is of the carry before the last step, of
    which the last output is a function. Exact, at the cost of one gradient: a zero is added
    to the carry at every step, and the loss is differentiated in these zeros.

    Args:
        cell: the cell.
        params: its parameters.
        xs: inputs `[T, *batch, features]`, or a pytree of such arrays.
        loss: a function of the outputs `[T, *batch, features]` that gives one number.
        carry: the carry to start from; by default the initial one.
        lengths: number of valid steps of each sequence; the norm is 0 beyond.

    Returns:
        Under "all" the norm over the whole carry, and, if it consists of several arrays, one
        norm for each, by its name ("h", "c"; in a stack "0.h"). Each is `[T, *batch]`.

    Example:
        >>> import rnnjax
        >>> cell = rnnjax.Elman(4, activation="identity")
        >>> params = cell.init(jax.random.key(0), 3)
        >>> flow = gradient_flow(cell, params, jnp.ones((3, 3)), lambda ys: ys[-1, 0])
        >>> flow["all"].round(3)  # `w_h` is orthogonal
        Array([1., 1., 1.], dtype=float32)

    Reference:
        S. Hochreiter, Untersuchungen zu dynamischen neuronalen Netzen, TU Munich, 1991;
        Y. Bengio, P. Simard, P. Frasconi, Learning long-term dependencies with gradient
        descent is difficult, IEEE Transactions on Neural Networks 5, 1994.
    """
    xs = jax.tree.map(jnp.asarray, xs)

    def carries():
        return scan(cell, params, xs, carry, lengths=lengths, return_carries=True)[1][1]

    def moved(deltas):
        return loss(scan(_Moved(cell), params, (xs, deltas), carry, lengths=lengths)[1])

    def zero(c):
        lead = jax.tree.leaves(xs)[0].shape[:-1]
        return jnp.zeros((*lead, prod(c.shape[len(lead) :])), carry_dtype(c.dtype))

    gradient = jax.grad(moved)(jax.tree.map(zero, jax.eval_shape(carries)))
    norms = named(jax.tree.map(lambda g: norm(g, axis=-1), gradient))
    return {**norms, "all": norm(jnp.stack(list(norms.values())), axis=0)}


@frozen
class _Moved(Cell):
    """A cell whose carry is moved by a second input before every step."""

    cell: Cell

    @property
    def output_size(self) -> int:
        return self.cell.output_size

    def init(self, key, input_size, *, dtype: Any = jnp.float32):
        return self.cell.init(key, input_size[0], dtype=dtype)

    def init_carry(self, params, batch_shape=()):
        return self.cell.init_carry(params, batch_shape)

    def step(self, params, carry, x):
        x, deltas = x
        moved = jax.tree.map(lambda c, d: c + d.reshape(c.shape).astype(c.dtype), carry, deltas)
        return self.cell.step(params, moved, x)


def plot_gradient_flow(flows: Mapping[str, Float[ArrayLike, "time *batch"]], *, ax: Any = None):
    """Draws norms of dL/dh_t against t, on a logarithmic axis.

    Args:
        flows: curves by label, `[T]` or `[T, *batch]`: what `gradient_flow` returns, or one
            entry of it for each of several cells. Of several sequences the median is drawn.
        ax: the matplotlib axes to draw on; by default those of a new figure.

    Returns:
        The axes; `ax.figure` is the picture.

    Example:
        >>> ax = plot_gradient_flow({"LSTM": [0.5, 0.7, 1.0], "Elman": [1e-4, 1e-2, 1.0]})
        >>> ax.get_yscale()
        'log'
    """
    ax = draw_curves(flows, ax)
    ax.set(
        title="Gradient that reaches each step",
        xlabel="time step t",
        ylabel="norm of dL/dh at step t",
        yscale="log",
    )
    return ax
