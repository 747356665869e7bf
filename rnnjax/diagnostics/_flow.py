"""The gradient on its way back through time: the vanishing or exploding curve."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from .._checks import check_function
from .._core import Cell
from .._trees import exact, inexact, replace_inexact, where, zeros_like
from ._axes import draw_curves
from ._norms import named, norm
from ._trajectory import trajectory


def gradient_flow(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    loss: Callable[[PyTree], ArrayLike],
    carry: PyTree = None,
    *,
    lengths: Int[ArrayLike, "*batch"] | None = None,
) -> dict[str, Float[Array, "time *batch"]]:
    """Compute norms of dL/dh_t: the gradient that has come back to the carry before step t.

    Entry 0 belongs to the initial carry, the last entry to the carry before the last step. The
    norms are exact and cost one gradient: a zero is added to the carry at every step, and the loss
    is differentiated in these zeros.

    For a cell inside a model see `recurrent_part`.

    Args:
        cell: the cell.
        params: its parameters.
        xs: inputs `[T, *batch, features]`, or a pytree of such arrays.
        loss: a function from the outputs `[T, *batch, features]` to one number.
        carry: the carry to start from; by default the initial one.
        lengths: number of valid steps of each sequence; the norm is 0 beyond.

    Returns:
        The norm of the whole carry by the name "all". A carry of several arrays has one more entry
        for each, by its name ("h", "c"; in a stack "0.h"). Each is `[T, *batch]`.

    Examples:
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
    check_function("loss", loss)
    weights, start, carries, xs, valid = trajectory(cell, params, xs, carry, lengths)

    def perturbed(deltas):
        def body(carry, row):
            safe, x, valid, deltas = row
            moved = replace_inexact(carry, map(jnp.add, inexact(carry), deltas))
            new, y = cell.step(weights, where(valid, moved, safe), x)
            return where(valid, new, moved), where(valid, y, zeros_like(y))

        return loss(lax.scan(body, start, (carries, xs, valid, deltas))[1])

    def norm_of_rows(g):
        return norm(g.reshape(*valid.shape, -1), axis=-1)

    gradient = jax.grad(perturbed)(zeros_like(inexact(carries)))
    none = [None] * len(exact(carries))
    norms = named(replace_inexact(carries, map(norm_of_rows, gradient), none))
    return {**norms, "all": norm(jnp.stack(list(norms.values())), axis=0)}


def plot_gradient_flow(
    flows: Mapping[str, Float[ArrayLike, "time *batch"]], *, ax: Any = None
) -> Any:
    """Draw norms of dL/dh_t against t, on a logarithmic axis.

    Args:
        flows: curves by label, `[T]` or `[T, *batch]`: the result of `gradient_flow`, or one entry
            of it for each of several cells. A batch is drawn as its median.
        ax: the matplotlib axes to draw on; by default a new figure's.

    Returns:
        The axes; `ax.figure` is the picture.

    Examples:
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
