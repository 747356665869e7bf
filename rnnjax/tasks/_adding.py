"""The adding problem: two numbers far apart must meet."""

import jax
import jax.numpy as jnp

from .._checks import check_key, check_positive
from .._static import Static
from ..data import Batch


class Adding(Static):
    """Adds the two marked numbers of a long sequence; regression, many to one.

    Inputs are `[B, T, 2]`: a number in `[0, 1)`, and a mark that is 1 at two steps, one in
    each half of the sequence. The target is the sum of the two marked numbers, `[B, 1]`.

    Args:
        steps: length T of a sequence, at least 2.

    Examples:
        >>> batch = Adding(steps=10).sample(jax.random.key(0), 4)
        >>> batch.inputs.shape, batch.targets.shape
        ((4, 10, 2), (4, 1))

    Reference:
        S. Hochreiter, J. Schmidhuber, Long short-term memory, Neural Computation 9, 1997.
    """

    steps: int

    def __post_init__(self):
        super().__post_init__()
        if self.steps < 2:
            raise ValueError(f"expected at least 2 steps, got {self.steps!r}")

    @property
    def trivial_loss(self) -> float:
        """Mean squared error of always answering 1, the mean: the variance of the sum, 1/6."""
        return 1 / 6

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """Draws `batch_size` examples."""
        check_key("key", key)
        batch_size = check_positive("batch_size", batch_size)
        key_value, key_first, key_second = jax.random.split(key, 3)
        values = jax.random.uniform(key_value, (batch_size, self.steps))
        half = self.steps // 2
        first = jax.random.randint(key_first, (batch_size,), 0, half)
        second = jax.random.randint(key_second, (batch_size,), half, self.steps)
        marks = jax.nn.one_hot(first, self.steps) + jax.nn.one_hot(second, self.steps)
        targets = (values * marks).sum(-1, keepdims=True)
        return Batch(jnp.stack([values, marks], axis=-1), targets)
