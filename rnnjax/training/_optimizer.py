"""Optax chains. The clip stands first, so that no later stage sees an exploded gradient."""

from typing import Any

import optax

from .._checks import check_above, check_choice, check_positive
from ._step import check_optimizer

_CLIPS = {
    "norm": optax.clip_by_global_norm,
    "value": optax.clip,
    "adaptive": optax.adaptive_grad_clip,
}


def clipped(
    optimizer: optax.GradientTransformation, limit: float = 1.0, *, by: str = "norm"
) -> optax.GradientTransformation:
    """`optimizer` after clipping the gradient.

    Args:
        optimizer: any Optax optimiser.
        limit: of what `by` names; a gradient within it passes as it is.
        by: "norm", the global norm, which keeps the gradient's direction; "value", the size of
            every entry; or "adaptive", for the weights of each unit the ratio of the gradient's
            norm to their own, for which a limit of 0.01 is usual.

    Raises:
        ValueError: if `limit` is not above 0, or `by` is none of these.

    Examples:
        >>> import jax.numpy as jnp
        >>> optimizer = clipped(optax.sgd(1.0), 1.0)
        >>> gradient = jnp.array([30.0, 40.0])
        >>> optimizer.update(gradient, optimizer.init(gradient))[0].round(3)
        Array([-0.6, -0.8], dtype=float32)

    Reference:
        R. Pascanu, T. Mikolov, Y. Bengio, On the difficulty of training recurrent neural
        networks, ICML 2013. By value: T. Mikolov, Statistical language models based on neural
        networks, 2012. Adaptive: A. Brock, S. De, S. Smith, K. Simonyan, High-performance
        large-scale image recognition without normalization, ICML 2021.
    """
    check_optimizer(optimizer)
    limit = check_above("limit", limit)
    check_choice("by", by, tuple(_CLIPS))
    return optax.chain(_CLIPS[by](limit), optimizer)


def optimizer_chain(
    optimizer: optax.GradientTransformation,
    *,
    clip: float = 1.0,
    by: str = "norm",
    accumulate: int = 1,
    skip: int = 0,
) -> optax.GradientTransformation:
    """An optimiser with what recurrent training wants around it, in the one right order.

    From the outside in: gradients that are not finite are skipped, so that they never enter
    a sum; the others are accumulated; their mean is clipped, and only then does `optimizer`
    see it. `polyak` and `optax.inject_hyperparams` go inside, around `optimizer`.

    Args:
        optimizer: any Optax optimiser.
        clip: the limit of `clipped`.
        by: what it limits.
        accumulate: number of steps whose mean gradient makes one update: as if the batch were
            so many times as large, where every batch has as many predictions that count.
        skip: number of gradients in a row that may be skipped because they are not finite;
            one more goes through, and `fit` reports it.

    Raises:
        ValueError: if `accumulate` is not a positive integer, and as `clipped`.

    Examples:
        >>> import jax.numpy as jnp
        >>> optimizer = optimizer_chain(optax.sgd(1.0), clip=10.0, accumulate=2)
        >>> state = optimizer.init(jnp.zeros(1))
        >>> for gradient in (jnp.array([1.0]), jnp.array([3.0])):
        ...     updates, state = optimizer.update(gradient, state)
        >>> updates
        Array([-2.], dtype=float32)
    """
    accumulate = check_positive("accumulate", accumulate)
    skip = check_positive("skip", skip, least=0)
    optimizer = clipped(optimizer, clip, by=by)
    if accumulate > 1:
        steps: Any = optax.MultiSteps(optimizer, accumulate)
        # Its own `gradient_transformation()` would hide that it passes `value` on.
        optimizer = optax.GradientTransformationExtraArgs(steps.init, steps.update)
    return optax.apply_if_finite(optimizer, skip) if skip else optimizer
