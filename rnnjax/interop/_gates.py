"""The form between all forms: one recurrence with its gates apart, and a bias of each product.

A peer's arrays become `Gates`, and `Gates` become a cell's parameters; and back. What differs from
peer to peer is the order of gates, which a word such as "ifgo" says, and whether weights stand
transposed.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

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
)
from ..layers import Bidirectional, Directions, Layer, Recurrent

# The order of gates in our own parameters, by their number.
OURS = {1: "h", 3: "rzn", 4: "ifgo"}


class Gates(NamedTuple):
    """One recurrence: `x w_x + b_x` and `h w_h + b_h`, in our order of gates.

    Attributes:
        w_x: input weights, `[I, G, H]`.
        w_h: recurrent weights, `[P, G, H]`, where P is H unless there is a projection.
        b_x: bias of the input product, `[G, H]`.
        b_h: bias of the recurrent product, `[G, H]`.
        w_p: projection of the output, `[H, P]`, or `None`.
    """

    w_x: Float[np.ndarray, "i g h"]
    w_h: Float[np.ndarray, "p g h"]
    b_x: Float[np.ndarray, "g h"]
    b_h: Float[np.ndarray, "g h"]
    w_p: Float[np.ndarray, "h p"] | None = None

    @property
    def b(self) -> Float[np.ndarray, "g h"]:
        """Both biases in one, for those who have one."""
        return self.b_x + self.b_h


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
    gates: Gates, *, activation: str = "tanh", reset_after: bool = True
) -> tuple[Cell, Any]:
    """The cell that has these gates, with its parameters."""
    hidden_size = gates.w_x.shape[-1]
    w_x, w_h, b = (jnp.asarray(join(a, OURS[a.shape[-2]])) for a in (gates.w_x, gates.w_h, gates.b))
    match gates.w_x.shape[1]:
        case 1:
            return Elman(hidden_size, activation), ElmanParams(w_x, w_h, b)
        case 3 if reset_after:
            # The reset gate multiplies the recurrent bias of n, which therefore stays apart.
            b = b.at[2 * hidden_size :].set(gates.b_x[2])
            return GRU(hidden_size), GRUParams(w_x, w_h, b, jnp.asarray(gates.b_h[2]))
        case 3:
            w_h, w_hn = jnp.split(w_h, [2 * hidden_size], axis=-1)
            return GRU(hidden_size, reset_after=False), GRUParams(w_x, w_h, b, None, w_hn)
        case 4 if gates.w_p is None:
            return LSTM(hidden_size), LSTMParams(w_x, w_h, b)
        case 4:
            w_p = jnp.asarray(gates.w_p)
            cell = ProjectedLSTM(hidden_size, w_p.shape[1])
            return cell, ProjectedLSTMParams(w_x, w_h, b, w_p)
        case other:
            raise ValueError(f"expected 1, 3 or 4 gates, got {other}")


def from_cell(cell: Cell, params: Any) -> Gates:
    """The gates of a cell; the recurrent bias is zero but where it cannot be merged."""
    match cell:
        case Elman():
            order = OURS[1]
        case GRU():
            order = OURS[3]
        case LSTM() | ProjectedLSTM():
            order = OURS[4]
        case _:
            raise ValueError(
                f"expected an Elman, GRU, LSTM or ProjectedLSTM cell, got {cell!r}; other "
                "libraries have no other recurrent layers"
            )
    w_h = params.w_h
    if isinstance(cell, GRU) and not cell.reset_after:
        w_h = np.concatenate([w_h, params.w_hn], axis=-1)
    w_x, w_h, b = (split(a, order) for a in (params.w_x, w_h, params.b))
    b_h = np.zeros_like(b)
    if isinstance(cell, GRU) and cell.reset_after:
        b_h[2] = params.b_hn
    w_p = np.asarray(params.w_p) if isinstance(cell, ProjectedLSTM) else None
    return Gates(w_x, w_h, b, b_h, w_p)


def to_layer(directions: Sequence[tuple[Cell, Any]], *, reverse: bool = False) -> tuple[Layer, Any]:
    """The layer that runs one cell over time, or two in both directions, with its parameters."""
    if len(directions) == 1:
        ((cell, params),) = directions
        return Recurrent(cell, reverse), params
    (cell, forward), (other, backward) = directions
    layer = Bidirectional(cell, backward=None if other == cell else other)
    return layer, Directions(forward, backward)


def from_layer(layer: Layer, params: Any) -> list[tuple[Cell, Any]]:
    """The cell of each direction of a layer, with its parameters."""
    match layer:
        case Recurrent():
            return [(layer.cell, params)]
        case Bidirectional():
            forward, backward = params
            other = layer.cell if layer.backward is None else layer.backward
            return [(layer.cell, forward), (other, backward)]
        case _:
            raise ValueError(f"expected a Recurrent or Bidirectional layer, got {layer!r}")
