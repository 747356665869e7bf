"""What a training step is given."""

from typing import Any, NamedTuple

from jax.typing import ArrayLike
from jaxtyping import Bool, Int


class Batch(NamedTuple):
    """Examples, batch-major.

    Attributes:
        inputs: `[B, T, I]`, or tokens `[B, T]`; or a pytree of such arrays.
        targets: what to predict: `[B, …]`, or at every step `[B, T, …]`.
        mask: true where a prediction counts, in the shape of the losses: `[B, T]`, or `[B]`;
            `None` where all do. It goes to the loss.
        lengths: number of valid steps of each sequence, `[B]`; goes to the model, as `resets`.
        resets: true where a new document starts, `[B, T]`.

    Examples:
        >>> import jax.numpy as jnp
        >>> Batch(inputs=jnp.ones((2, 3, 1)), targets=jnp.ones((2, 1))).mask is None
        True
    """

    inputs: Any
    targets: Any
    mask: Bool[ArrayLike, "batch ..."] | None = None
    lengths: Int[ArrayLike, "batch"] | None = None
    resets: Bool[ArrayLike, "batch time"] | None = None
