"""The likelihood of counts whose variance exceeds their mean."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Key

from .._checks import check_key
from .._numerics import carry_dtype
from ._likelihoods import parts
from ._masked import masked_sum
from ._mean import MeanLoss
from ._targets import fitting, out_of_range, spoil

_LEAST = 1e-4  # of mean and dispersion


class NegativeBinomial(NamedTuple):
    """A negative binomial distribution of a count for every prediction.

    Attributes:
        mean: mean.
        dispersion: the variance is `mean + dispersion * mean ** 2`.

    Examples:
        >>> NegativeBinomial.of(jnp.array([3.0, 0.0])).mean.round(2)
        Array(3.05, dtype=float32)

    Reference:
        D. Salinas et al., DeepAR: probabilistic forecasting with autoregressive recurrent
        networks, International Journal of Forecasting 36, 2020.
    """

    mean: Float[Array, "*batch"]
    dispersion: Float[Array, "*batch"]

    @classmethod
    def of(cls, outputs: Float[ArrayLike, "*batch 2"]) -> "NegativeBinomial":
        """The distribution of outputs `o`: `softplus(o) + 1e-4` are mean and dispersion."""
        return cls(*(jax.nn.softplus(part) + _LEAST for part in parts(outputs, 2)))

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*batch"]:
        """A count from every distribution, as a float: a Poisson variable of a gamma rate."""
        first, second = jax.random.split(check_key("key", key))
        gamma = jax.random.gamma(first, 1 / self.dispersion, dtype=self.mean.dtype)
        counts = jax.random.poisson(second, gamma * self.dispersion * self.mean)
        return counts.astype(self.mean.dtype)


@MeanLoss
def negative_binomial_loss(
    outputs: Float[ArrayLike, "*batch 2"],
    targets: ArrayLike,
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """Mean negative log-likelihood of counts, in nats, under `NegativeBinomial.of(outputs)`.

    Under `jit` a target below 0 makes it NaN.

    Args:
        outputs: two numbers for each target, on an axis of their own, as `Dense(2)` gives.
        targets: counts, integers or floats.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together, or a target is below 0.

    Examples:
        >>> print(f"{negative_binomial_loss(jnp.array([[3.0, 0.0]]), jnp.array([2])):.3f}")
        1.847
    """
    outputs, targets = fitting(outputs, targets, features=1)
    targets = targets.astype(carry_dtype(outputs.dtype))
    wrong = out_of_range(targets, targets >= 0, mask, "counts", "are they scaled or differences?")

    def losses(outputs, targets):
        mean, dispersion = NegativeBinomial.of(outputs)
        size = 1 / dispersion
        ways = gammaln(targets + size) - gammaln(size) - gammaln(targets + 1)
        spread = jnp.log1p(dispersion * mean)
        share = jnp.log(dispersion * mean) - spread
        return spoil(size * spread - ways - targets * share, wrong)

    return masked_sum(losses, mask, outputs, targets)
