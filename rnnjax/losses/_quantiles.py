"""A distribution by some of its quantiles."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from .._checks import brief, check_key, check_number
from ._targets import as_floats


class Quantiles(NamedTuple):
    """A distribution for every prediction, by quantiles that do not cross.

    `quantile_loss(Quantiles.of(outputs, levels).values, targets, quantiles=levels)` trains it.

    Attributes:
        values: quantiles, which rise along the last axis.
        levels: the probability below each, rising.

    Examples:
        >>> found = Quantiles.of(jnp.array([3.0, 0.0, -20.0]), (0.1, 0.5, 0.9))
        >>> [f"{value:.2f}" for value in found.values]
        ['3.00', '3.69', '3.69']
    """

    values: Float[Array, "*batch quantiles"]
    levels: tuple[float, ...]

    @classmethod
    def of(
        cls, outputs: Float[ArrayLike, "*batch quantiles"], levels: Sequence[float]
    ) -> "Quantiles":
        """The quantiles `o[0]`, `o[0] + softplus(o[1])`, … of outputs `o`.

        Raises:
            ValueError: if levels do not rise between 0 and 1, or outputs have another number.
        """
        outputs = as_floats("outputs", outputs)
        some = levels if isinstance(levels, list | tuple) else [levels]
        found = [check_number("a level", level) for level in some]
        inside = sorted({level for level in found if 0 < level < 1})
        if found != inside or len(found) < 2 or outputs.shape[-1:] != (len(found),):
            raise ValueError(
                "expected at least two levels that rise between 0 and 1, one for each entry on "
                f"the last axis of outputs, got {brief(levels)} and outputs {brief(outputs)}"
            )
        steps = jax.nn.softplus(outputs[..., 1:])
        return cls(jnp.cumsum(jnp.concatenate([outputs[..., :1], steps], -1), -1), tuple(found))

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*batch"]:
        """A value from every distribution, which is linear between and beyond the quantiles."""
        dtype, levels = self.values.dtype, jnp.asarray(self.levels, self.values.dtype)
        shape = self.values.shape[:-1]
        place = jax.random.uniform(check_key("key", key), shape, dtype)
        left = jnp.clip(jnp.searchsorted(levels, place) - 1, 0, len(self.levels) - 2)
        low, high = (
            jnp.take_along_axis(self.values, (left + step)[..., None], -1)[..., 0]
            for step in (0, 1)
        )
        share = (place - levels[left]) / (levels[left + 1] - levels[left])
        return low + share * (high - low)
