"""The protocol: what a cell is, and the laws that it obeys.

Axes, in the order in which they stand in a shape:

* `T` time, `B` (or `*batch`) batch, `I` input features, `H` hidden units, `G` gates.
* The engine is time-major, `[T, *batch, I]`; layers are batch-major, `[*batch, T, I]`.
* Features stand last; a weight is `[input, gates * hidden]` and is used as `x @ w`.

This module imports nothing else of rnnjax.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar, dataclass_transform, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

T = TypeVar("T")
Params = TypeVar("Params")
Carry = TypeVar("Carry")
Shape = tuple[int, ...]
Run = Callable[["Cell", Any, Any, Any], tuple[Any, Any, Any]]


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """Makes a class a frozen dataclass that JAX treats as a static value.

    Instances are compared, hashed and pickled by value, have no array leaves, and pass
    through `jit`, `vmap` and `grad` as part of the compilation key: equal configurations
    share one compilation.

    Example:
        >>> @frozen
        ... class Scale:
        ...     factor: float
        >>> jax.jit(lambda scale, x: scale.factor * x)(Scale(2.0), 3.0)
        Array(6., dtype=float32, weak_type=True)
    """
    return jax.tree_util.register_static(dataclasses.dataclass(frozen=True)(cls))


class Cell(ABC, Generic[Params, Carry]):
    """A recurrent cell: hyper-parameters, and pure functions of `(params, carry, x)`.

    A subclass is decorated with `frozen`, keeps its hyper-parameters in hashable fields,
    and gives `init`, `init_carry`, `step` and `output_size`. What a user may want to
    differentiate, `vmap` over or sweep is a parameter; the rest is a field.

    The laws, which `tests/test_cell_laws.py` checks for every cell:

    * a carry keeps its structure, shapes and dtypes;
    * the engine equals a Python loop over `step`, in values and gradients;
    * a batched call equals `vmap` of the unbatched one;
    * scanning in two pieces equals scanning once;
    * no output depends on a later input;
    * what stands at a masked step changes nothing, and a masked step changes nothing;
    * a reset before step `t` equals starting afresh at `t`;
    * `vmap` over stacked parameters equals a loop over the members;
    * equal configurations are equal, hash equal, pickle, and share one compilation;
    * the outputs equal those of independent NumPy code written from the paper;
    * first and second derivatives equal finite differences;
    * parameters may be bfloat16, float32 or float64; a carry is never below float32.

    Example:
        >>> from typing import NamedTuple
        >>> class LeakParams(NamedTuple):
        ...     w: Array
        >>> @frozen
        ... class Leak(Cell):
        ...     hidden_size: int
        ...     output_size = property(lambda self: self.hidden_size)
        ...     def init(self, key, input_size, *, dtype=jnp.float32):
        ...         return LeakParams(jax.random.normal(key, (input_size, self.hidden_size), dtype))
        ...     def init_carry(self, params, batch_shape=()):
        ...         return jnp.zeros((*batch_shape, self.hidden_size))
        ...     def step(self, params, carry, x):
        ...         carry = 0.9 * carry + x @ params.w
        ...         return carry, jnp.tanh(carry)
        >>> Leak(4).init(jax.random.key(0), 3).w.shape
        (3, 4)
    """

    @property
    @abstractmethod
    def output_size(self) -> int:
        """Number of features of an output."""

    @abstractmethod
    def init(self, key: Key[Array, ""], input_size: Any, *, dtype: Any = jnp.float32) -> Params:
        """Draws parameters for inputs of `input_size` features.

        Where the inputs are a pytree of arrays, `input_size` is a pytree of sizes. JAX must be
        able to trace this function: the engine learns from it what shapes to expect.
        """

    @abstractmethod
    def init_carry(self, params: Params, batch_shape: Shape = ()) -> Carry:
        """The carry to start from, with `batch_shape` as its leading axes."""

    @abstractmethod
    def step(self, params: Params, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """One time step: `(carry, x) -> (carry, y)`, the order of `jax.lax.scan`."""

    def over_time(self, run: Run, params: Params, carry: Carry, xs: Any) -> tuple[Carry, Any, Any]:
        """Runs this cell over a whole sequence, given how the engine runs one recurrence.

        `run(cell, params, carry, xs)` returns the final carry, the outputs, and the carries
        after every step (`None` unless they were asked for). A cell made of cells overrides
        this to run its parts one after the other, each at the engine's full speed.
        """
        return run(self, params, carry, xs)


class StagedCell(Cell[Params, Carry]):
    """A cell whose step falls into stages, which lets the engine make it fast.

    `project` does all work on the input that needs no carry, for many steps at once.
    `recur` does the recurrent products; if one of them needs another's result, that one is
    `recur_again`. `gate` is elementwise. The engine projects many steps in one product, keeps
    only the other stages in the loop, saves only the pre-activations, and forms every weight
    gradient in one product after the loop. Weights that stages use apart are best apart in the
    parameters, too: XLA:CPU copies a slice of a weight at every step.

    Example:
        >>> import rnnjax
        >>> isinstance(rnnjax.LSTM(8), StagedCell)
        True
    """

    @abstractmethod
    def project(self, params: Params, xs: Any) -> Any:
        """The time-parallel stage: inputs, with any leading axes, to projections `z`."""

    @abstractmethod
    def recur(self, params: Params, carry: Carry, z: Any) -> Any:
        """The recurrent stage: carry and projection to the pre-activation `s`.

        As a function of the carry it is affine, or the backward loop has to compute it again.
        """

    def recur_again(self, params: Params, carry: Carry, s: Any) -> Any:
        """The pre-activation with what a product adds to it that needs another part of it.

        What it reads of `s` it must leave as it is: the backward loop has only what it returned,
        and differentiates it there, so as not to compute any product again.
        """
        return s

    @abstractmethod
    def gate(self, params: Params, carry: Carry, s: Any) -> tuple[Carry, Any]:
        """The elementwise stage: carry and pre-activation to the new carry and the output."""

    @final
    def step(self, params: Params, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """One time step: its stages, one after the other."""
        s = self.recur(params, carry, self.project(params, x))
        return self.gate(params, carry, self.recur_again(params, carry, s))


def carry_dtype(dtype: Any) -> jnp.dtype:
    """The dtype in which to keep a carry and to accumulate: at least float32.

    Example:
        >>> carry_dtype(jnp.bfloat16), carry_dtype(jnp.float64)
        (dtype('float32'), dtype('float64'))
    """
    return jnp.promote_types(dtype, jnp.float32)


def matmul(x: Float[Array, "*batch i"], w: Float[Array, "i o"]) -> Float[Array, "*batch o"]:
    """`x @ w`, multiplied in the dtype of `w` and accumulated in at least float32.

    Example:
        >>> matmul(jnp.ones(3), jnp.ones((3, 2), jnp.bfloat16)).dtype
        dtype('float32')
    """
    return jnp.matmul(x.astype(w.dtype), w, preferred_element_type=carry_dtype(w.dtype))


def matmul_split(
    x: Float[Array, "*batch i"], w: Float[Array, "i o"], at: int
) -> tuple[Float[Array, "*batch a"], Float[Array, "*batch b"]]:
    """`x @ w` in two parts, its features before `at` and the others.

    It cuts the smaller of weight and product. Where the parts go different ways, their
    gradients need not be put together again for products of the parts with parts of `w`.

    Example:
        >>> a, b = matmul_split(jnp.ones((7, 3)), jnp.ones((3, 6)), at=4)
        >>> a.shape, b.shape
        ((7, 4), (7, 2))
    """
    if x.size <= w.shape[0] ** 2:
        first, second = jnp.split(matmul(x, w), [at], axis=-1)
        return first, second
    return matmul(x, w[:, :at]), matmul(x, w[:, at:])


def positive(name: str, value: int) -> None:
    """Raises a `ValueError` unless `value` is a positive integer.

    Example:
        >>> positive("hidden_size", 8)
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"expected {name} to be a positive integer, got {value!r}")


def check_cell(cell: Any) -> None:
    """Raises a `ValueError` unless `cell` is one, of a class that is decorated with `frozen`.

    Example:
        >>> import rnnjax
        >>> check_cell(rnnjax.LSTM(8))
    """
    if not isinstance(cell, Cell):
        raise ValueError(f"expected cell to be a Cell, such as LSTM(8), got {cell!r}")
    if jax.tree.leaves(cell):
        raise ValueError(
            f"expected class {type(cell).__name__} to be decorated with rnnjax.frozen, got it "
            "plain; does it inherit from a class that is? Each needs that itself"
        )
