"""Initial values of weights: functions of `(key, shape, dtype)`, as in `jax.nn.initializers`."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from ._checks import (
    check_dtype,
    check_function,
    check_key,
    check_number,
    check_positive,
    check_shape,
)
from ._numerics import carry_dtype

Initializer = Callable[[Key[Array, ""], tuple[int, ...], Any], Array]
Draw = TypeVar("Draw")


def _checked(least_axes: int) -> Callable[[Draw], Draw]:
    """Checks the arguments of an initializer before it draws."""

    def decorate(draw: Any) -> Any:
        @wraps(draw)
        def checked(key, shape, dtype=jnp.float32):
            check_key("key", key)
            check_shape("shape", shape, least_axes)
            check_dtype("dtype", dtype)
            return draw(key, tuple(shape), dtype)

        return checked

    return decorate


def per_gate(initializer: Initializer, gates: int) -> Initializer:
    """Draws each of the `gates` blocks of the last axis on its own.

    The blocks of an orthogonal `[H, G*H]` matrix are not orthogonal, and its fan-out, `G*H`, is
    larger than the fan-out of a gate. The papers mean one block by itself. Kernels of convolutions
    have their blocks on the last axis, too. A single block takes the key itself.

    Examples:
        >>> w = per_gate(orthogonal, 4)(jax.random.key(0), (8, 32), jnp.float32)
        >>> block = w[:, 8:16]
        >>> bool(jnp.allclose(block.T @ block, jnp.eye(8), atol=1e-5))
        True
    """

    check_function("initializer", initializer)
    if check_positive("gates", gates) == 1:
        return initializer

    def draw(key, shape, dtype=jnp.float32):
        check_key("key", key)
        check_shape("shape", shape, 1)
        *rows, columns = shape
        _check_blocks(shape, gates)
        keys = jax.random.split(key, gates)
        blocks = [initializer(k, (*rows, columns // gates), dtype) for k in keys]
        return jnp.concatenate(blocks, axis=-1)

    return draw


def _check_blocks(shape: tuple[int, ...], gates: int) -> None:
    if shape[-1] % gates:
        raise ValueError(f"expected a last axis of {gates} equal blocks, got shape {list(shape)}")


@_checked(least_axes=2)
def orthogonal(key: Key[Array, ""], shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """A random matrix with orthonormal columns or rows (Saxe et al., 2014), of any float dtype.

    The recurrent product then keeps the norm of what it multiplies, forwards and backwards.

    Examples:
        >>> w = orthogonal(jax.random.key(0), (3, 3), jnp.bfloat16)
        >>> w.dtype
        dtype(bfloat16)
    """
    return jax.nn.initializers.orthogonal()(key, shape, carry_dtype(dtype)).astype(dtype)


@_checked(least_axes=2)
def glorot_uniform(key: Key[Array, ""], shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """Uniform in `±sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio, 2010).

    Examples:
        >>> w = glorot_uniform(jax.random.key(0), (3, 3))
        >>> bool(jnp.abs(w).max() <= 1.0)
        True
    """
    return jax.nn.initializers.glorot_uniform()(key, shape, dtype)


@_checked(least_axes=0)
def unit_uniform(key: Key[Array, ""], shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """Uniform in `[0, 1)`: recurrent weights of single units that remember and do not explode.

    Examples:
        >>> bool(unit_uniform(jax.random.key(0), (100,)).min() >= 0.0)
        True
    """
    return jax.random.uniform(key, shape, dtype)


@_checked(least_axes=0)
def zeros(key: Key[Array, ""], shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """Zeros, whatever the key.

    Examples:
        >>> zeros(jax.random.key(0), (2,))
        Array([0., 0.], dtype=float32)
    """
    return jnp.zeros(shape, dtype)


def forget_bias(value: float) -> Initializer:
    """Zeros, except `value` in the second of four gate blocks: the forget gate of an LSTM.

    A positive value keeps the memory open at the start of training (Gers et al., 2000;
    Jozefowicz et al., 2015). It is part of the parameter, so weights move between libraries
    without a hidden constant.

    Examples:
        >>> forget_bias(1.0)(jax.random.key(0), (4,), jnp.float32)
        Array([0., 1., 0., 0.], dtype=float32)
    """

    value = check_number("value", value)

    @_checked(least_axes=1)
    def draw(key, shape, dtype=jnp.float32):
        del key
        _check_blocks(shape, 4)
        *_, columns = shape
        hidden = columns // 4
        return jnp.zeros(shape, dtype).at[..., hidden : 2 * hidden].set(value)

    return draw


def chrono(steps: int) -> Initializer:
    """Biases of the gates of an LSTM, with memories of every duration up to `steps`.

    The forget gate's are `log(u)` with `u` uniform in `[1, steps - 1]`, so that a unit forgets
    within about `u` steps; the input gate's are the negatives; the others are zeros. For the bias
    of a cell: `params._replace(b=chrono(200)(key, params.b.shape))`.

    Args:
        steps: the longest memory, in steps; at least 2.

    Examples:
        >>> chrono(1000)(jax.random.key(0), (8,)).round(1)
        Array([-6.9, -6.9,  6.9,  6.9,  0. ,  0. ,  0. ,  0. ], dtype=float32)

    Reference:
        C. Tallec, Y. Ollivier, Can recurrent neural networks warp time?, ICLR 2018.
    """

    longest = check_positive("steps", steps, least=2)

    @_checked(least_axes=1)
    def draw(key, shape, dtype=jnp.float32):
        _check_blocks(shape, 4)
        *rows, columns = shape
        hidden = columns // 4
        wide = carry_dtype(dtype)
        durations = jax.random.uniform(key, (*rows, hidden), wide, 1.0, longest - 1)
        forget = jnp.log(durations).astype(dtype)
        rest = jnp.zeros((*rows, 2 * hidden), dtype)
        return jnp.concatenate([-forget, forget, rest], axis=-1)

    return draw


BY_NAME: dict[str, Initializer] = {
    draw.__name__: draw for draw in (glorot_uniform, orthogonal, unit_uniform, zeros)
}
