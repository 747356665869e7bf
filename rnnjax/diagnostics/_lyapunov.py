"""Lyapunov exponents: the long-run growth rates of small changes of the carry."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, PyTree

from .._checks import check_key, check_positive
from .._core import Cell
from ..engine import initial_carry
from ._axes import axes
from ._trajectory import as_vector, map_of_carries, over, trajectory


def lyapunov_exponents(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree = None,
    *,
    key: Key[Array, ""],
    count: int = 1,
    lengths: Int[ArrayLike, "*batch"] | None = None,
) -> Float[Array, "time *batch count"]:
    """Estimate the largest Lyapunov exponents, in nats per step, after every step.

    Below 0, changes of the carry decay and gradients vanish; above 0 the changes grow, which is
    chaos, and gradients explode. `count` random directions are multiplied by the Jacobian of every
    step and made orthonormal again (Benettin); an estimate is the mean logarithm of their growth.
    Its error falls as 1/T.

    Args:
        cell: the cell.
        params: its parameters.
        xs: inputs `[T, *batch, features]`, or a pytree of such arrays.
        carry: the carry to start from; by default the initial one.
        key: the source of the directions.
        count: number of exponents, at most the number D of real numbers in a carry.
        lengths: number of valid steps of each sequence; the estimate is constant beyond.

    Returns:
        `[T, *batch, count]`: entry t is the estimate from the steps up to t, so the last one is the
        best. The largest exponent is first, once the estimates have settled.

    Raises:
        ValueError: if `count` is not between 1 and D.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.Elman(4, activation="identity")
        >>> params = cell.init(jax.random.key(0), 3)
        >>> params = params._replace(w_h=params.w_h / 2)  # half an orthogonal matrix
        >>> jnp.exp(lyapunov_exponents(cell, params, jnp.ones((9, 3)), key=jax.random.key(1)))[-1]
        Array([0.5], dtype=float32)

    Reference:
        G. Benettin et al., Lyapunov characteristic exponents for smooth dynamical systems,
        Meccanica 15, 1980; R. Vogt et al., On Lyapunov exponents for RNNs, Frontiers in
        Applied Mathematics and Statistics 8, 2022.
    """
    check_key("key", key)
    count = check_positive("count", count)
    weights, _, carries, xs, valid = trajectory(cell, params, xs, carry, lengths)
    one = jax.eval_shape(lambda weights: as_vector(initial_carry(cell, weights))[0], weights)
    if not 1 <= count <= one.size:
        raise ValueError(
            f"expected count between 1 and {one.size}, the number of reals in a carry of {cell}, "
            f"got {count!r}"
        )

    def push(frame, carry, x, valid):
        step, vector = map_of_carries(cell, weights, carry, x)
        pushed = jax.vmap(lambda v: jax.jvp(step, (vector,), (v,))[1], -1, -1)(frame)
        new, r = jnp.linalg.qr(pushed)
        growth = jnp.log(abs(jnp.diagonal(r)))
        return new, jnp.where(valid, growth, 0)

    def body(frame, now):
        return over(valid.ndim - 1, push)(frame, *now)

    frame = jax.random.normal(key, (*valid.shape[1:], one.size, count), one.dtype)
    growth = lax.scan(body, jnp.linalg.qr(frame)[0], (carries, xs, valid))[1]
    steps = jnp.maximum(jnp.cumsum(valid, axis=0), 1)
    return jnp.cumsum(growth, axis=0) / steps[..., None]


def plot_lyapunov_exponents(
    exponents: Float[ArrayLike, "time *batch count"], *, ax: Any = None
) -> Any:
    """Draw the estimates of Lyapunov exponents as they settle.

    Args:
        exponents: the result of `lyapunov_exponents`. A batch is drawn as its median.
        ax: the matplotlib axes to draw on; by default a new figure's.

    Returns:
        The axes; `ax.figure` is the picture.

    Examples:
        >>> ax = plot_lyapunov_exponents([[0.3], [0.1], [-0.1]])
        >>> ax.get_legend().get_texts()[0].get_text()
        'exponent 1: -0.100'
    """
    ax = axes(ax)
    exponents = np.asarray(exponents)
    curves = np.median(exponents.reshape(len(exponents), -1, exponents.shape[-1]), axis=1)
    for number, curve in enumerate(curves.T, 1):
        ax.plot(curve, label=f"exponent {number}: {curve[-1]:.3f}")
    ax.axhline(0, color="0.4", lw=1, ls="--", label="neither grows nor shrinks")
    ax.legend()
    ax.set(
        title="Lyapunov exponents, as they settle",
        xlabel="time step t",
        ylabel="estimate (nats per step)",
    )
    return ax
