"""Norms of gradients, parameter by parameter."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from .._checks import check_arrays
from .._numerics import carry_dtype
from .._trees import named_leaves
from ._axes import draw_curves


def named(tree: PyTree) -> dict[str, Any]:
    """The leaves of a tree by readable names, such as "1.w_h"; a single array is "all"."""
    return named_leaves(tree, alone="all")


def norm(x: Array, axis: Any) -> Array:
    """The Euclidean norm over axes; the squares neither overflow nor vanish."""
    x = abs(x.astype(carry_dtype(x.dtype)))
    largest = x.max(axis, keepdims=True, initial=0)
    scale = jnp.where((largest > 0) & (largest < jnp.inf), largest, 1)
    return jnp.sqrt(jnp.square(x / scale).sum(axis)) * scale.squeeze(axis)


def gradient_norms(gradients: PyTree) -> dict[str, Float[Array, ""]]:
    """Compute the norm of the gradient of every parameter, by the parameter's name.

    `training.train_step(watch=gradient_norms)` records it in training. A norm that remains orders
    of magnitude below the others shows a part of the model that learns little.

    Args:
        gradients: gradients, in a pytree like the parameters.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.Stack((rnnjax.GRU(4), rnnjax.Elman(2)))
        >>> gradients = jax.tree.map(jnp.ones_like, cell.init(jax.random.key(0), 3))
        >>> gradient_norms(gradients)["1.w_h"]
        Array(2., dtype=float32)
    """
    gradients = check_arrays("gradients", gradients)
    return jax.tree.map(lambda g: norm(g.ravel(), axis=0), named(gradients))


def plot_gradient_norms(
    norms: Mapping[str, Float[ArrayLike, "n"]], steps: Any = None, *, ax: Any = None
) -> Any:
    """Draw the norm of each parameter's gradient over training, on a logarithmic axis.

    Args:
        norms: the norms at successive times, by name.
        steps: the training steps of these times; by default 0, 1, 2, …
        ax: the matplotlib axes to draw on; by default a new figure's.

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
