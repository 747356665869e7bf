"""A recurrent part of a model, for diagnostics that follow a cell."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
from jax.typing import ArrayLike
from jaxtyping import Int, PyTree

from .._core import Cell
from ..layers import RNN, Layer, Pool, Sequential
from ..layers._layer import check_layer


class Part(NamedTuple):
    """A cell inside a model, as the first arguments of a diagnostic."""

    cell: Cell  # the cell of an `RNN`
    params: PyTree  # the cell's parameters
    xs: PyTree  # the cell's inputs, `[T, B, …features]`


def recurrent_part(
    model: Layer,
    params: PyTree,
    xs: PyTree,
    name: str | int | None = None,
    *,
    lengths: Int[ArrayLike, "b"] | None = None,
) -> tuple[Part, Callable[[PyTree], PyTree]]:
    """Cut a model at one of its cells.

    The layers before the cell give its inputs. The layers after it are returned as a function from
    the cell's outputs to the model's, through which a loss of the model reaches the cell. Every
    diagnostic over time takes the part: `gate_histograms(*part)`.

    Args:
        model: an `RNN`, or a `Sequential` with one inside.
        params: its parameters.
        xs: the model's inputs `[B, T, …features]`.
        name: the part, by the place or name of its `RNN` in the model, "encoder.rnn" in a nested
            one; unnecessary if there is only one.
        lengths: number of valid steps of each sequence; the diagnostic takes them, too.

    Returns:
        The part, and the function from outputs `[T, B, …]` of its cell to outputs of the model.

    Raises:
        ValueError: if there is no such part, or if it runs backwards.

    Examples:
        >>> import jax.numpy as jnp, rnnjax
        >>> from rnnjax.diagnostics import gradient_flow
        >>> model = Sequential((rnnjax.layers.Embedding(5, 4), RNN(rnnjax.GRU(8))))
        >>> params, xs = model.init(jax.random.key(0)), jnp.ones((2, 10), int)
        >>> part, rest = recurrent_part(model, params, xs)
        >>> gradient_flow(*part, lambda ys: rest(ys)[:, -1].sum())["all"].shape
        (10, 2)
    """
    check_layer("model", model)
    layers = [*_flat(model, params)]
    at, layer = _find(model, layers, name)
    own = layers[at][2]
    xs = _apply(layers[:at], xs, lengths)

    # A cell has outputs at all steps; an RNN without return_sequences keeps the last.
    last = [] if layer.return_sequences else [("", Pool("last"), ())]

    def rest(ys):
        return _apply([*last, *layers[at + 1 :]], _swap(ys), lengths)

    return Part(layer.cell, own, _swap(xs)), rest


def _flat(layer: Layer, params: Any, name: str = "") -> Iterator[tuple[str, Layer, Any]]:
    """The layers of a model and of the models in it, each with its name and parameters."""
    if not isinstance(layer, Sequential):
        yield name, layer, params
        return
    for key, part, own in layer.parts(params):
        yield from _flat(part, own, f"{name}.{key}" if name else key)


def _find(model: Layer, layers: list, name: str | int | None) -> tuple[int, RNN]:
    found = {key: (at, a) for at, (key, a, _) in enumerate(layers) if isinstance(a, RNN)}
    if name is None and len(found) == 1:
        (name,) = found
    if str(name) not in found:
        raise ValueError(
            f"expected the name of an RNN in {model}, which has {' and '.join(found) or 'none'}, "
            f"got {name!r}"
        )
    at, layer = found[str(name)]
    if layer.reverse:
        raise ValueError(f"expected an RNN that runs forwards, got {layer}")
    return at, layer


def _apply(layers: list, xs: Any, lengths: Any) -> Any:
    """The outputs of layers one after the other."""
    if not layers:
        return xs
    _, parts, params = zip(*layers, strict=True)
    return Sequential(parts).apply(params, xs, lengths=lengths)[1]


def _swap(tree: Any) -> Any:
    """Batch-major to time-major, and back."""
    return jax.tree.map(lambda a: a.swapaxes(0, 1), tree)
