"""Linear regression in closed form, and the readout of a reservoir by it."""

from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, PyTree

from .._checks import brief, check_array, check_instance, check_number, check_positive
from .._masks import as_signals, valid_steps
from ..cells import EchoState, EchoStateParams, Record
from ..engine import scan


def ridge_regression(
    x: Float[ArrayLike, "*lead i"],
    y: Float[ArrayLike, "*lead o"],
    *,
    ridge: float = 0.0,
    mask: Bool[ArrayLike, "*lead"] | None = None,
) -> tuple[Float[Array, "i o"], Float[Array, "o"]]:
    """The weights w and the bias b of the least `sum (y - x w - b)² + ridge sum w²`.

    It works on x itself, not on its covariances, so that it keeps the precision of the dtype. Where
    several solutions are equally good, it takes the smallest.

    Args:
        x: features, `[*lead, I]`, one example at each place.
        y: targets, `[*lead, O]`.
        ridge: weight of the penalty, at least 0; the bias has none.
        mask: true where a place counts, `[*lead]`; by default everywhere.

    Raises:
        ValueError: if the shapes do not fit together, or the ridge is negative.

    Examples:
        >>> x = jnp.array([[0.0], [1.0], [2.0]])
        >>> w, b = ridge_regression(x, 3 * x + 1)
        >>> print(f"{w[0, 0]:.3f} {b[0]:.3f}")
        3.000 1.000

    Reference:
        A. E. Hoerl, R. W. Kennard, Ridge regression, Technometrics 12, 1970.
    """
    x, y, ridge = _real("x", x), _real("y", y), _check_ridge(ridge)
    mask = jnp.ones(x.shape[:-1], bool) if mask is None else check_array("mask", mask)
    if x.ndim < 2 or y.ndim != x.ndim or x.shape[:-1] != y.shape[:-1] or mask.dtype != bool:
        raise ValueError(
            f"expected x [*lead, I], y [*lead, O] and a bool mask, got {brief(x)}, {brief(y)} and "
            f"{brief(mask)}"
        )
    if mask.shape != x.shape[:-1]:
        raise ValueError(f"expected a mask {list(x.shape[:-1])} for {brief(x)}, got {brief(mask)}")
    return _solved(x, y, mask, sqrt(ridge))


@jax.jit
def _solved(x: Array, y: Array, mask: Array, root: Any) -> tuple[Array, Array]:
    size, dtype = x.shape[-1], jnp.promote_types(x.dtype, y.dtype)
    counts = mask.reshape(-1, 1)
    rows = [jnp.where(counts, a.reshape(-1, a.shape[-1]), 0).astype(dtype) for a in (x, y)]
    table = jnp.concatenate([rows[0], counts.astype(dtype), rows[1]], axis=1)
    # The penalty is an example more for each weight: `sqrt(ridge) w = 0`.
    penalty = jnp.eye(size, table.shape[1], dtype=dtype) * root
    # Orthogonal combinations of the examples have the same solution, and there are few of them.
    table = jnp.linalg.qr(jnp.concatenate([table, penalty]), mode="r")
    solution = jnp.linalg.lstsq(table[:, : size + 1], table[:, size + 1 :])[0]
    return solution[:-1], solution[-1]


def fit_readout(
    cell: EchoState,
    params: EchoStateParams,
    xs: Float[ArrayLike, "time *batch i"],
    targets: Float[ArrayLike, "time *batch o"],
    carry: PyTree = None,
    *,
    ridge: float = 1e-6,
    washout: int = 0,
    lengths: Int[ArrayLike, "*batch"] | None = None,
    mask: Bool[ArrayLike, "time *batch"] | None = None,
) -> EchoStateParams:
    """Solves the readout of an echo state network by `ridge_regression` on its states.

    With next inputs as targets, the network can then run freely on its own outputs.

    Args:
        cell: the echo state network.
        params: its parameters, of which `w_o` and `b_o` are replaced.
        xs: inputs, time first, as for `scan`.
        targets: the outputs to learn, `[T, *batch, O]`.
        carry: the carry to start from; by default zeros.
        ridge: weight of the penalty on `w_o`, at least 0.
        washout: number of first valid steps of each sequence that do not count, since the states
            still depend on the carry at the start.
        lengths: number of valid steps of each sequence, as for `scan`.
        mask: true where a step counts, as for `scan`.

    Raises:
        ValueError: if the shapes do not fit together, or no step is left behind the washout.

    Examples:
        >>> import jax, rnnjax
        >>> cell = rnnjax.cells.EchoState(50, 1)
        >>> params = cell.init(jax.random.key(0), 1)
        >>> wave = jnp.sin(jnp.arange(300) / 5)[:, None]
        >>> params = fit_readout(cell, params, wave[:-1], wave[1:], washout=50)
        >>> bool(abs(rnnjax.scan(cell, params, wave[:-1])[1][-1] - wave[-1]) < 0.01)
        True

    Reference:
        H. Jaeger, The "echo state" approach to analysing and training recurrent neural networks,
        GMD report 148, 2001.
    """
    check_instance("cell", cell, EchoState, "EchoState(100, 1)")
    ridge, washout = _check_ridge(ridge), check_positive("washout", washout, least=0)
    xs, targets = _real("xs", xs), _real("targets", targets)
    expected = (*xs.shape[:-1], cell.output_size)
    if targets.shape != expected:
        raise ValueError(
            f"expected targets {list(expected)} for {brief(xs)}, got {brief(targets)}; {_NEXT}"
        )
    if washout >= len(xs):
        raise ValueError(f"expected a washout below the {len(xs)} steps, got {washout}")
    signals = as_signals(lengths, mask, None)[:2]
    _, (_, states) = scan(Record(cell), params, xs, carry, lengths=lengths, mask=mask)
    valid = valid_steps(len(xs), *signals)
    valid = jnp.ones(xs.shape[:-1], bool) if valid is None else valid
    counts = valid & (jnp.cumsum(valid, axis=0) > washout)
    w, b = ridge_regression(states, targets, ridge=ridge, mask=counts)
    return params._replace(w_o=w.astype(params.w_o.dtype), b_o=b.astype(params.b_o.dtype))


_NEXT = "to predict the next input, give xs[:-1] and xs[1:]"


def _real(name: str, value: Any) -> Array:
    """An array of real numbers, in at least float32."""
    value = check_array(name, value)
    if jnp.iscomplexobj(value):
        raise ValueError(f"expected {name} to be real, got {brief(value)}")
    return value.astype(jnp.promote_types(value.dtype, jnp.float32))


def _check_ridge(ridge: Any) -> float:
    if (found := check_number("ridge", ridge)) < 0:
        raise ValueError(f"expected ridge to be at least 0, got {ridge!r}")
    return found
