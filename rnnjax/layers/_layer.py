"""What a layer is: a function of whole sequences."""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar, final

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Int, Key, PyTree

from .._arguments import check_context, check_real
from .._checks import Shape
from .._static import Static, derived
from ._signals import Signals, check_inputs

Params = TypeVar("Params")


class Layer(Static, ABC, Generic[Params]):
    """A function of whole sequences: `(params, xs, carry) -> (carry, ys)`, batch-major.

    A subclass is a frozen dataclass of hashable hyper-parameters and gives `init` and `run`; a
    layer with memory also gives `init_carry` and `has_memory`. One that treats every step by
    itself is better a `Pointwise`.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN, Dense, Sequential
        >>> model = Sequential((RNN(rnnjax.GRU(8)), Dense(2)))
        >>> params = model.init(jax.random.key(0), 3)
        >>> carry, ys = model.apply(params, jnp.ones((4, 10, 3)))
        >>> ys.shape
        (4, 10, 2)
    """

    # Properties. A subclass may replace them by attributes, properties or fields.
    output_size = derived(lambda self: None)
    """Number of features of an output; `None` where it is that of the input."""
    num_feature_axes = derived(lambda self: 1)
    """Axes of an input behind `[B, T]`: 3 for images, 0 for tokens."""
    causal = derived(lambda self: self.keeps_time)
    """Whether there is an output for every step that depends on no later one, as in a stream."""
    keeps_time = derived(lambda self: True)
    """Whether outputs have a time axis: `[B, T, …]`, not `[B, …]`."""
    has_memory = derived(lambda self: False)
    """Whether there is a carry to hand on; without one it is `()`."""
    takes_context = derived(lambda self: False)
    """Whether `apply` needs a `context`."""
    runs_backward = derived(lambda self: None)
    """Whether some direction runs from the last step to the first; `None` if none runs."""

    @abstractmethod
    def init(self, key: Key[Array, ""], input_size: Any, *, dtype: Any = jnp.float32) -> Params:
        """Draws parameters for inputs of `input_size` features."""

    def init_carry(self, params: Params, batch_shape: Shape = ()) -> Any:
        """The carry to start from; `()` for a layer without memory."""
        return ()

    @abstractmethod
    def run(self, params: Params, xs: Any, carry: Any, signals: Signals) -> tuple[Any, Any]:
        """What `apply` does after its checks; `carry` is `None` at the start.

        At masked steps `xs` holds a valid entry of the same sequence. Outputs there do not count.
        """

    @final
    def apply(
        self,
        params: Params,
        xs: PyTree,
        carry: PyTree = None,
        *,
        lengths: Int[ArrayLike, "b"] | None = None,
        mask: Bool[ArrayLike, "b t"] | None = None,
        resets: Bool[ArrayLike, "b t"] | None = None,
        key: Key[Array, ""] | None = None,
        context: PyTree = None,
    ) -> tuple[PyTree, PyTree]:
        """Maps a batch of sequences to the final carry and the outputs.

        Args:
            params: what `init` gives.
            xs: inputs `[B, T, …features]`, or a pytree of them.
            carry: the carry to start from; the initial one by default.
            lengths: number of valid steps, `[B]`.
            mask: true where a step is valid, `[B, T]`. A masked step is as if it were not there:
                its output is zero, recurrent layers hold their carry, pooling leaves it out, and
                what stands there reaches no result and no gradient.
            resets: true where a new document starts, `[B, T]`, and the carry afresh.
            key: the source of noise, such as dropout; without one there is none.
            context: what cells with `takes_context` need, such as a memory to attend to.

        Raises:
            ValueError: if shapes and dtypes do not fit together, or lengths exceed T; or if a
                context is missing or nobody takes it.
        """
        xs, carry, context = jax.tree.map(jnp.asarray, (xs, carry, context))
        lengths, mask, resets = (
            None if signal is None else jnp.asarray(signal) for signal in (lengths, mask, resets)
        )
        signals = Signals(lengths, mask, resets, key, context)
        check_inputs(self.num_feature_axes, xs)
        signals.check(xs)
        check_context(self, context)
        carry, ys = self.run(signals.guard(params, xs), signals.clean(xs), carry, signals)
        return carry, signals.zero(ys) if self.keeps_time else ys


class Pointwise(Layer[Params]):
    """A layer that treats every step by itself: a subclass gives `init` and `transform`.

    Examples:
        >>> class Scale(Pointwise):
        ...     factor: float
        ...     def init(self, key, input_size, *, dtype=jnp.float32):
        ...         return ()
        ...     def transform(self, params, xs):
        ...         return self.factor * xs
        >>> Scale(2.0).apply((), jnp.ones((1, 1, 2)))[1]
        Array([[[2., 2.]]], dtype=float32)
    """

    @abstractmethod
    def transform(self, params: Params, xs: Any) -> Any:
        """The outputs for inputs `[*lead, …features]` with any leading axes."""

    def run(self, params, xs, carry, signals: Signals):
        return (), self.transform(params, xs)


def check_features(layer: Layer, w: Any, xs: Any) -> None:
    """Raises a `ValueError` unless `xs`, `[…, I]`, goes with a parameter `w`, `[I, …]`."""
    if xs.ndim < 1 or xs.shape[-1] != w.shape[0]:
        raise ValueError(
            f"expected inputs with {w.shape[0]} features for {layer}, got shape {list(xs.shape)}; "
            "features are the last axis"
        )
    if not jnp.issubdtype(w.dtype, jnp.inexact):
        raise ValueError(f"expected float parameters of {layer}, got {w.dtype}")
    check_real(w, xs)
