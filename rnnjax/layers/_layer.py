"""What a layer is: a function of whole sequences."""

from abc import ABC, abstractmethod
from typing import Any, Generic, NamedTuple, TypeVar, final

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Int, Key, PyTree

from .._core import Shape

Params = TypeVar("Params")


class Signals(NamedTuple):
    """What accompanies a batch of sequences through layers.

    Attributes:
        lengths: number of valid steps of each sequence, or `None`.
        mask: which steps are valid, or `None`.
        resets: the steps before which the carry starts afresh, or `None`.
        key: the source of noise; without a key there is no noise (evaluation).

    Example:
        >>> Signals(lengths=jnp.array([1, 3])).valid(3).astype(int)
        Array([[1, 0, 0],
               [1, 1, 1]], dtype=int32)
    """

    lengths: Int[Array, "*batch"] | None = None
    mask: Bool[Array, "*batch time"] | None = None
    resets: Bool[Array, "*batch time"] | None = None
    key: Key[Array, ""] | None = None

    def valid(self, steps: int) -> Bool[Array, "*batch time"] | None:
        """The mask that lengths and mask say together; `None` if every step is valid."""
        if self.lengths is None:
            return self.mask
        within = jnp.arange(steps) < self.lengths[..., None]
        return within if self.mask is None else within & self.mask


class Layer(ABC, Generic[Params]):
    """A function of whole sequences: `(params, xs, carry) -> (carry, ys)`, batch-major.

    A subclass is decorated with `frozen` and gives `init`, `run` and `output_size`. A layer
    with no memory has the empty carry `()`.

    Example:
        >>> import rnnjax
        >>> from rnnjax.layers import Dense, Recurrent, Sequential
        >>> model = Sequential((Recurrent(rnnjax.GRU(8)), Dense(2)))
        >>> params = model.init(jax.random.key(0), 3)
        >>> carry, ys = model.apply(params, jnp.ones((4, 10, 3)))
        >>> ys.shape
        (4, 10, 2)
    """

    @property
    @abstractmethod
    def output_size(self) -> int | None:
        """Number of features of an output; `None` where it is that of the input."""

    @abstractmethod
    def init(self, key: Key[Array, ""], input_size: int, *, dtype: Any = jnp.float32) -> Params:
        """Draws parameters for inputs of `input_size` features."""

    def init_carry(self, params: Params, batch_shape: Shape = ()) -> Any:
        """The carry to start from; `()` for a layer with no memory."""
        del params, batch_shape
        return ()

    @abstractmethod
    def run(self, params: Params, xs: Any, carry: Any, signals: Signals) -> tuple[Any, Any]:
        """What `apply` does, with the signals in one tuple; for layers that hold layers."""

    @final
    def apply(
        self,
        params: Params,
        xs: PyTree,
        carry: PyTree = None,
        *,
        lengths: Int[ArrayLike, "*batch"] | None = None,
        mask: Bool[ArrayLike, "*batch time"] | None = None,
        resets: Bool[ArrayLike, "*batch time"] | None = None,
        key: Key[Array, ""] | None = None,
    ) -> tuple[PyTree, PyTree]:
        """Maps a batch of sequences `[*batch, T, features]` to the final carry and outputs.

        `carry` defaults to the initial carry. Steps beyond `lengths`, and those where `mask`
        is false, hold the carry and give zero outputs in recurrent layers and do not count in
        pooling; what stands in them reaches no gradient. Where `resets` is true a new document
        starts, and the carry afresh. Dropout is active only when a `key` is given.
        """
        signals = Signals(_array(lengths), _array(mask), _array(resets), key)
        xs = jax.tree.map(lambda x: _without_garbage(jnp.asarray(x), signals), xs)
        return self.run(params, xs, carry, signals)


def _array(signal: Any) -> Array | None:
    return None if signal is None else jnp.asarray(signal)


def _without_garbage(x: Array, signals: Signals) -> Array:
    """Zeros where a step is not valid: NaN there would reach the gradient as `0 * NaN`."""
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return x
    if x.ndim < 2:
        raise ValueError(f"expected inputs [*batch, T, features], got {x.dtype}{list(x.shape)}")
    valid = signals.valid(x.shape[-2])
    if valid is None:
        return x
    if valid.shape != x.shape[:-1]:
        raise ValueError(
            f"expected lengths of shape {list(x.shape[:-2])} and a mask of shape "
            f"{list(x.shape[:-1])} for inputs {list(x.shape)}, got them for {list(valid.shape)}; "
            "a layer takes [*batch, T, features]"
        )
    return jnp.where(valid[..., None], x, 0)
