"""Zoneout: some units keep their last value."""

import jax
import jax.numpy as jnp

from ..._checks import check_rate
from ..._trees import inexact, replace_inexact
from ._noise import StepNoise, given


class Zoneout(StepNoise):
    """Zoneout: at random, units of the carry keep their last value.

        carry' = where(mask, carry, update(carry, x))            with a key, P(mask) = rate
        carry' = rate carry + (1 - rate) update(carry, x)        without: the expectation

    A mask is drawn for each array of the carry and each step. Integers in the carry, such as
    counters, always advance.

    Args:
        cell: the cell inside; around a linear cell, this one is linear.
        rate: probability of keeping a value, at least 0 and below 1; or one for each array of
            the carry that is not integer: `(0.05, 0.5)` for h and c of an LSTM.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.cells.Zoneout(rnnjax.LSTM(8), rate=(0.05, 0.5))
        >>> params = cell.init(jax.random.key(0), 3)
        >>> carry, ys = rnnjax.scan(cell, params, jnp.ones((10, 2, 3)), key=jax.random.key(1))
        >>> cell.staged, ys.shape
        (True, (10, 2, 8))

    Reference:
        D. Krueger et al., Zoneout: regularizing RNNs by randomly preserving hidden activations,
        ICLR 2017.
    """

    rate: float | tuple[float, ...]

    def __post_init__(self):
        super().__post_init__()
        rate = self.rate
        rate = (
            tuple(check_rate("every rate", each) for each in rate)
            if isinstance(rate, tuple)
            else check_rate("rate", rate)
        )
        object.__setattr__(self, "rate", rate)

    def draw(self, weights, key, lead):
        arrays = inexact(jax.eval_shape(lambda w: self.init_carry(w), weights))
        rates, keys = self._rates(len(arrays)), jax.random.split(key, len(arrays))
        return [
            jax.random.bernoulli(k, rate, (*lead, *a.shape))
            for k, rate, a in zip(keys, rates, arrays, strict=True)
        ]

    def noisy_update(self, weights, carry, noise, *s):
        new = self.cell.update(self.inner(weights), carry, *s)
        return self._mixed(noise, carry, new)

    def elements(self, weights, xs, noise=(None, None)):
        masks, inner = noise
        a, b = self.cell.elements(self.inner(weights), xs, *given(inner))
        if masks is not None:
            a = jax.tree.map(lambda a, b: jnp.broadcast_to(a, b.shape), a, b)
        ones, zeros = jax.tree.map(jnp.ones_like, a), jax.tree.map(jnp.zeros_like, b)
        return self._mixed(masks, ones, a), self._mixed(masks, zeros, b)

    def _mixed(self, masks, old, new):
        """The new carry, where the units that keep their value have the old one."""
        pairs = list(zip(inexact(old), inexact(new), strict=True))
        if masks is None:
            rates = self._rates(len(pairs))
            mixed = [r * a + (1 - r) * b for r, (a, b) in zip(rates, pairs, strict=True)]
        else:
            mixed = [jnp.where(m, a, b) for m, (a, b) in zip(masks, pairs, strict=True)]
        return replace_inexact(new, mixed)

    def _rates(self, count):
        rates = self.rate if isinstance(self.rate, tuple) else (self.rate,) * count
        if len(rates) != count:
            raise ValueError(
                f"expected {count} rates, one for each array in the carry of {self.cell} that is "
                f"not integer, got {self.rate}"
            )
        return rates
