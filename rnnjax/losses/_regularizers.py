"""Penalties on hidden states, to be added to a loss with a weight of the user's choice."""

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from ._masked import as_mask, masked_sum
from ._mean import MeanLoss
from ._targets import as_floats


@MeanLoss
def activation_penalty(
    hidden: Float[ArrayLike, "*batch time h"], mask: Bool[ArrayLike, "*batch time"] | None = None
) -> tuple[ArrayLike, ArrayLike]:
    """Mean square of hidden states: activation regularisation (AR), which keeps states small.

    AWD-LSTM adds it for its last layer, after dropout, with a weight of 2.

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
    return masked_sum(jnp.square, mask, as_floats("hidden", hidden))


@MeanLoss
def temporal_activation_penalty(
    hidden: Float[ArrayLike, "*batch time h"], mask: Bool[ArrayLike, "*batch time"] | None = None
) -> tuple[ArrayLike, ArrayLike]:
    """Mean squared change of hidden states in a step: temporal AR (TAR), or slowness.

    A change counts if both its steps are valid. AWD-LSTM adds the penalty for its last layer,
    before dropout, with a weight of 1.

    Args:
        hidden: hidden states or outputs of a recurrent layer.
        mask: true at the valid steps; by default everywhere.

    Raises:
        ValueError: if there is no axis of time, or the mask does not fit.

    Examples:
        >>> temporal_activation_penalty(jnp.array([[1.0], [3.0]]))
        Array(4., dtype=float32)

    Reference:
        S. Merity, B. McCann, R. Socher, Revisiting activation regularization for language
        RNNs, 2017.
    """
    hidden = as_floats("hidden", hidden)
    if hidden.ndim < 2:
        raise ValueError(f"expected hidden [*batch, time, h], got shape {list(hidden.shape)}")
    mask = as_mask(mask, hidden.shape[:-1], whole=True)
    mask = mask[..., 1:] & mask[..., :-1]
    return masked_sum(optax.squared_error, mask, hidden[..., 1:, :], hidden[..., :-1, :])
