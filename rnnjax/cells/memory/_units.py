"""Parts that the Hopfield networks share: the checks of their units, the sign, the diagonal."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import brief, check_array


def check_units(name: str, value: Any, size: int) -> Array:
    """A value `[*batch, N]` of each unit, as a real array."""
    value = check_array(name, value)
    if not value.ndim or value.shape[-1] != size or jnp.iscomplexobj(value):
        raise ValueError(f"expected {name} [*batch, {size}] of reals, got {brief(value)}")
    return value.astype(jnp.promote_types(value.dtype, jnp.float32))


def check_fields(cell: Any, input_size: Any) -> None:
    """Raises a `ValueError` unless an input of a network has a field at each of its units."""
    if input_size != cell.hidden_size:
        raise ValueError(
            f"expected input_size to be {cell.hidden_size}, since an input of {cell} is a field at "
            f"each unit, got {input_size}"
        )


def sgn(s: Array, h: Array) -> Array:
    """The sign of a sum; where it is zero, the state before."""
    return jnp.where(s == 0, h, jnp.sign(s).astype(h.dtype))


def without_diagonal(w: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Weights with zeros on the diagonal."""
    return jnp.fill_diagonal(w, 0, inplace=False)
