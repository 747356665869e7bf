"""Optax chains. The clip stands first, so that no later stage sees an exploded gradient."""

import optax


def clipped(
    optimizer: optax.GradientTransformation, max_norm: float = 1.0
) -> optax.GradientTransformation:
    """`optimizer` after clipping the gradient to the global norm `max_norm`.

    Args:
        optimizer: any Optax optimiser.
        max_norm: the largest norm that passes; a longer gradient keeps its direction.

    Raises:
        ValueError: if `max_norm` is not above 0.

    Example:
        >>> import jax.numpy as jnp
        >>> optimizer = clipped(optax.sgd(1.0), max_norm=1.0)
        >>> gradient = jnp.array([30.0, 40.0])
        >>> optimizer.update(gradient, optimizer.init(gradient))[0].round(3)
        Array([-0.6, -0.8], dtype=float32)

    Reference:
        R. Pascanu, T. Mikolov, Y. Bengio, On the difficulty of training recurrent neural
        networks, ICML 2013.
    """
    if not max_norm > 0:
        raise ValueError(f"expected max_norm to be above 0, got {max_norm!r}")
    return optax.chain(optax.clip_by_global_norm(max_norm), optimizer)
