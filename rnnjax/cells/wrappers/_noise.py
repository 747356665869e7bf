"""Tools of the regularisers: keys, masks, and noise on its way to `update`."""

from abc import abstractmethod
from typing import Any

import jax
from jaxtyping import Array, Float

from ..._core import Cell
from ..._wrapper import Wrapper


def split_key(key: Any, count: int) -> tuple:
    """A key for each of `count` parts; without a key, `None` for each.

    Examples:
        >>> split_key(None, 2)
        (None, None)
    """
    return (None,) * count if key is None else tuple(jax.random.split(key, count))


def given(noise: Any) -> tuple:
    """The arguments for this noise: none, or one.

    Examples:
        >>> given(None), given(1.0)
        ((), (1.0,))
    """
    return () if noise is None else (noise,)


def dropout_mask(key: Any, rate: float, shape: Any, dtype: Any) -> Float[Array, "..."]:
    """Zeros with the probability `rate`, else `1 / (1 - rate)`, so that the mean is 1.

    Examples:
        >>> mask = dropout_mask(jax.random.key(0), 0.5, (100,), "float32")
        >>> sorted(set(mask.tolist()))
        [0.0, 2.0]
    """
    return jax.random.bernoulli(key, 1 - rate, shape).astype(dtype) / (1 - rate)


class StepNoise(Wrapper):
    """Base of wrappers whose `update` needs noise of its own in every step.

    A subclass gives `draw`, `noisy_update` and `elements`. The noise travels with `z`, and from
    there with the first pre-activation.
    """

    @abstractmethod
    def draw(self, weights: Any, key: Any, lead: Any) -> Any:
        """The noise of this wrapper, `[*lead, …]`."""

    @abstractmethod
    def noisy_update(self, weights: Any, carry: Any, noise: Any, *s: Any) -> Any:
        """`update`, given this noise, or `None` in evaluation."""

    def noise(self, weights, key, lead):
        mine, inner = split_key(key, 2)
        return self.draw(weights, mine, lead), super().noise(weights, inner, lead)

    def project(self, weights, xs, noise=(None, None)):
        mine, inner = noise
        if self.linear:
            return Cell.project(self, weights, xs, noise)
        return super().project(weights, xs, *given(inner)), mine

    def recur(self, weights, carry, z, *s):
        z, mine = z
        if not s:
            return super().recur(weights, carry, z), mine
        return super().recur(weights, carry, z, s[0][0], *s[1:])

    def update(self, weights, carry, *s):
        if self.linear:
            return super().update(weights, carry, *s)
        (first, mine), *more = s
        return self.noisy_update(weights, carry, mine, first, *more)
