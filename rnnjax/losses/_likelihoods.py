"""Likelihoods of real numbers under a distribution that a model predicts."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy import stats
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Key

from .._checks import check_key
from ._masked import masked_sum
from ._mean import MeanLoss
from ._targets import as_floats, fitting

# The likelihood is unbounded as the scale goes to 0 at a target equal to the mean.
_LEAST_SCALE = 1e-4


class Gaussian(NamedTuple):
    """A normal distribution for every prediction.

    Attributes:
        mean: mean.
        scale: standard deviation.

    Examples:
        >>> Gaussian.of(jnp.array([3.0, 0.0])).mean
        Array(3., dtype=float32)
    """

    mean: Float[Array, "*batch"]
    scale: Float[Array, "*batch"]

    @classmethod
    def of(cls, outputs: Float[ArrayLike, "*batch 2"]) -> "Gaussian":
        """The distribution of outputs `o`: `mean = o[0]`, `scale = softplus(o[1]) + 1e-4`."""
        mean, scale = parts(outputs, 2)
        return cls(mean, jax.nn.softplus(scale) + _LEAST_SCALE)

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*batch"]:
        """A value from every distribution."""
        noise = jax.random.normal(check_key("key", key), self.mean.shape, self.mean.dtype)
        return self.mean + self.scale * noise


class StudentT(NamedTuple):
    """A shifted and scaled Student's t distribution for every prediction.

    Attributes:
        mean: centre.
        scale: scale; the standard deviation is `sqrt(freedom / (freedom - 2))` times it.
        freedom: degrees of freedom, above 2: the fewer, the heavier the tails.

    Examples:
        >>> StudentT.of(jnp.array([3.0, 0.0, -20.0])).freedom
        Array(2., dtype=float32)
    """

    mean: Float[Array, "*batch"]
    scale: Float[Array, "*batch"]
    freedom: Float[Array, "*batch"]

    @classmethod
    def of(cls, outputs: Float[ArrayLike, "*batch 3"]) -> "StudentT":
        """The distribution of outputs `o`: as `Gaussian.of`, and `freedom = 2 + softplus(o[2])`."""
        mean, scale, freedom = parts(outputs, 3)
        return cls(mean, jax.nn.softplus(scale) + _LEAST_SCALE, 2 + jax.nn.softplus(freedom))

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*batch"]:
        """A value from every distribution."""
        shape, dtype = self.mean.shape, self.mean.dtype
        return self.mean + self.scale * jax.random.t(
            check_key("key", key), self.freedom, shape, dtype
        )


@MeanLoss
def gaussian_loss(
    outputs: Float[ArrayLike, "*batch 2"],
    targets: Float[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """Mean negative log-likelihood of the targets, in nats, under `Gaussian.of(outputs)`.

    Args:
        outputs: two numbers for each target, on an axis of their own, as `Dense(2)` gives.
        targets: true values.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together.

    Examples:
        >>> gaussian_loss(jnp.array([[0.0, 0.5413]]), jnp.array([1.0])).round(3)
        Array(1.419, dtype=float32)
    """
    outputs, targets = fitting(outputs, targets, features=1)

    def losses(outputs, targets):
        mean, scale = Gaussian.of(outputs)
        return -stats.norm.logpdf(targets, mean, scale)

    return masked_sum(losses, mask, outputs, targets)


@MeanLoss
def student_t_loss(
    outputs: Float[ArrayLike, "*batch 3"],
    targets: Float[ArrayLike, "*batch"],
    mask: Bool[ArrayLike, "*#batch"] | None = None,
) -> tuple[ArrayLike, ArrayLike]:
    """Mean negative log-likelihood of the targets, in nats, under `StudentT.of(outputs)`.

    Its tails are heavier than a Gaussian's: the loss of an outlier grows as the logarithm of the
    error, not as its square.

    Args:
        outputs: three numbers for each target, on an axis of their own, as `Dense(3)` gives.
        targets: true values.
        mask: true where a prediction counts; by default everywhere.

    Raises:
        ValueError: if shapes do not fit together.

    Examples:
        >>> student_t_loss(jnp.array([[0.0, 0.5413, 0.0]]), jnp.array([1.0])).round(3)
        Array(1.593, dtype=float32)
    """
    outputs, targets = fitting(outputs, targets, features=1)

    def losses(outputs, targets):
        mean, scale, freedom = StudentT.of(outputs)
        return -stats.t.logpdf(targets, freedom, mean, scale)

    return masked_sum(losses, mask, outputs, targets)


def parts(outputs: ArrayLike, count: int) -> list[Array]:
    """The entries on the last axis of outputs, which has so many."""
    outputs = as_floats("outputs", outputs)
    if outputs.shape[-1:] != (count,):
        raise ValueError(
            f"expected outputs with {count} entries on the last axis, got shape "
            f"{list(outputs.shape)}"
        )
    return list(jnp.unstack(outputs, axis=-1))
