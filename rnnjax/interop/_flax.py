"""Weights from and to the recurrent modules of Flax, in Linen and in NNX."""

from typing import Any

import jax
import numpy as np

from .._checks import check_flag
from .._core import Cell
from ..cells import GRU, LSTM, Elman
from ..layers import RNN, Bidirectional, Layer
from ._layers import from_layer, to_layer
from ._layout import Layout
from ._peer import Form, Peer
from ._tree import flat, nested


def _separate(gates: str) -> Layout:
    """The kernels of a cell with a dense map for every gate."""
    sides = (("i", "w_x"), ("h", "w_h"))
    return {f"{side}{g}/kernel": f"{field} {g}" for side, field in sides for g in gates}


def _joint(gates: str, **biases: str) -> Layout:
    """The arrays of a cell with one dense map for all gates."""
    kernels = {"dense_i/kernel": f"w_x {gates}", "dense_h/kernel": f"w_h {gates}"}
    return kernels | {f"{name}/bias": f"{field} {gates}" for name, field in biases.items()}


def _flax(layouts: dict[type[Cell], Layout]) -> Peer:
    forms = (Form(cell, layout, None, None) for cell, layout in layouts.items())
    return Peer("Flax", tuple(forms), biased=True)


_LSTM = _separate("ifgo") | {f"h{gate}/bias": f"b {gate}" for gate in "ifgo"}
_GRU = _separate("rzn") | {f"i{gate}/bias": f"b_x {gate}" for gate in "rzn"} | {"hn/bias": "b_h n"}
_ELMAN = {"i/kernel": "w_x h", "h/kernel": "w_h h", "i/bias": "b h"}
LINEN = _flax({LSTM: _LSTM, GRU: _GRU, Elman: _ELMAN})
_NNX: dict[type[Cell], Layout] = {
    LSTM: {name.replace("if/", "if_/"): blocks for name, blocks in _LSTM.items()},
    GRU: _joint("rzn", dense_i="b_x"),
    Elman: _joint("h", dense_i="b"),
}
NNX = _flax(_NNX)
OPTIMIZED = _flax(_NNX | {LSTM: _joint("ifgo", dense_h="b")})
ANY_NNX = NNX._replace(forms=NNX.forms + OPTIMIZED.forms)


def from_linen(params: Any, *, activation: str = "tanh") -> tuple[Cell | Layer, Any]:
    """Convert a recurrent module of Linen to the cell or layer with the same function.

    Parameters correspond one to one. A carry of Flax's LSTM is `(c, h)`; ours is
    `LSTMCarry(h, c)`. Steps beyond the lengths give zeros here, not outputs.

    Args:
        params: the parameters of an `LSTMCell`, `OptimizedLSTMCell`, `GRUCell` or `SimpleCell`
            of `flax.linen`, of an `RNN` of one, or of a `Bidirectional` of two such; with or
            without `"params"` around them.
        activation: the name in `jax.nn` of the activation, which parameters do not show.

    Returns:
        A cell for a cell, an `RNN` or a `Bidirectional` layer for a tree with "cell" or
        "forward_rnn"; and its parameters. These do not show `reverse` of a Linen `RNN` and a
        `merge_fn` either: see `RNN` and `Bidirectional`.

    Raises:
        ValueError: if an array is missing, unknown, of a wrong shape, or not of real numbers.

    Examples:
        >>> dense = {"kernel": np.ones((4, 4)), "bias": np.ones(4)}
        >>> from_linen({"cell": {"i": dense, "h": {"kernel": np.ones((4, 4))}}})[0].cell
        Elman(4)
    """
    return _from_tree(params, LINEN, activation)


def to_linen(model: Cell | Layer, params: Any) -> dict[str, Any]:
    """Convert a cell or layer to the parameters of the Linen module with the same function.

    They do not include activations, direction and merge. The Linen module must have the same; one
    that runs in reverse needs `keep_order=True`.

    Args:
        model: an `LSTM`, a `GRU`, an `Elman`, or an `RNN` or `Bidirectional` layer of them.
        params: its parameters.

    Returns:
        The entry "params" of the variables of the Linen module.

    Raises:
        ValueError: if Linen has no such module, or the parameters are not the model's.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.GRU(4)
        >>> tree = to_linen(cell, cell.init(jax.random.key(0), 3))
        >>> tree["hn"]["bias"].shape  # nn.GRUCell(4).apply({"params": tree}, h, x)
        (4,)
    """
    return _to_tree(model, params, LINEN)


def from_nnx(source: Any, *, activation: str = "tanh") -> tuple[Cell | Layer, Any]:
    """Convert a recurrent module of NNX to the cell or layer with the same function.

    Parameters correspond one to one, except `b_hn`, which NNX's GRU lacks and which is zero
    here. A carry of Flax's LSTM is `(c, h)`; ours is `LSTMCarry(h, c)`. Steps beyond the
    lengths give zeros here, not outputs.

    Args:
        source: an `LSTMCell`, `OptimizedLSTMCell`, `GRUCell` or `SimpleCell` of `flax.nnx`, an
            `RNN` of one, or a `Bidirectional` of two such; or its `nnx.state(source, nnx.Param)`,
            or nested dicts of arrays with the same names.
        activation: the name in `jax.nn` of the activation, where the state alone is given.

    Returns:
        A cell for a cell, an `RNN` layer for an `RNN`, a `Bidirectional` one for a
        `Bidirectional`; and its parameters. Arrays alone do not show direction and merge.

    Raises:
        ValueError: if an array is missing, unknown, of a wrong shape, or not of real numbers; or
            if the module has functions of its own for gates, activation or merge.

    Examples:
        >>> dense = {"kernel": np.ones((4, 12)), "bias": np.ones(12)}
        >>> from_nnx({"dense_i": dense, "dense_h": {"kernel": np.ones((4, 12))}})[0]
        GRU(4)
    """
    if isinstance(source, dict):
        return _from_tree(source, ANY_NNX, activation)
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
    """Convert a cell or layer to the parameters of the NNX module with the same function.

    They do not include activations, direction and merge. The NNX module must have the same; one
    that runs in reverse needs `keep_order=True`.

    Args:
        model: an `LSTM`, a `GRU` whose `b_hn` is zero, an `Elman`, or an `RNN` or
            `Bidirectional` layer of them.
        params: its parameters.
        optimized: whether an LSTM is for an `OptimizedLSTMCell`, which has other arrays.

    Returns:
        Nested dicts of arrays, for `nnx.update(module, …)`.

    Raises:
        ValueError: if NNX has no such module, or the parameters are not the model's.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.LSTM(4)
        >>> tree = to_nnx(cell, cell.init(jax.random.key(0), 3))
        >>> tree["if_"]["kernel"].shape  # nnx.update(module, tree)
        (3, 4)
    """
    return _to_tree(model, params, OPTIMIZED if check_flag("optimized", optimized) else NNX)


def _from_tree(tree: Any, peer: Peer, activation: str) -> tuple[Cell | Layer, Any]:
    match tree:
        case {"params": inner} if len(tree) == 1:
            return _from_tree(inner, peer, activation)
        case {"forward_rnn": {"cell": forward}, "backward_rnn": {"cell": backward}}:
            cells = [forward, backward]
        case {"cell": cell} if len(tree) == 1:
            cells = [cell]
        case _:
            return peer.read(flat(tree), activation=activation)
    return to_layer([peer.read(flat(cell), activation=activation) for cell in cells])


def _to_tree(model: Cell | Layer, params: Any, peer: Peer) -> dict[str, Any]:
    match model:
        case RNN():
            return {"cell": _to_tree(model.cell, params, peer)}
        case Bidirectional():
            trees = [{"cell": _to_tree(*part, peer)} for part in from_layer(model, params)]
            return dict(zip(("forward_rnn", "backward_rnn"), trees, strict=True))
        case Layer():
            raise ValueError(f"expected an RNN or Bidirectional layer, got {model!r}")
    arrays = peer.write(model, params)
    if peer is not LINEN and isinstance(model, GRU) and np.any(params.b_hn):
        raise ValueError(
            f"expected a GRU whose b_hn is zero, got {params.b_hn}; NNX's GRU has no such bias"
        )
    return nested(arrays)


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
    return ANY_NNX.read(arrays, **names)


def _name(what: str, function: Any) -> str:
    """The name of an activation in `jax.nn`."""
    name = getattr(function, "__name__", "")
    if getattr(jax.nn, name, None) is not function:
        raise ValueError(f"expected {what} to be of jax.nn, got {function}")
    return name
