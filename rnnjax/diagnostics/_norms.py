"""Norms of gradients, parameter by parameter."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from .._numerics import carry_dtype
from ._axes import draw_curves


def named(tree: PyTree) -> dict[str, Any]:
    """The leaves of a tree by readable names, such as "1.w_h"; a single array is "all"."""
    return {
        jax.tree_util.keystr(path, simple=True, separator=".") or "all": leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def norm(x: Array, axis: Any) -> Array:
    """The Euclidean norm over axes; the squares neither overflow nor vanish."""
    x = abs(x.astype(carry_dtype(x.dtype)))
    largest = x.max(axis, keepdims=True, initial=0)
    scale = jnp.where((largest > 0) & (largest < jnp.inf), largest, 1)
    return jnp.sqrt(jnp.square(x / scale).sum(axis)) * scale.squeeze(axis)


def gradient_norms(gradients: PyTree) -> dict[str, Float[Array, ""]]:
    """The norm of the gradient of every parameter, by the parameter's name.

    It is what to give to `training.train_step` as `watch`. A norm that stays orders of
    magnitude below the others says which part of a model gets little to learn from.

    Args:
        gradients: gradients, in a pytree like the parameters.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.Stack((rnnjax.GRU(4), rnnjax.Elman(2)))
        >>> gradients = jax.tree.map(jnp.ones_like, cell.init(jax.random.key(0), 3))
        >>> gradient_norms(gradients)["1.w_h"]
        Array(2., dtype=float32)
    """
    return jax.tree.map(lambda g: norm(g.ravel(), axis=0), named(gradients))


def plot_gradient_norms(
    norms: Mapping[str, Float[ArrayLike, "n"]], steps: Any = None, *, ax: Any = None
):
    """Draws the norm of each parameter's gradient over training, on a logarithmic axis.

    Args:
        norms: for every name, the norms at successive times.
        steps: the training steps at which they were taken; by default 0, 1, 2, …
        ax: the matplotlib axes to draw on; by default those of a new figure.

    Returns:
        The axes; `ax.figure` is the picture.

    Examples:
        >>> ax = plot_gradient_norms({"w_x": [1.0, 0.5], "w_h": [0.1, 0.2]}, steps=[100, 200])
        >>> ax.get_xlabel()
        'training step'
    """
    ax = draw_curves(norms, ax, steps)
    ax.set(
        title="Gradient of each parameter over training",
        xlabel="training step",
        ylabel="norm of the gradient",
        yscale="log",
    )
    return ax
