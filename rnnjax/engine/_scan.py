"""The engine's one public function."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Bool, Int, PyTree

from .._core import Cell, check_cell
from . import _check
from ._choice import chosen
from ._controls import merge, where, zeros_like
from ._loop import Loop, vary
from ._methods import Sequential
from ._sequential import sequential


def scan(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree = None,
    *,
    lengths: Int[ArrayLike, "*batch"] | None = None,
    mask: Bool[ArrayLike, "time *batch"] | None = None,
    resets: Bool[ArrayLike, "time *batch"] | None = None,
    reset_carry: PyTree = None,
    reverse: bool = False,
    return_carries: bool = False,
    method: Sequential | None = None,
    dtype: DTypeLike | None = None,
    precision: str | None = None,
) -> tuple[PyTree, PyTree]:
    """Runs a cell over a batch of sequences, as `jax.lax.scan` runs a function.

    Works eagerly and under `jit`, `vmap` (over parameters, inputs or both), `shard_map`, `grad`
    and `grad` of `grad`. Forward mode: see `Sequential`. Calls with equal cells, options and
    shapes share one compilation.

    Args:
        cell: the cell.
        params: its parameters, from `cell.init`.
        xs: inputs `[T, *batch, features]`, time first, any number of batch axes or none; or
            a pytree of such arrays. T may be 0.
        carry: the carry to start from; by default `cell.init_carry(params, batch)`.
        lengths: number of valid steps of each sequence, `[*batch]`; the rest is padding.
        mask: true where a step counts, `[T, *batch]`; it may have gaps. A step that does not
            count is as if it were not there: it holds the carry, gives a zero output, and
            what stands in it (NaN, too) reaches no result and no gradient.
        resets: true where the carry starts afresh *before* `xs[t]` is consumed, `[T, *batch]`.
        reset_carry: what it starts afresh from; by default the initial carry of the cell.
        reverse: runs from the last valid step to the first; outputs stay in input order.
        return_carries: whether to return the carry after every step too.
        method: how to compute; `None` is the best known way, which `explain` tells. Results do
            not depend on it.
        dtype: that to compute products in: "bfloat16" halves the memory traffic of the weights.
            Carries, sums and outputs stay float32, and gradients come in the parameters' dtype.
            `None` is the parameters' own.
        precision: of products in float32, as in `jax.default_matmul_precision`, forwards and
            backwards; `None` leaves it as it is.

    Returns:
        The final carry, and the outputs `[T, *batch, features]`; with `return_carries` the
        second is a pair of the outputs and the carries `[T, *batch, …]`.

    Raises:
        ValueError: if shapes, dtypes, parameters or carries do not fit together. Lengths
            beyond T can be seen only outside `jit`; inside, they count as T.

    Example:
        >>> import rnnjax
        >>> cell = rnnjax.LSTM(8)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> xs = jnp.ones((5, 2, 3))
        >>> carry, ys = rnnjax.scan(cell, params, xs, lengths=jnp.array([5, 2]))
        >>> ys.shape, carry.h.shape
        ((5, 2, 8), (2, 8))
    """
    check_cell(cell)
    params, xs, carry, reset_carry = jax.tree.map(jnp.asarray, (params, xs, carry, reset_carry))
    lengths, mask, resets = (
        None if signal is None else jnp.asarray(signal) for signal in (lengths, mask, resets)
    )
    if method is not None and not isinstance(method, Sequential):
        raise ValueError(f"expected method to be an engine.Sequential or None, got {method!r}")
    _check.check_signals(*_check.steps_and_batch(xs), lengths, mask, resets)
    try:
        return _scan(
            cell,
            params,
            xs,
            carry,
            lengths,
            mask,
            resets,
            reset_carry,
            reverse=reverse,
            return_carries=return_carries,
            method=chosen(jax.default_backend()).method if method is None else method,
            dtype=None if dtype is None else jnp.dtype(dtype),
            precision=precision,
        )
    except TypeError as error:
        if "forward-mode" in str(error):
            error.add_note("rnnjax: pass method=Sequential(forward_mode=True), see its docstring")
        raise


@partial(jax.jit, static_argnames=("reverse", "return_carries", "dtype", "precision"))
def _scan(
    cell,
    params,
    xs,
    carry,
    lengths,
    mask,
    resets,
    reset_carry,
    *,
    reverse,
    return_carries,
    method,
    dtype,
    precision,
):
    steps, batch = _check.steps_and_batch(xs)
    _check.params_fit(cell, params, xs)
    params = params if dtype is None else _as_dtype(dtype, params)
    initial = cell.init_carry(params, batch)
    carry, fresh = (initial if given is None else given for given in (carry, reset_carry))
    _check.carry_fits("a carry", cell, params, carry, batch)
    _check.carry_fits("a reset_carry", cell, params, fresh, batch)

    controls = merge(steps, lengths, mask, resets)
    given = params, xs, carry, fresh, controls
    params, xs, carry, fresh, controls = vary(given, given)
    if controls.mask is not None:
        # Garbage must not enter the cell at all: 0 * NaN in a gradient is NaN.
        xs = where(controls.mask, xs, zeros_like(xs))

    loop = Loop(reverse, method.unroll, return_carries, precision)

    def run(cell, params, carry, xs):
        carry, fresh = _unpair(carry)
        return sequential(cell, loop, method, params, xs, carry, fresh, controls)

    # A cell made of cells takes its carry apart; the carry for resets has to go the same way.
    pairs = jax.tree.map(_Pair, carry, fresh)
    carry, ys, carries = cell.over_time(run, params, pairs, xs)
    return carry, (ys, carries) if return_carries else ys


def _as_dtype(dtype: Any, params: Any) -> Any:
    def cast(a):
        return a.astype(dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a

    return jax.tree.map(cast, params)


class _Pair:
    """The initial and the reset value of one array of a carry, which travel together."""

    def __init__(self, initial: Any, fresh: Any):
        self.initial, self.fresh = initial, fresh


def _unpair(pairs: Any) -> tuple[Any, Any]:
    initial = jax.tree.map(lambda pair: pair.initial, pairs)
    return initial, jax.tree.map(lambda pair: pair.fresh, pairs)
