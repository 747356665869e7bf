"""Eigenvalues of recurrent weights."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float

from .._checks import check_array
from ._axes import axes


def eigenvalues(w: Float[ArrayLike, "h g*h"]) -> Complex[Array, "g h"]:
    """Compute the eigenvalues of every gate's block of a recurrent weight, by falling modulus.

    Args:
        w: recurrent weights `[H, G * H]`, such as `params.w_h`; G is 1 for an Elman network.

    Raises:
        ValueError: if the columns are not a multiple of the rows.

    Examples:
        >>> abs(eigenvalues(jnp.array([[0.0, 0.5], [-0.5, 0.0]]))).round(3)
        Array([[0.5, 0.5]], dtype=float32)
    """
    w = check_array("w", w)
    if w.ndim != 2 or w.shape[1] % w.shape[0]:
        raise ValueError(
            f"expected recurrent weights [H, G * H], got {list(w.shape)}; are these input weights, "
            "or the weights of an ensemble, which needs vmap?"
        )
    blocks = w.reshape(w.shape[0], -1, w.shape[0]).swapaxes(0, 1)
    values = jnp.linalg.eigvals(blocks)
    return jnp.take_along_axis(values, jnp.argsort(-abs(values), axis=-1), axis=-1)


def spectral_radius(w: Float[ArrayLike, "h g*h"]) -> Float[Array, "g"]:
    """Compute the largest modulus of an eigenvalue, for every gate's block of a recurrent weight.

    In a linear network signals and gradients grow or shrink by this factor a step in the long run.
    In other networks the factor is multiplied by the slope of the activation, at most 1 for tanh.

    Args:
        w: recurrent weights `[H, G * H]`, such as `params.w_h`; G is 1 for an Elman network.

    Raises:
        ValueError: if the columns are not a multiple of the rows.

    Examples:
        >>> import jax, rnnjax
        >>> spectral_radius(rnnjax.LSTM(8).init(jax.random.key(0), 3).w_h).round(3)
        Array([1., 1., 1., 1.], dtype=float32)
    """
    return abs(eigenvalues(w)).max(axis=-1)


def plot_eigenvalues(values: Complex[ArrayLike, "g h"], *, ax: Any = None) -> Any:
    """Draw eigenvalues in the complex plane, with the unit circle.

    Args:
        values: the result of `eigenvalues`, `[G, H]`; each gate has its colour.
        ax: the matplotlib axes to draw on; by default a new figure's.

    Returns:
        The axes; `ax.figure` is the picture.

    Examples:
        >>> ax = plot_eigenvalues([[0.5 + 0.5j, 0.5 - 0.5j]])
        >>> ax.get_legend().get_texts()[0].get_text()
        'gate 1: spectral radius 0.707'
    """
    ax = axes(ax)
    circle = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
    for number, gate in enumerate(np.asarray(values), 1):
        label = f"gate {number}: spectral radius {abs(gate).max():.3f}"
        ax.plot(np.real(gate), np.imag(gate), "o", ms=4, label=label)
    ax.plot(np.real(circle), np.imag(circle), color="0.4", lw=1, ls="--", label="unit circle")
    ax.legend()
    ax.set(
        title="Eigenvalues of the recurrent weights",
        xlabel="real part",
        ylabel="imaginary part",
        aspect="equal",
    )
    return ax
