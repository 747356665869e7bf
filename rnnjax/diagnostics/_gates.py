"""Gates: how far they are open, and which are stuck at an end."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, Literal, jaxpr_as_fun
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from .._checks import check_positive
from .._core import Cell
from ._axes import axes
from ._trajectory import over, trajectory


class GateHistogram(NamedTuple):
    """The distribution of the values of one gate over its range.

    Attributes:
        edges: the edges of the bins, `[bins + 1]`.
        share: the share of each unit's values in each bin, `[bins, units]`.

    Examples:
        >>> histogram = GateHistogram(jnp.linspace(0, 1, 11), jnp.full((10, 4), 0.1))
        >>> histogram.share[0].mean().round(3)  # how often a value is below 0.1
        Array(0.1, dtype=float32)
    """

    edges: Float[Array, "bins+1"]
    share: Float[Array, "bins units"]


def gate_histograms(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree = None,
    *,
    lengths: Int[ArrayLike, "*batch"] | None = None,
    bins: int = 20,
) -> dict[str, GateHistogram]:
    """Compute histograms of the values that a cell names in its equations.

    A gate that remains near an end of its range has lost its gradient; a gate that never closes or
    opens is not used. A cell, a user's own too, names a value by
    `jax.ad_checkpoint.checkpoint_name(f, "forget gate")`. Different values of one name are numbered
    in the order of the step, "transform gate 1", "transform gate 2", … Names inside functions that
    a step calls under `jax.jit`, `jax.checkpoint` or JAX's control flow are not found.

    The range of a name that ends in "gate" is 0 to 1. The range of any other is -1 to 1, or from
    the least to the largest value where some lie outside.

    Args:
        cell: the cell.
        params: its parameters.
        xs: inputs `[T, *batch, features]`, or a pytree of such arrays.
        carry: the carry to start from; by default the initial one.
        lengths: number of valid steps of each sequence; steps beyond are not counted.
        bins: number of bins.

    Returns:
        The histograms by name; no entry for a cell without names.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.LSTM(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> histograms = gate_histograms(cell, params, jnp.ones((10, 2, 3)))
        >>> list(histograms), histograms["forget gate"].share.shape
        (['input gate', 'forget gate', 'candidate', 'output gate'], (20, 4))

    Reference:
        A. Karpathy, J. Johnson, L. Fei-Fei, Visualizing and understanding recurrent
        networks, 2015.
    """
    bins = check_positive("bins", bins)
    weights, _, carries, xs, valid = trajectory(cell, params, xs, carry, lengths)

    def single(a):
        return jax.ShapeDtypeStruct(a.shape[valid.ndim :], a.dtype)

    trace = jax.make_jaxpr(cell.step)(weights, *jax.tree.map(single, (carries, xs)))
    named = _named(trace.jaxpr)
    gates = trace.jaxpr.replace(outvars=[*named.values()])
    compute = jaxpr_as_fun(trace.replace(jaxpr=gates))

    def values(carry, x):
        return [a.ravel() for a in compute(*jax.tree.leaves((weights, carry, x)))]

    def histogram(name, values):
        values = values.reshape(valid.size, -1)
        low, high = _range(name, values, valid.reshape(-1, 1))
        edges = jnp.linspace(low, high, bins + 1)
        count = jax.vmap(lambda v: jnp.histogram(v, edges, weights=valid.ravel())[0], -1, -1)
        return GateHistogram(edges, count(values) / jnp.maximum(valid.sum(), 1))

    found = over(valid.ndim, values)(carries, xs)
    return {name: histogram(name, gate) for name, gate in zip(named, found, strict=True)}


def _range(name: str, values: Array, valid: Array) -> tuple[Any, Any]:
    if name.rstrip(" 0123456789").endswith("gate"):
        return 0.0, 1.0
    low = jnp.min(values, where=valid, initial=jnp.inf)
    high = jnp.max(values, where=valid, initial=-jnp.inf)
    inside = (low >= -1) & (high <= 1)
    return jnp.where(inside, -1.0, low), jnp.where(inside, 1.0, high)


def _named(jaxpr: Jaxpr) -> dict[str, Any]:
    """The variables that a trace names, in its order."""
    named, made, first = {}, {}, {}
    for equation in jaxpr.eqns:
        # Two stages may compute the same gate; equal equations give equal values.
        inputs = [str(a) if isinstance(a, Literal) else first.get(a, a) for a in equation.invars]
        key = equation.primitive, str(equation.params), *inputs
        outputs = made.setdefault(key, equation.outvars)
        first.update(zip(equation.outvars, outputs, strict=True))
        if equation.primitive.name == "name" and outputs is equation.outvars:
            named.setdefault(equation.params["name"], []).extend(outputs)
    return {
        f"{name} {number}" if len(variables) > 1 else name: variable
        for name, variables in named.items()
        for number, variable in enumerate(variables, 1)
    }


def plot_gate_histograms(histograms: Mapping[str, GateHistogram], *, ax: Any = None) -> Any:
    """Draw the histogram of every gate, over all its units.

    Args:
        histograms: the result of `gate_histograms`; all share one axis.
        ax: the matplotlib axes to draw on; by default a new figure's.

    Returns:
        The axes; `ax.figure` is the picture.

    Examples:
        >>> closed = GateHistogram(jnp.linspace(0, 1, 3), jnp.array([[1.0], [0.0]]))
        >>> plot_gate_histograms({"forget gate": closed}).get_xlabel()
        'value of the gate'
    """
    ax = axes(ax)
    for name, (edges, share) in histograms.items():
        ax.stairs(np.asarray(share).mean(axis=1), np.asarray(edges), label=name, lw=1.5)
    if histograms:
        ax.legend()
    ax.set(
        title="How far open the gates are",
        xlabel="value of the gate",
        ylabel="share of units and steps in the bin",
    )
    return ax
