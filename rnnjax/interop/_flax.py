"""Weights from and to Flax's recurrent modules, those of Linen and those of NNX."""

from typing import Any

import jax
import numpy as np

from .._core import Cell
from ..cells import GRU, LSTM, Elman
from ..layers import RNN, Bidirectional, Layer
from ._gates import check_biases, from_cell, from_layer, to_layer
from ._layout import Layout, flat, nested, pack, read

Layouts = dict[type, Layout]


def _separate(order: str) -> Layout:
    """The kernels of cells with a dense map for every gate."""
    sides = (("i", "w_x"), ("h", "w_h"))
    return {f"{side}{gate}/kernel": (field, gate) for side, field in sides for gate in order}


def _joint(order: str) -> Layout:
    """The kernels of cells with one dense map for all gates."""
    return {"dense_i/kernel": ("w_x", order), "dense_h/kernel": ("w_h", order)}


LINEN: Layouts = {
    LSTM: _separate("ifgo") | {f"h{gate}/bias": ("b", gate) for gate in "ifgo"},
    GRU: _separate("rzn")
    | {f"i{gate}/bias": ("b_x", gate) for gate in "rzn"}
    | {"hn/bias": ("b_h", "n")},
    Elman: {"i/kernel": ("w_x", "h"), "h/kernel": ("w_h", "h"), "i/bias": ("b", "h")},
}
NNX: Layouts = {
    LSTM: {name.replace("if/", "if_/"): entry for name, entry in LINEN[LSTM].items()},
    GRU: _joint("rzn") | {"dense_i/bias": ("b_x", "rzn")},
    Elman: _joint("h") | {"dense_i/bias": ("b", "h")},
}
OPTIMIZED: Layouts = NNX | {LSTM: _joint("ifgo") | {"dense_h/bias": ("b", "ifgo")}}


def from_linen(params: Any, *, activation: str = "tanh") -> tuple[Cell | Layer, Any]:
    """The cell or layer that computes what a recurrent module of Linen does.

    Parameters correspond one to one. A carry of Flax's LSTM is `(c, h)`; ours is
    `LSTMCarry(h, c)`. Steps beyond the lengths give zeros here, not outputs.

    Args:
        params: the parameters of an `LSTMCell`, `OptimizedLSTMCell`, `GRUCell` or `SimpleCell`
            of `flax.linen`, of an `RNN` of one, or of a `Bidirectional` of two such; with or
            without `"params"` around them.
        activation: the name in `jax.nn` of the activation, which parameters do not tell.

    Returns:
        A cell for a cell, an `RNN` or a `Bidirectional` layer for what has "cell" or
        "forward_rnn" in its tree; and its parameters. A Linen `RNN` with `reverse`, and a
        `merge_fn`, are told by no parameter either: see `RNN` and `Bidirectional`.

    Raises:
        ValueError: if an array is missing, unknown or of a wrong shape.

    Examples:
        >>> dense = {"kernel": np.ones((4, 4)), "bias": np.ones(4)}
        >>> from_linen({"cell": {"i": dense, "h": {"kernel": np.ones((4, 4))}}})[0].cell
        Elman(4)
    """
    return _from_tree(params, [*LINEN.values()], activation)


def to_linen(model: Cell | Layer, params: Any) -> dict[str, Any]:
    """The parameters of the Linen module that computes what a cell or layer does.

    Activations, direction and merge are not among them: the Linen module must have been made
    with those of ours; one that runs in reverse, with `keep_order=True`.

    Args:
        model: an `LSTM`, a `GRU`, an `Elman`, or an `RNN` or `Bidirectional` layer of them.
        params: its parameters.

    Returns:
        What stands under "params" in the variables of the Linen module.

    Raises:
        ValueError: if Linen has no such module.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.GRU(4)
        >>> tree = to_linen(cell, cell.init(jax.random.key(0), 3))
        >>> tree["hn"]["bias"].shape  # nn.GRUCell(4).apply({"params": tree}, h, x)
        (4,)
    """
    return _to_tree(model, params, LINEN)


def from_nnx(source: Any, *, activation: str = "tanh") -> tuple[Cell | Layer, Any]:
    """The cell or layer that computes what a recurrent module of NNX does.

    Parameters correspond one to one, but for `b_hn`, which NNX's GRU lacks and which is zero
    here. A carry of Flax's LSTM is `(c, h)`; ours is `LSTMCarry(h, c)`. Steps beyond the
    lengths give zeros here, not outputs.

    Args:
        source: an `LSTMCell`, `OptimizedLSTMCell`, `GRUCell` or `SimpleCell` of `flax.nnx`, an
            `RNN` of one, or a `Bidirectional` of two such; or its `nnx.state(source, nnx.Param)`,
            or nested dicts of arrays with the names of that.
        activation: the name in `jax.nn` of the activation, where the state alone is given.

    Returns:
        A cell for a cell, an `RNN` layer for an `RNN`, a `Bidirectional` one for a
        `Bidirectional`; and its parameters. Arrays alone do not tell direction and merge.

    Raises:
        ValueError: if an array is missing, unknown or of a wrong shape, or if the module has
            functions of its own for gates, activation or merge.

    Examples:
        >>> dense = {"kernel": np.ones((4, 12)), "bias": np.ones(12)}
        >>> from_nnx({"dense_i": dense, "dense_h": {"kernel": np.ones((4, 12))}})[0]
        GRU(4)
    """
    if isinstance(source, dict):
        return _from_tree(source, [*NNX.values(), *OPTIMIZED.values()], activation)
    from flax import nnx

    match source:
        case nnx.State():
            return from_nnx(nnx.to_pure_dict(source), activation=activation)
        case nnx.RNN(reverse=False) | nnx.RNN(keep_order=True):
            return to_layer([_of_module(source.cell)], reverse=source.reverse)
        case nnx.RNN():
            raise ValueError(
                "expected an RNN with keep_order=True, got one that gives outputs in the order of "
                "processing; convert its cell, and run that in RNN(cell, reverse=True)"
            )
        case nnx.Bidirectional(forward_rnn=nnx.RNN(cell=first), backward_rnn=nnx.RNN(cell=last)):
            if source.merge_fn is not nnx.Bidirectional.merge_fn:
                raise ValueError(
                    f"expected a Bidirectional that concatenates, got {source.merge_fn}; convert "
                    "its nnx.state, and give the layer a merge"
                )
            return to_layer([_of_module(first), _of_module(last)])
        case _:
            return _of_module(source)


def to_nnx(model: Cell | Layer, params: Any, *, optimized: bool = False) -> dict[str, Any]:
    """The parameters of the NNX module that computes what a cell or layer does.

    Activations, direction and merge are not among them: the NNX module must have been made with
    those of ours; one that runs in reverse, with `keep_order=True`.

    Args:
        model: an `LSTM`, a `GRU` whose `b_hn` is zero, an `Elman`, or an `RNN` or
            `Bidirectional` layer of them.
        params: its parameters.
        optimized: whether an LSTM is for an `OptimizedLSTMCell`, whose arrays are others.

    Returns:
        Nested dicts of arrays, for `nnx.update(module, …)`.

    Raises:
        ValueError: if NNX has no such module.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.LSTM(4)
        >>> tree = to_nnx(cell, cell.init(jax.random.key(0), 3))
        >>> tree["if_"]["kernel"].shape  # nnx.update(module, tree)
        (3, 4)
    """
    return _to_tree(model, params, OPTIMIZED if optimized else NNX)


def _from_tree(tree: Any, layouts: list[Layout], activation: str) -> tuple[Cell | Layer, Any]:
    match tree:
        case {"params": inner} if len(tree) == 1:
            return _from_tree(inner, layouts, activation)
        case {"forward_rnn": {"cell": forward}, "backward_rnn": {"cell": backward}}:
            cells = [forward, backward]
        case {"cell": cell} if len(tree) == 1:
            cells = [cell]
        case _:
            return read(flat(tree), layouts, activation=activation)
    return to_layer([read(flat(cell), layouts, activation=activation) for cell in cells])


def _to_tree(model: Cell | Layer, params: Any, layouts: Layouts) -> dict[str, Any]:
    match model:
        case RNN():
            return {"cell": _to_tree(model.cell, params, layouts)}
        case Bidirectional():
            trees = [{"cell": _to_tree(*part, layouts)} for part in from_layer(model, params)]
            return dict(zip(("forward_rnn", "backward_rnn"), trees, strict=True))
        case LSTM() | GRU() | Elman():
            check_biases(model, "Flax")
            layout = layouts[type(model)]
        case _:
            raise ValueError(
                "expected an LSTM, a GRU, an Elman, or an RNN or Bidirectional layer of them, as "
                f"Flax has, got {model!r}"
            )
    if layouts is not LINEN and isinstance(model, GRU) and np.any(params.b_hn):
        raise ValueError(
            f"expected a GRU whose b_hn is zero, got {params.b_hn}; NNX's GRU has no such bias"
        )
    return nested(pack(from_cell(model, params), layout))


def _of_module(cell: Any) -> tuple[Cell, Any]:
    """One cell of an NNX module."""
    from flax import nnx

    if type(cell) not in (nnx.LSTMCell, nnx.OptimizedLSTMCell, nnx.GRUCell, nnx.SimpleCell):
        raise ValueError(
            "expected an LSTMCell, OptimizedLSTMCell, GRUCell or SimpleCell of NNX, an RNN of one, "
            f"a Bidirectional of two, or their nnx.state, got {type(cell).__name__}"
        )
    if getattr(cell, "residual", False):
        raise ValueError("expected residual=False, got True; there is no such Elman cell here")
    names: Any = {
        "activation": _name("activation_fn", cell.activation_fn),
        "gate_activation": _name("gate_fn", getattr(cell, "gate_fn", jax.nn.sigmoid)),
    }
    arrays = flat(nnx.to_pure_dict(nnx.state(cell, nnx.Param)))
    return read(arrays, [*NNX.values(), *OPTIMIZED.values()], **names)


def _name(what: str, function: Any) -> str:
    """The name of an activation in `jax.nn`."""
    name = getattr(function, "__name__", "")
    if getattr(jax.nn, name, None) is not function:
        raise ValueError(f"expected {what} to be of jax.nn, got {function}")
    return name
