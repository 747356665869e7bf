"""The options that cells share: activations, and how parameters are drawn."""

from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Any

import jax
from jaxtyping import Array, Key

from .. import initializers
from .._checks import RULES, check_key, check_positive, check_shape
from .._core import Carry, Cell, Params

Activation = str | Callable[[Array], Array]
Initializer = str | initializers.Initializer


def activation(name: Activation) -> Callable[..., Any]:
    """The function of `jax.nn` called `name`; a function is returned as it is.

    Raises:
        ValueError: if `jax.nn` has no function of that name.

    Examples:
        >>> float(activation("relu")(jax.numpy.array(-1.0)))
        0.0
    """
    function = getattr(jax.nn, name, None) if isinstance(name, str) else name
    if not callable(function):
        raise ValueError(
            "expected a function or the name of an activation in jax.nn, such as 'tanh' or "
            f"'relu', got {name!r}"
        )
    return function


def initializer(name: Initializer) -> initializers.Initializer:
    """The function of `rnnjax.initializers` called `name`; a function is returned as it is.

    Raises:
        ValueError: if there is no initializer of that name.

    Examples:
        >>> initializer("zeros")(jax.random.key(0), (2,), jax.numpy.float32)
        Array([0., 0.], dtype=float32)
    """
    function = initializers.BY_NAME.get(name) if isinstance(name, str) else name
    if not callable(function):
        raise ValueError(
            "expected a function of (key, shape, dtype) or one of the names "
            f"{sorted(initializers.BY_NAME)}, got {name!r}"
        )
    return function


def _check_activation(field: str, value: Any) -> Any:
    activation(value)
    return value


def _check_initializer(field: str, value: Any) -> Any:
    initializer(value)
    return value


RULES[Activation] = _check_activation
RULES[Initializer] = _check_initializer


def draw(
    rule: Initializer, key: Key[Array, ""], shape: tuple[int, ...], dtype: Any, *, gates: int = 1
) -> Array:
    """Draws a parameter; each block of its last axis, one for a gate, is drawn on its own.

    Examples:
        >>> draw("orthogonal", jax.random.key(0), (4, 12), jax.numpy.float32, gates=3).shape
        (4, 12)
    """
    function, gates = initializer(rule), check_positive("gates", gates)
    check_key("key", key)
    check_shape("shape", shape)
    return initializers.per_gate(function, gates)(key, shape, dtype)


class AffineCell(Cell[Params, Carry]):
    """Base of cells with sums like `x w_x + h w_h + b`: how their parameters are drawn.

    An initializer is a name in `rnnjax.initializers` or a hashable function of
    `(key, shape, dtype)`.

    Args:
        use_bias: whether the sums have biases; without, these parameters are `None`.
        w_x_init: initializer of the input weights.
        w_h_init: initializer of the recurrent weights.
        b_init: initializer of the biases.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.Elman(4, use_bias=False, w_h_init=jax.nn.initializers.normal(0.1))
        >>> cell.init(jax.random.key(0), 3).b is None
        True
    """

    _: KW_ONLY
    use_bias: bool = True
    w_x_init: Initializer = "glorot_uniform"
    w_h_init: Initializer = "orthogonal"
    b_init: Initializer = "zeros"


class GatedCell(AffineCell[Params, Carry]):
    """Base of cells with gates.

    Args:
        activation: the function in the place of tanh: a name in `jax.nn` or a hashable
            elementwise function.
        gate_activation: the function in the place of sigmoid, likewise.

    Examples:
        >>> import rnnjax
        >>> rnnjax.GRU(4, activation="relu").activation
        'relu'
    """

    _: KW_ONLY
    activation: Activation = "tanh"
    gate_activation: Activation = "sigmoid"
