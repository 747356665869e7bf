"""Jacobians of one step and of all steps together: the growth of small changes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from .._checks import brief, check_array
from .._core import Cell
from ._axes import axes
from ._trajectory import map_of_carries, over, trajectory


def step_jacobians(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree = None,
    *,
    lengths: Int[ArrayLike, "*batch"] | None = None,
) -> Float[Array, "time *batch d d"]:
    """Compute the Jacobian of every step: of the new carry in the old one, along the trajectory.

    The gradient goes back through step t by a product with the transpose of entry t.

    Args:
        cell: the cell.
        params: its parameters.
        xs: inputs `[T, *batch, features]`, or a pytree of such arrays.
        carry: the carry to start from; by default the initial one.
        lengths: number of valid steps of each sequence; beyond, the Jacobian is the identity.

    Returns:
        `[T, *batch, D, D]`, where D counts the real numbers in a carry, array after array (for an
        LSTM first h, then c); a complex number is two. Row i holds the derivatives of the new
        carry's entry i.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.LSTM(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> step_jacobians(cell, params, jnp.ones((10, 2, 3))).shape
        (10, 2, 8, 8)
    """
    weights, _, carries, xs, valid = trajectory(cell, params, xs, carry, lengths)

    def jacobian(carry, x, valid):
        step, vector = map_of_carries(cell, weights, carry, x)
        return jnp.where(valid, jax.jacfwd(step)(vector), jnp.eye(vector.size, dtype=vector.dtype))

    return over(valid.ndim, jacobian)(carries, xs, valid)


def log_singular_values(
    jacobians: Float[Array, "*lead d d"],
) -> Float[Array, "*lead d"]:
    """Compute natural logarithms of the singular values, the largest first.

    The first is the logarithm of the spectral norm: the most by which a step can stretch a change
    of the carry. All are 0 if the step only rotates it.

    Args:
        jacobians: matrices `[*lead, D, D]`, such as the result of `step_jacobians`.

    Examples:
        >>> log_singular_values(jnp.diag(jnp.array([0.5, 1.0]))).round(3)
        Array([ 0.   , -0.693], dtype=float32)
    """
    jacobians = _squares(jacobians)
    return jnp.log(jnp.linalg.svd(jacobians, compute_uv=False))


def log_product_singular_values(
    jacobians: Float[Array, "time *batch d d"],
) -> Float[Array, "time *batch d"]:
    """Compute natural logarithms of the singular values of J_t … J_1 J_0, for every t.

    The product maps a small change of the initial carry to the change after step t. It is scaled
    to norm 1 after every factor, so that it neither overflows nor vanishes in many steps. A
    singular value below the largest by more than the precision (1e-7 in float32, 1e-16 in
    float64) is lost in rounding.

    Args:
        jacobians: the result of `step_jacobians`, `[T, *batch, D, D]`.

    Returns:
        `[T, *batch, D]`, the largest first.

    Examples:
        >>> halves = jnp.full((1000, 1, 1), 0.5)
        >>> (log_product_singular_values(halves)[-1] / jnp.log(2)).round()
        Array([-1000.], dtype=float32)

    Reference:
        R. Pascanu, T. Mikolov, Y. Bengio, On the difficulty of training recurrent neural
        networks, ICML 2013.
    """

    def body(state, jacobian):
        product, log_norm = state
        product = jacobian @ product
        norm = jnp.linalg.norm(product, axis=(-2, -1), keepdims=True)
        norm = jnp.where(norm > 0, norm, 1)
        product, log_norm = product / norm, log_norm + jnp.log(norm[..., 0])
        return (product, log_norm), (product, log_norm)

    jacobians = _squares(jacobians, least_axes=3)
    *batch, size, _ = jacobians.shape[1:]
    eye = jnp.broadcast_to(jnp.eye(size, dtype=jacobians.dtype), jacobians.shape[1:])
    start = eye, jnp.zeros((*batch, 1), jacobians.dtype)
    _, (products, log_norms) = lax.scan(body, start, jacobians)
    return log_norms + log_singular_values(products)


def _squares(jacobians: Any, least_axes: int = 2) -> Array:
    jacobians = check_array("jacobians", jacobians)
    if jacobians.ndim < least_axes or jacobians.shape[-1] != jacobians.shape[-2]:
        lead = "*lead" if least_axes == 2 else "T, *batch"
        raise ValueError(f"expected jacobians [{lead}, D, D], got {brief(jacobians)}")
    return jacobians


def plot_singular_values(logs: Float[ArrayLike, "time *batch d"], *, ax: Any = None) -> Any:
    """Draw singular values against t, on a logarithmic axis.

    Args:
        logs: natural logarithms `[T, *batch, D]`, from `log_singular_values` or
            `log_product_singular_values`. A batch is drawn as its median.
        ax: the matplotlib axes to draw on; by default a new figure's.

    Returns:
        The axes; `ax.figure` is the picture.

    Examples:
        >>> ax = plot_singular_values([[0.1, -0.2], [0.2, -0.4], [0.3, -0.6]])
        >>> ax.get_ylabel()
        'log10 of the singular value'
    """
    ax = axes(ax)
    tens = np.asarray(logs) / np.log(10)
    tens = np.median(tens.reshape(len(tens), -1, tens.shape[-1]), axis=1)
    for i, curve in enumerate(tens.T):
        label = {0: "largest", len(tens.T) - 1: "smallest"}.get(i)
        ax.plot(curve, color=f"C{0 if i == 0 else 7}", lw=1.5 if i == 0 else 0.7, label=label)
    ax.axhline(0, color="0.4", lw=1, ls="--", label="neither grows nor shrinks")
    ax.legend()
    ax.set(
        title="Growth of small changes of the carry",
        xlabel="time step t",
        ylabel="log10 of the singular value",
    )
    return ax
