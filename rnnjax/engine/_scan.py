"""The public functions of the engine: `scan`, and `restart` for loops by hand."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Int, Key, PyTree

from .._arguments import (
    as_inputs,
    cast_params,
    check_context,
    check_free_run,
    check_params,
    check_real,
    fit_carry,
    free_batch,
    initial_carry,
    steps_and_batch,
)
from .._checks import (
    check_array,
    check_arrays,
    check_flag,
    check_instance,
    check_key,
    check_positive,
)
from .._core import Cell, advance, inputs
from .._masks import (
    as_signals,
    borrow,
    check_signals,
    clean,
    first_valid,
    stop_where_nothing_counts,
)
from .._shapes import check_carry, extra_axes
from .._sharding import check_meshes, match_varying_axes
from .._trees import where, zeros_like
from .._wrapper import check_cell
from ._entry import Start, enter, make_masks
from ._method import Method, Recurrence
from ._methods import choose
from ._time import precisely


def scan(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree = None,
    *,
    context: PyTree = None,
    key: Key[Array, ""] | None = None,
    lengths: Int[ArrayLike, "*batch"] | None = None,
    mask: Bool[ArrayLike, "time *batch"] | None = None,
    resets: Bool[ArrayLike, "time *batch"] | None = None,
    reverse: bool = False,
    length: int | None = None,
    method: Method | None = None,
) -> tuple[PyTree, PyTree]:
    """Runs a cell over a batch of sequences, as `jax.lax.scan` runs a function.

    Works eagerly and under `jit`, `vmap`, `shard_map`, `grad` and `grad` of `grad`; forward mode:
    see `Loop`. Calls with equal cells, options and shapes share one compilation.

    Args:
        cell: the cell.
        params: its parameters, from `cell.init`.
        xs: inputs `[T, *batch, features]`, time first, any number of batch axes or none; or
            a pytree of such arrays. T may be 0. `None` runs freely for `length` steps.
        carry: the carry to start from; by default `cell.init_carry(params, batch)`.
        context: the memory of a cell with `takes_context`, the same at every step.
        key: the source of noise; without a key there is none (evaluation).
        lengths: number of valid steps of each sequence, `[*batch]`; the rest is padding.
        mask: true where a step counts, `[T, *batch]`; it may have gaps. Any other step leaves the
            carry as it was and gives a zero output, and its input, even NaN, affects no result and
            no gradient.
        resets: true where the carry starts afresh *before* `xs[t]` is consumed, `[T, *batch]`.
        reverse: runs from the last valid step to the first; outputs stay in input order.
        length: number of steps T of a free run.
        method: how to compute; `None` is the best known way, which `explain` shows. Results do
            not depend on it.

    Returns:
        The final carry, and the outputs `[T, *batch, features]`. `Record(cell)` gives the carries
        beside them.

    Raises:
        ValueError: if shapes, dtypes, parameters, carry or context do not fit together. Lengths
            beyond T can be seen only outside `jit`; inside, they count as T.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.LSTM(8)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> carry, ys = rnnjax.scan(cell, params, jnp.ones((5, 2, 3)), lengths=jnp.array([5, 2]))
        >>> ys.shape, carry.h.shape
        ((5, 2, 8), (2, 8))
    """
    check_cell(cell)
    params, carry = check_arrays("params", params), check_arrays("carry", carry)
    xs, context = as_inputs(xs), check_arrays("context", context)
    lengths, mask, resets = as_signals(lengths, mask, resets)
    if key is not None:
        check_key("key", key)
    if method is not None:
        check_instance("method", method, Method, "engine.Loop()")
    if (xs is None) != (length is not None):
        raise ValueError(f"expected either xs, or xs=None and a length, got length={length!r}")
    if length is not None and length != 0:
        length = check_positive("length", length)
    check_context(cell, context)
    check_meshes(params, xs, carry, context)
    if xs is not None:
        # Here, too, since under jit the values of lengths are not seen.
        check_signals(*steps_and_batch(cell, xs), lengths, mask, resets)
    try:
        return _scan(
            cell,
            method,
            params,
            xs,
            carry,
            context,
            key,
            (lengths, mask, resets),
            reverse=check_flag("reverse", reverse),
            length=length,
        )
    except TypeError as error:
        if "forward-mode" in str(error):
            error.add_note("rnnjax: pass method=Loop(forward_mode=True), see its docstring")
        raise


@partial(jax.jit, static_argnames=("reverse", "length"))
def _scan(cell, method, *args, reverse, length):
    dtype, precision = (None, None) if method is None else (method.dtype, method.precision)
    with precisely(precision):
        return compute(cell, partial(choose, method), dtype, reverse, length, *args)


def compute(cell, choose, dtype, reverse, length, params, xs, carry, context, key, signals):
    """`scan`, given how to choose a method for each recurrence in the cell."""
    if xs is not None:
        check_params(cell, params, xs)
        check_real(params, xs)
        length, batch = steps_and_batch(cell, xs)
    params = cast_params(params, dtype)
    keys = (None, None) if key is None else jax.random.split(key)
    if xs is None:
        alone = jax.eval_shape(lambda: cell.prepare(params, context=context))
        batch = free_batch(cell, alone, carry, *signals)
        check_signals(length, batch, *signals)
    weights = cell.prepare(params, context=context, key=keys[0], batch_shape=batch)
    noise = None if keys[1] is None else cell.noise(weights, keys[1], (length, *batch))
    carry = fit_carry(cell, weights, carry, batch)
    if xs is None:
        check_free_run(cell, weights, carry)

    # Where there is no step there is nothing to mask, nor a valid step to look for.
    masks = make_masks(length, *(None, None, None) if length == 0 else signals)
    given = weights, xs, () if noise is None else (noise,), carry, masks
    weights, xs, noise, carry, masks = match_varying_axes(given, given)
    xs = clean(masks.valid, xs, reverse)
    weights = stop_where_nothing_counts(masks.valid, weights)

    def run(cell, weights, carry, xs, *noise):
        recurrence = _recurrence(cell, weights, carry, xs, noise, masks, reverse)
        return choose(cell, recurrence, length).method.run(cell, recurrence, length, reverse)

    carry, ys = cell.unroll(run, weights, carry, xs, *noise)
    return carry, ys if masks.valid is None else where(masks.valid, ys, zeros_like(ys))


def _recurrence(cell, weights, carry, xs, noise, masks, reverse) -> Recurrence:
    """The arrays of one recurrence, with the pair of carry and input for its masked steps."""
    batch = extra_axes(carry, jax.eval_shape(cell.init_carry, weights))
    start = Start(match_varying_axes(initial_carry(cell, weights, batch), carry))
    if masks.valid is not None:
        x, noise_then, now = first_valid(masks.valid, (xs, noise, masks), reverse)
        held, _ = enter(now._replace(valid=None), start, carry)
        safe = borrow(masks.valid.any(0), held)
        after = advance(cell, weights, safe, inputs(cell, weights, x, *noise_then))
        start = Start(start.fresh, safe, jax.lax.stop_gradient(after))
    return Recurrence(weights, xs, noise, carry, start, masks)


def restart(cell: Cell, weights: PyTree, carry: PyTree, done: Bool[ArrayLike, "*batch"]) -> PyTree:
    """The carry, afresh where `done`, for loops that call `cell.step` by hand.

    Args:
        cell: the cell.
        weights: the weights of `cell.step`: `cell.prepare(params)`, or the parameters of a cell
            that prepares nothing.
        carry: the carry, with batch axes `[*batch, …]`.
        done: true for a row that starts afresh with the next step, `[*batch]`.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.GRU(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> restart(cell, params, jnp.ones((2, 4)), jnp.array([True, False]))[:, 0]
        Array([0., 1.], dtype=float32)
    """
    check_cell(cell)
    done, carry = check_array("done", done), check_arrays("carry", carry)
    weights = check_arrays("weights", weights)
    if done.dtype != jnp.bool_:
        raise ValueError(f"expected done to be bool, got {done.dtype}{list(done.shape)}")
    check_carry("a carry", cell, weights, carry, done.shape)
    return where(done, initial_carry(cell, weights, done.shape), carry)
