"""The memory horizon: how far back the last output sees."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from .._arguments import as_inputs, steps_and_batch
from .._core import Cell
from .._trees import inexact, pullback
from ..engine import scan
from ._axes import draw_curves
from ._norms import norm
from ._trajectory import check_cell


def memory_horizon(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree = None,
    *,
    lengths: Int[ArrayLike, "*batch"] | None = None,
) -> Float[Array, "time *batch"]:
    """Compute norms of d y_last / d x_t: how much the last output changes with the input at step t.

    Each is the exact Frobenius norm of the full Jacobian. The backward passes of all O output
    features run at once, in O times the memory of a gradient in the inputs.

    Args:
        cell: the cell.
        params: its parameters.
        xs: inputs `[T, *batch, features]`, or a pytree of such arrays; integers among them
            have no derivative.
        carry: the carry to start from; by default the initial one.
        lengths: number of valid steps of each sequence. The last output is the one of the last
            valid step; the norm is 0 beyond it.

    Raises:
        ValueError: if no array in `xs` is a float.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.Elman(1, activation="identity")
        >>> params = cell.init(jax.random.key(0), 1)._replace(w_x=jnp.eye(1), w_h=jnp.eye(1) / 2)
        >>> memory_horizon(cell, params, jnp.ones((3, 1)))
        Array([0.25, 0.5 , 1.  ], dtype=float32)

    Reference:
        R. Pascanu, T. Mikolov, Y. Bengio, On the difficulty of training recurrent neural
        networks, ICML 2013.
    """
    check_cell(cell)
    xs = as_inputs(xs)
    steps, batch = steps_and_batch(cell, xs)
    if not inexact(xs):
        raise ValueError("expected xs with floats, got none; the cell may follow an embedding")

    def last_output(xs):
        _, ys = scan(cell, params, xs, carry, lengths=lengths)
        at = jnp.broadcast_to(steps if lengths is None else jnp.asarray(lengths), batch) - 1
        last = jnp.arange(steps).reshape(-1, *[1] * len(batch), 1) == at[..., None]
        ys = [y.reshape(steps, *batch, -1) for y in jax.tree.leaves(ys)]
        return jnp.where(last, jnp.concatenate(ys, axis=-1), 0).sum(axis=0)

    y, pull = jax.eval_shape(last_output, xs), pullback(last_output, xs)

    def gradient(feature):
        # Sequences do not meet, so one backward pass serves an output feature of all of them.
        (parts,) = pull([jnp.broadcast_to(feature, y.shape)])
        return [part.reshape(steps, *batch, -1) for part in parts]

    jacobian = jax.vmap(gradient)(jnp.eye(y.shape[-1], dtype=y.dtype))
    norms = [norm(part, axis=(0, -1)) for part in jacobian]
    return norm(jnp.stack(norms), axis=0)


def plot_memory_horizon(
    horizons: Mapping[str, Float[ArrayLike, "time *batch"]], *, ax: Any = None
) -> Any:
    """Draw norms of d y_last / d x_t against t, on a logarithmic axis.

    Args:
        horizons: curves by label, `[T]` or `[T, *batch]`, from `memory_horizon`. A batch is
            drawn as its median.
        ax: the matplotlib axes to draw on; by default a new figure's.

    Returns:
        The axes; `ax.figure` is the picture.

    Examples:
        >>> plot_memory_horizon({"Elman": [0.25, 0.5, 1.0]}).get_ylabel()
        'norm of d y_last / d x_t'
    """
    ax = draw_curves(horizons, ax)
    ax.set(
        title="How far back the last output sees",
        xlabel="time step t of the input",
        ylabel="norm of d y_last / d x_t",
        yscale="log",
    )
    return ax
