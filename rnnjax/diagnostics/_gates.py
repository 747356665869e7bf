"""Gates: how far open they are, and which are stuck at an end."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from .._core import Cell
from ._axes import axes
from ._trajectory import over, trajectory

NAMES = {"logistic": "sigmoid", "tanh": "tanh"}  # by the name of JAX's primitive
RANGES = {"sigmoid": (0, 1), "tanh": (-1, 1)}


class GateHistogram(NamedTuple):
    """How the values of one gate are spread over its range.

    Attributes:
        edges: of the bins, `[bins + 1]`: from 0 to 1 for a sigmoid, from -1 to 1 for a tanh.
        share: of each unit's values, the part that falls into each bin, `[bins, units]`.

    Example:
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
    """Histograms of the values of every sigmoid and tanh in a cell's step.

    A gate that stays near an end of its range has lost its gradient; one that never closes
    or opens is not used. The functions are found in the step itself, as JAX traces it, so
    this works for any cell: they are numbered in the order in which the step computes them,

        Elman  tanh 1 = h'
        LSTM   sigmoid 1 = f, sigmoid 2 = i, tanh 1 = g, sigmoid 3 = o, tanh 2 = tanh(c')
        GRU    sigmoid 1 = r and then z, tanh 1 = n
               (with `reset_after=False` sigmoid 1 = r, sigmoid 2 = r and then z)

    Not seen are functions inside `jax.checkpoint` or a rule of one's own for derivatives.

    Args:
        cell: the cell.
        params: its parameters.
        xs: inputs `[T, *batch, features]`, or a pytree of such arrays.
        carry: the carry to start from; by default the initial one.
        lengths: number of valid steps of each sequence; what lies beyond is not counted.
        bins: number of bins.

    Example:
        >>> import rnnjax
        >>> cell = rnnjax.LSTM(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> histograms = gate_histograms(cell, params, jnp.ones((10, 2, 3)))
        >>> sorted(histograms), histograms["sigmoid 1"].share.shape
        (['sigmoid 1', 'sigmoid 2', 'sigmoid 3', 'tanh 1', 'tanh 2'], (20, 4))

    Reference:
        A. Karpathy, J. Johnson, L. Fei-Fei, Visualizing and understanding recurrent
        networks, 2015.
    """
    carries, xs, valid = trajectory(cell, params, xs, carry, lengths)

    def values(carry, x):
        return {name: gate.ravel() for name, gate in _gates(cell.step, params, carry, x).items()}

    def histogram(name, values):
        edges = jnp.asarray(np.linspace(*RANGES[name.split()[0]], bins + 1))
        count = jax.vmap(lambda v: jnp.histogram(v, edges, weights=valid.ravel())[0], -1, -1)
        counts = count(values.reshape(valid.size, -1))
        return GateHistogram(edges, counts / jnp.maximum(valid.sum(), 1))

    gates = over(valid.ndim, values)(carries, xs)
    return {name: histogram(name, values) for name, values in gates.items()}


def _gates(function: Callable, *args: Any) -> dict[str, Array]:
    """The results of every sigmoid and tanh that `function` computes, numbered in order."""
    with jax.disable_jit():  # or they would be hidden in functions such as `jax.nn.sigmoid`
        closed = jax.make_jaxpr(function)(*args)
    found, seen = {}, Counter()
    for equation in closed.jaxpr.eqns:
        if name := NAMES.get(equation.primitive.name):
            seen[name] += 1
            found[f"{name} {seen[name]}"] = equation.outvars[0]
    gates = closed.replace(jaxpr=closed.jaxpr.replace(outvars=list(found.values())))
    return dict(zip(found, jaxpr_as_fun(gates)(*jax.tree.leaves(args)), strict=True))


def plot_gate_histograms(histograms: Mapping[str, GateHistogram], *, ax: Any = None):
    """Draws the histogram of every gate, over all its units.

    Args:
        histograms: those from `gate_histograms`. A sigmoid's values, from 0 to 1, and a
            tanh's, from -1 to 1, share the axis.
        ax: the matplotlib axes to draw on; by default those of a new figure.

    Returns:
        The axes; `ax.figure` is the picture.

    Example:
        >>> closed = GateHistogram(jnp.linspace(0, 1, 3), jnp.array([[1.0], [0.0]]))
        >>> plot_gate_histograms({"sigmoid 1": closed}).get_xlabel()
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
