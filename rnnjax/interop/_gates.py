"""The form between all forms: one recurrence with its gates apart, and a bias of each product.

A peer's arrays become `Gates`, and `Gates` become a cell's parameters; and back. What differs from
peer to peer is the order of gates, which a word such as "ifgo" says, and whether weights stand
transposed.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._core import Cell
from ..cells import (
    GRU,
    LSTM,
    Elman,
    ElmanParams,
    GRUParams,
    LSTMParams,
    ProjectedLSTM,
    ProjectedLSTMParams,
    ResetBeforeGRU,
    ResetBeforeGRUParams,
)
from ..layers import RNN, Bidirectional, Directions, Layer, Sequential

# The order of gates in our own parameters, by their number.
OURS = {1: "h", 3: "rzn", 4: "ifgo"}


class Gates(NamedTuple):
    """One recurrence: `x w_x + b_x` and `h w_h + b_h`, in our order of gates.

    P is H unless there is a projection.
    """

    w_x: Float[np.ndarray, "i g h"]
    w_h: Float[np.ndarray, "p g h"]
    biases: Float[np.ndarray, "2 g h"] | None  # b_x and b_h, `None` for a cell without
    w_p: Float[np.ndarray, "h p"] | None = None  # projection of the output


def split(a: Any, order: str) -> np.ndarray:
    """`[…, G H]` with gates in the order of a peer, as `[…, G, H]` in ours."""
    a = np.asarray(a)
    blocks = a.reshape(*a.shape[:-1], len(order), -1)
    return blocks[..., [order.index(gate) for gate in OURS[len(order)]], :]


def join(a: np.ndarray, order: str) -> np.ndarray:
    """`[…, G, H]` in our order of gates, as `[…, G H]` in that of a peer."""
    a = np.asarray(a)[..., [OURS[len(order)].index(gate) for gate in order], :]
    return a.reshape(*a.shape[:-2], -1)


def to_cell(
    gates: Gates,
    *,
    activation: str = "tanh",
    gate_activation: str = "sigmoid",
    reset_after: bool = True,
) -> tuple[Cell, Any]:
    """The cell that has these gates, with its parameters."""
    _, count, size = gates.w_x.shape
    options: Any = {"activation": activation, "use_bias": gates.biases is not None}
    gated = options | {"gate_activation": gate_activation}
    w_x, w_h = (jnp.asarray(join(a, OURS[count])) for a in (gates.w_x, gates.w_h))
    b, b_hn = _merged(gates.biases, apart=count == 3 and reset_after)
    match count:
        case 1:
            return Elman(size, **options), ElmanParams(w_x, w_h, b)
        case 3 if reset_after:
            return GRU(size, **gated), GRUParams(w_x, w_h, b, b_hn)
        case 3:
            w_h, w_hn = jnp.split(w_h, [2 * size], axis=-1)
            return ResetBeforeGRU(size, **gated), ResetBeforeGRUParams(w_x, w_h, w_hn, b)
        case 4 if gates.w_p is None:
            return LSTM(size, **gated), LSTMParams(w_x, w_h, b)
        case 4:
            w_p = jnp.asarray(gates.w_p)
            cell = ProjectedLSTM(size, w_p.shape[1], **gated)
            return cell, ProjectedLSTMParams(w_x, w_h, b, w_p)
        case other:
            raise ValueError(f"expected 1, 3 or 4 gates, got {other}")


def _merged(biases: np.ndarray | None, apart: bool) -> tuple[Array | None, Array | None]:
    """Both biases in one, and the recurrent bias of the last gate, which may stay apart.

    It does in a GRU, whose reset gate multiplies it.
    """
    if biases is None:
        return None, None
    b_x, b_h = biases
    b = b_x + b_h
    if apart:
        b[-1] = b_x[-1]
    return jnp.asarray(join(b, OURS[len(b)])), jnp.asarray(b_h[-1])


def from_cell(cell: Cell, params: Any) -> Gates:
    """The gates of a cell; the recurrent bias is zero but where it cannot be merged."""
    w_h, w_p = getattr(params, "w_h", None), None
    match cell:
        case Elman():
            order = OURS[1]
        case GRU():
            order = OURS[3]
        case ResetBeforeGRU():
            order, w_h = OURS[3], np.concatenate([w_h, params.w_hn], axis=-1)
        case LSTM():
            order = OURS[4]
        case ProjectedLSTM():
            order, w_p = OURS[4], np.asarray(params.w_p)
        case _:
            raise ValueError(
                "expected an Elman, GRU, ResetBeforeGRU, LSTM or ProjectedLSTM cell, got "
                f"{cell!r}; other libraries have no other recurrent layers"
            )
    w_x, w_h = split(params.w_x, order), split(w_h, order)
    if params.b is None:
        return Gates(w_x, w_h, None, w_p)
    b_x = split(params.b, order)
    b_h = np.zeros_like(b_x)
    if isinstance(cell, GRU):
        b_h[2] = params.b_hn
    return Gates(w_x, w_h, np.stack([b_x, b_h]), w_p)


def check_options(
    cell: Any, peer: str, activations: Sequence[str] = ("tanh",), *, biased: bool = False
) -> None:
    """Raises unless a peer has the activations of a cell, and cells without biases if it is one."""
    gate_activation = getattr(cell, "gate_activation", "sigmoid")
    if cell.activation not in activations or gate_activation != "sigmoid":
        names = " or ".join(map(repr, activations))
        raise ValueError(
            f"expected the activation {names} and gates with 'sigmoid', as {peer} has them, got "
            f"{cell!r}"
        )
    if biased:
        check_biases(cell, peer)


def check_biases(cell: Any, peer: str) -> None:
    """Raises unless a cell has biases, for a peer whose cells always have."""
    if not cell.use_bias:
        raise ValueError(f"expected a cell with biases, as all of {peer} have, got {cell!r}")


def to_layer(directions: Sequence[tuple[Cell, Any]], *, reverse: bool = False) -> tuple[Layer, Any]:
    """The layer that runs one cell over time, or two in both directions, with its parameters."""
    if len(directions) == 1:
        ((cell, params),) = directions
        return RNN(cell, reverse=reverse), params
    (cell, forward), (other, backward) = directions
    layer = Bidirectional(cell, backward=None if other == cell else other)
    return layer, Directions(forward, backward)


def from_layer(layer: Layer, params: Any) -> list[tuple[Cell, Any]]:
    """The cell of each direction of a layer, with its parameters."""
    match layer:
        case RNN():
            return [(layer.cell, params)]
        case Bidirectional():
            forward, backward = params
            other = layer.cell if layer.backward is None else layer.backward
            return [(layer.cell, forward), (other, backward)]
        case _:
            raise ValueError(f"expected an RNN or Bidirectional layer, got {layer!r}")


def parts(model: Sequential, params: Any) -> list[tuple[str, Layer, Any]]:
    """The layers of a model, each with its name, or its number, and its parameters."""
    keys = range(len(model.layers)) if model.names is None else model.names
    return [(str(k), layer, params[k]) for k, layer in zip(keys, model.layers, strict=True)]
