"""Paths of a series, sampled step by step from the distributions that a model predicts."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key, PyTree

from .._checks import brief, check_array, check_arrays, check_function, check_key, check_positive
from .._static import by_value
from ..layers import Layer
from ._model import check_streams


def sample_paths(
    model: Layer,
    params: PyTree,
    inputs: Float[ArrayLike, "b t i"],
    distribution: Callable[[Array], Any],
    key: Key[Array, ""],
    *,
    horizon: int,
    num: int,
) -> Float[Array, "num b horizon *f"]:
    """Sample paths of the next values: each value that is drawn is an input of the next step.

    The model runs over the context once, and from there, with a carry for every path, over the
    horizon.

    Args:
        model: a layer whose output at a step is the distribution of the value there, and whose
            input is the value before, beside a flag that it was observed and the covariates of
            the step, as `forecasting.step_batch` lays them out: `[F values, F flags, C others]`.
        params: its parameters.
        inputs: those of context and horizon. Values and flags at the steps of the horizon behind
            its first are replaced by those of the path, and so do not matter.
        distribution: the distribution of outputs, such as `losses.Gaussian.of`; its method
            `sample(key)` gives values `[B]` or `[B, F]`.
        key: the source of the samples.
        horizon: number of the last steps that are sampled.
        num: number of paths.

    Raises:
        ValueError: if shapes do not fit together, or the model needs later steps.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN, Dense, Sequential
        >>> from rnnjax.losses import Gaussian
        >>> model, key = Sequential((RNN(rnnjax.GRU(4)), Dense(2))), jax.random.key(0)
        >>> params, xs = model.init(key, 2), jnp.ones((3, 10, 2))
        >>> sample_paths(model, params, xs, Gaussian.of, key, horizon=4, num=5).shape
        (5, 3, 4)

    Reference:
        D. Salinas et al., DeepAR: probabilistic forecasting with autoregressive recurrent
        networks, International Journal of Forecasting 36, 2020.
    """
    check_streams(model)
    params, inputs = check_arrays("params", params), check_array("inputs", inputs)
    if inputs.ndim != 3 or not jnp.issubdtype(inputs.dtype, jnp.floating):
        raise ValueError(f"expected inputs of real numbers [B, T, I], got {brief(inputs)}")
    check_function("distribution", distribution, "losses.Gaussian.of")
    check_key("key", key)
    horizon, num = check_positive("horizon", horizon), check_positive("num", num)
    if horizon > inputs.shape[1]:
        raise ValueError(
            f"expected a horizon within the {inputs.shape[1]} steps of the inputs, got {horizon}"
        )
    return _paths(model, params, inputs, by_value(distribution), key, horizon=horizon, num=num)


@partial(jax.jit, static_argnames=("model", "distribution", "horizon", "num"))
def _paths(model: Layer, params, inputs, distribution, key, *, horizon: int, num: int) -> Array:
    rows, start = inputs.shape[0], inputs.shape[1] - horizon
    carry, outputs = model.apply(params, inputs[:, : start + 1])
    state = jax.tree.map(lambda a: jnp.repeat(a, num, 0), (carry, outputs[:, -1]))
    keys = jax.random.split(key, horizon)
    first = _drawn(distribution, state[1], keys[0])
    width = first.size // first.shape[0]
    if 2 * width > inputs.shape[-1]:
        raise ValueError(
            f"expected inputs with {width} values and {width} flags, got {inputs.shape[-1]} "
            "features; are they of step_batch?"
        )
    others = jnp.repeat(inputs[:, start + 1 :, 2 * width :], num, 0).swapaxes(0, 1)

    def step(state, now):
        (carry, value), (other, key) = state, now
        flat = value.reshape(len(value), -1).astype(inputs.dtype)
        x = jnp.concatenate([flat, jnp.ones_like(flat), other], axis=-1)
        carry, outputs = model.apply(params, x[:, None], carry)
        value = _drawn(distribution, outputs[:, 0], key)
        return (carry, value), value

    rest = jax.lax.scan(step, (state[0], first), (others, keys[1:]))[1]
    paths = jnp.concatenate([first[None], rest]).swapaxes(0, 1)
    return paths.reshape(rows, num, *paths.shape[1:]).swapaxes(0, 1)


def _drawn(distribution: Callable, outputs: Array, key: Any) -> Array:
    drawn = distribution(outputs)
    if not hasattr(drawn, "sample"):
        raise ValueError(
            "expected a distribution with a method sample, such as losses.Gaussian.of gives, got "
            f"{brief(drawn)}"
        )
    return drawn.sample(key)
