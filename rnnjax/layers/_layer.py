"""The base of layers: functions of whole sequences."""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar, final

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Int, Key, PyTree

from .._arguments import as_inputs, check_context, check_params, check_real
from .._checks import Shape, brief, check_arrays, check_key
from .._hooks import checked_hooks, checked_init_carry
from .._masks import as_signals
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
    """Number of features of an output; `None` where it depends on the input."""
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

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        checked_hooks(cls)

    def output_size_of(self, input_size: Any) -> Any:
        """Number of features of an output for inputs of `input_size`, by default as many."""
        return input_size if self.output_size is None else self.output_size

    @abstractmethod
    def init(self, key: Key[Array, ""], input_size: Any, *, dtype: Any = jnp.float32) -> Params:
        """Draws parameters for inputs of `input_size` features."""

    @checked_init_carry
    def init_carry(self, params: Params, batch_shape: Shape = ()) -> Any:
        """The carry to start from; `()` for a layer without memory."""
        return ()

    @abstractmethod
    def run(self, params: Params, xs: Any, carry: Any, signals: Signals) -> tuple[Any, Any]:
        """The work of `apply` after its checks; `carry` is `None` at the start.

        At masked steps `xs` holds a valid entry of the same sequence. Outputs there do not count.
        """

    def check(self, params: Params, xs: Any, carry: Any) -> None:
        """Raises a `ValueError` unless parameters and carry fit inputs like `xs`.

        A layer of layers leaves it to them.
        """
        check_params(self, params, xs)
        check_real(params, xs)
        if not self.has_memory and jax.tree.leaves(carry):
            raise ValueError(f"expected no carry for {self}, which has no memory, got {carry!r}")

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
            params: parameters, from `init`.
            xs: inputs `[B, T, …features]`, or a pytree of them.
            carry: the carry to start from; the initial one by default.
            lengths: number of valid steps, `[B]`.
            mask: true where a step is valid, `[B, T]`. At a masked step the output is zero, and
                recurrent layers hold their carry; pooling leaves it out; its input affects no
                result and no gradient.
            resets: true where a new document starts, `[B, T]`, and the carry afresh.
            key: the source of noise, such as dropout; without one there is none.
            context: the input of cells with `takes_context`, such as a memory to attend to.

        Raises:
            ValueError: if shapes and dtypes do not fit together, lengths exceed T, a context is
                missing, or no layer takes the context.
        """
        params, carry = check_arrays("params", params), check_arrays("carry", carry)
        xs, context = as_inputs(xs), check_arrays("context", context)
        if key is not None:
            check_key("key", key)
        signals = Signals(*as_signals(lengths, mask, resets), key, context)
        check_inputs(self.num_feature_axes, xs)
        signals.check(xs)
        check_context(self, context)
        self.check(params, xs, carry)
        carry, ys = self.run(signals.guard(params, xs), signals.clean(xs), carry, signals)
        return carry, signals.zero(ys) if self.keeps_time else ys


def check_layer(name: str, layer: Any) -> None:
    """Checks a model.

    Raises:
        ValueError: unless it is an instance of a layer.
    """
    if not isinstance(layer, Layer):
        raise ValueError(
            f"expected {name} to be a Layer, got {brief(layer)}; a cell becomes a layer by "
            "RNN(cell)"
        )


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
