"""Penalties on hidden states, to be added to a loss with a weight of the user's choice."""

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from ._masked import masked_mean


def activation_penalty(
    hidden: Float[ArrayLike, "*batch time h"], mask: Bool[ArrayLike, "*batch time"] | None = None
) -> Float[Array, ""]:
    """Mean square of hidden states: activation regularisation (AR). Large states cost.

    AWD-LSTM weighs that of the last layer, after its dropout, by 2.

    Args:
        hidden: hidden states or outputs of a recurrent layer.
        mask: true at the valid steps; by default everywhere.

    Raises:
        ValueError: if the mask does not fit.

    Examples:
        >>> activation_penalty(jnp.array([[1.0], [3.0]]))
        Array(5., dtype=float32)

    Reference:
        S. Merity, B. McCann, R. Socher, Revisiting activation regularization for language
        RNNs, 2017.
    """
    return masked_mean(jnp.square, mask, jnp.asarray(hidden))


def temporal_activation_penalty(
    hidden: Float[ArrayLike, "*batch time h"], mask: Bool[ArrayLike, "*batch time"] | None = None
) -> Float[Array, ""]:
    """Mean square of what hidden states change by in a step: temporal AR (TAR), or slowness.

    AWD-LSTM weighs that of the last layer, before its dropout, by 1.

    Args:
        hidden: hidden states or outputs of a recurrent layer.
        mask: true at the valid steps; by default everywhere. A change counts between two of
            them that follow each other.

    Raises:
        ValueError: if the mask does not fit.

    Examples:
        >>> temporal_activation_penalty(jnp.array([[1.0], [3.0]]))
        Array(4., dtype=float32)

    Reference:
        S. Merity, B. McCann, R. Socher, Revisiting activation regularization for language
        RNNs, 2017.
    """
    hidden = jnp.asarray(hidden)
    if mask is not None:
        mask = jnp.asarray(mask)
        mask = mask[..., 1:] & mask[..., :-1]
    return masked_mean(optax.squared_error, mask, hidden[..., 1:, :], hidden[..., :-1, :])
