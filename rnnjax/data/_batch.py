"""The examples of a training step."""

from typing import Any, NamedTuple

from jax.typing import ArrayLike
from jaxtyping import Bool, Int


class Batch(NamedTuple):
    """Examples, batch-major. The model gets all but the targets and `loss_mask`."""

    inputs: Any  # `[B, T, I]`, or tokens `[B, T]`; or a pytree of such arrays
    targets: Any  # `[B, …]`, or at every step `[B, T, …]`
    lengths: Int[ArrayLike, "batch"] | None = None  # number of valid steps of each sequence
    mask: Bool[ArrayLike, "batch time"] | None = None  # true at valid steps; gaps are allowed
    resets: Bool[ArrayLike, "batch time"] | None = None  # true where a new document starts
    loss_mask: Bool[ArrayLike, "batch ..."] | None = None
    # True where a prediction counts, `[B, T]` or `[B]`; by default at valid steps.
    context: Any = None  # a sequence beside the inputs, such as `Source(values, lengths)`


def as_batch(data: Any) -> Batch:
    """A batch, from a `Batch` or a pair of inputs and targets.

    Raises:
        ValueError: if the data is neither.

    Examples:
        >>> as_batch(([[1, 2]], [[2, 3]])).targets
        [[2, 3]]
    """
    if isinstance(data, Batch):
        return data
    if type(data) in (tuple, list) and len(data) == 2:  # PyTorch's loaders give lists
        return Batch(*data)
    size = f" of {len(data)}" if isinstance(data, tuple | list) else ""
    raise ValueError(
        f"expected a Batch or a pair (inputs, targets), got {type(data).__name__}{size}; is it "
        "one array, a batch without targets, or one with lengths, which need Batch(lengths=…)?"
    )
