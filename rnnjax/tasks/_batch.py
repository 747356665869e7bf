"""What every synthetic task gives."""

from typing import NamedTuple

from jaxtyping import Array, Bool, Float, Int


class Batch(NamedTuple):
    """Examples of a task, batch-major.

    Attributes:
        inputs: `[B, T, I]`, or tokens `[B, T]`.
        targets: what to predict: `[B, …]`, or at every step `[B, T]`.
        mask: true where a prediction counts, `[B, T]`; `None` where there is one a sequence.

    Example:
        >>> import jax.numpy as jnp
        >>> Batch(inputs=jnp.ones((2, 3, 1)), targets=jnp.ones((2, 1))).mask is None
        True
    """

    inputs: Float[Array, "batch time i"] | Int[Array, "batch time"]
    targets: Float[Array, "batch o"] | Int[Array, "batch time"]
    mask: Bool[Array, "batch time"] | None = None
