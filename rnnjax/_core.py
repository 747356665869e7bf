"""The protocol of a recurrent cell.

Axes, in the order of a shape:

* `T` time, `B` (or `*batch`) batch, `I` input features, `H` hidden units, `G` gates.
* The engine is time-major, `[T, *batch, I]`; layers are batch-major, `[B, T, I]`.
* Features come last; a weight is `[input, gates * hidden]` and is used as `x @ w`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from ._checks import Shape
from ._hooks import checked_hooks
from ._numerics import along
from ._shapes import check_step
from ._static import Static, derived

Params = TypeVar("Params")
Carry = TypeVar("Carry")
Run = Callable[..., tuple[Any, Any]]

_STAGES = {"project", "recur", "update"}


class Cell(Static, ABC, Generic[Params, Carry]):
    """A recurrent cell: hyper-parameters, and pure functions of `(weights, carry, x)`.

    A cell is two equations. `step` follows from them:

        carry' = update(carry, recur(carry, project(x)))
        y      = readout(carry', x)

    A subclass is a frozen dataclass of hashable hyper-parameters and gives `init`, `init_carry`
    and one of three forms:

    * plain: `update` alone, which takes `x`;
    * staged: also `project` and `recur`, so that the engine can project many steps at once and
      form each weight gradient in one product;
    * linear: `elements` instead, which the engine can also compute in parallel over time.

    All hooks take extra leading axes. A number to differentiate, `vmap` over or sweep is a
    parameter; the rest is a field. The name of a parameter is its role: `w_h…` recurrent weights,
    `w_x…` input weights, other `w…` dense weights, `b…` biases; no other parameter decays.

    `rnnjax.testing.check_cell` checks the laws that a cell obeys.

    Examples:
        >>> class Leak(Cell):
        ...     hidden_size: int
        ...     def init(self, key, input_size, *, dtype=jnp.float32):
        ...         return {"w_x": jax.random.normal(key, (input_size, self.hidden_size), dtype)}
        ...     def init_carry(self, weights, batch_shape=()):
        ...         return jnp.zeros((*batch_shape, self.hidden_size))
        ...     def update(self, weights, carry, x):
        ...         return 0.9 * carry + x @ weights["w_x"]
        >>> cell = Leak(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> carry, y = cell.step(params, cell.init_carry(params), jnp.ones(3))
        >>> y.shape
        (4,)
    """

    _linear = False

    # Properties. A subclass may replace them by attributes, properties or fields; wrappers
    # forward them.
    output_size = derived(lambda self: self.hidden_size)
    """Number of features of an output; a pytree where outputs are one."""
    num_feature_axes = derived(lambda self: 1)
    """Axes of an input that are not batch: 3 for images, 0 for tokens."""
    num_products = derived(lambda self: int(self._gives("recur")))
    """How many times `recur` is called in a step."""
    takes_context = derived(lambda self: False)
    """Whether `prepare` needs a `context`."""
    linear = derived(lambda self: self._linear)
    """Whether the carry is `a * carry + b`, with `a` and `b` from `elements`."""
    staged = derived(
        lambda self: not self.linear and any(map(self._gives, ("project", "recur", "elements")))
    )
    """Whether the stages do the products, so that the staged loop pays."""

    def __init_subclass__(cls, **kwargs):
        own = vars(cls).keys()
        if "step" in own:
            raise TypeError(
                f"expected {cls.__name__} to define update and readout, got step, which follows "
                "from them"
            )
        # The class that last defines a stage decides: redefining `update` ends linearity.
        if own & {*_STAGES, "elements"} and "_linear" not in own:
            cls._linear = "elements" in own
        super().__init_subclass__(**kwargs)
        checked_hooks(cls)

    def _gives(self, hook: str) -> bool:
        return getattr(type(self), hook) is not getattr(Cell, hook)

    @abstractmethod
    def init(self, key: Key[Array, ""], input_size: Any, *, dtype: Any = jnp.float32) -> Params:
        """Draws parameters, a NamedTuple of arrays, for inputs of `input_size` features.

        `input_size` is a pytree of sizes where the inputs are one, and the shape of the feature
        axes where there are several. JAX must be able to trace this function.
        """

    def prepare(
        self,
        params: Params,
        *,
        context: Any = None,
        key: Key[Array, ""] | None = None,
        batch_shape: Shape = (),
    ) -> Any:
        """The weights that all other hooks take; made once a sequence, outside the loop.

        Values that are constant over a sequence and no stored parameter belong here: memory to
        attend to (`context`), dropout masks held over time and dropped weights (`key`; without one
        there is no noise), reparametrised weights. Leaves may have the batch axes in front.
        """
        return params

    @abstractmethod
    def init_carry(self, weights: Any, batch_shape: Shape = ()) -> Carry:
        """The carry to start from, `batch_shape` in front. The engine sets its dtypes."""

    def noise(self, weights: Any, key: Key[Array, ""], lead: Shape) -> Any:
        """Noise that differs from step to step, `[*lead, …]`; `None` for a cell without.

        It is one more argument, the last, of `project` or `elements`, and of `step`; without a
        key there is none.
        """
        return None

    def project(self, weights: Any, xs: Any, /, *noise: Any) -> Any:
        """The work on the input that needs no carry: `z`."""
        if self._gives("elements"):
            a, b = self.elements(weights, xs, *noise)
            return jax.tree.map(lambda a, b: jnp.broadcast_to(a, b.shape), a, b), b
        if noise:
            raise TypeError(f"expected {type(self).__name__} to define project(weights, xs, noise)")
        return xs

    def recur(self, weights: Any, carry: Carry, z: Any, /) -> Any:
        """A pre-activation `s_k`: elementwise work, then the product last.

        It is called `num_products` times, each time with its own earlier results as further
        arguments.
        """
        return z

    def update(self, weights: Any, carry: Carry, s: Any, /) -> Carry:
        """The rest, elementwise: the new carry, given all pre-activations.

        A cell without `recur` takes `z`, which is `x` where there is no `project` either.
        """
        if not self._gives("elements"):
            raise TypeError(f"expected {type(self).__name__} to define update or elements")
        a, b = s
        return jax.tree.map(lambda a, h, b: along(a, b) * h + b, a, carry, b)

    def elements(self, weights: Any, xs: Any, /, *noise: Any) -> tuple[Any, Any]:
        """The form of a linear cell: `(a, b)`, trees like the carry, with `carry' = a carry + b`.

        `a` may lack leading axes that `b` has.
        """
        raise NotImplementedError

    def readout(self, weights: Any, carry: Carry, x: Any, /) -> Any:
        """The output `y` after a step; by default the carry's `h`, or the carry.

        The engine calls it in the loop, or once for all steps.
        """
        return getattr(carry, "h", carry)

    def unroll(
        self, run: Run, weights: Any, carry: Carry, xs: Any, *noise: Any
    ) -> tuple[Carry, Any]:
        """Runs this cell over a whole sequence, given how the engine runs one recurrence.

        `run(cell, weights, carry, xs, *noise)` returns the final carry and the outputs. A cell of
        several cells runs its parts one after the other, each at the engine's full speed.
        """
        return run(self, weights, carry, xs, *noise)

    @final
    def step(self, weights: Any, carry: Carry, x: Any, *noise: Any) -> tuple[Carry, Any]:
        """One time step: `(carry, x) -> (carry, y)`, the order of `jax.lax.scan`.

        Raises:
            ValueError: if weights or carry do not fit the cell and the shape of `x`.
        """
        check_step(self, weights, carry, x)
        carry = advance(self, weights, carry, inputs(self, weights, x, *noise))
        return carry, self.readout(weights, carry, x)


def inputs(cell: Cell, weights: Any, xs: Any, *noise: Any) -> Any:
    """The first stage: `z`, or `(a, b)` of a linear cell."""
    return (cell.elements if cell.linear else cell.project)(weights, xs, *noise)


def pre_activations(cell: Cell, weights: Any, carry: Any, z: Any) -> tuple:
    """The second stage: the results of all calls of `recur`; of a cell without, `(z,)`."""
    s = ()
    for _ in range(cell.num_products):
        s = (*s, cell.recur(weights, carry, z, *s))
    return s or (z,)


def advance(cell: Cell, weights: Any, carry: Any, z: Any) -> Any:
    """The new carry, given the first stage."""
    return cell.update(weights, carry, *pre_activations(cell, weights, carry, z))
