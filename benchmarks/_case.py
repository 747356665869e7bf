"""A case: the complete description of a computation, for this library, for peers and records."""

from dataclasses import dataclass, fields
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from _own_cells import LayerNormLSTM, MinimalGatedUnit

import rnnjax
from rnnjax.layers import RNN, Bidirectional, Directions, Sequential

CELLS = {
    "LSTM": rnnjax.LSTM,
    "GRU": rnnjax.GRU,
    "ResetBeforeGRU": rnnjax.ResetBeforeGRU,
    "Elman": rnnjax.Elman,
    "Elman (relu)": partial(rnnjax.Elman, activation="relu"),
}
# Cells that no other library here has.
OTHERS = {
    "LayerNormLSTM": LayerNormLSTM,
    "ProjectedLSTM": lambda units: rnnjax.ProjectedLSTM(units, units // 2),
    "Jordan": lambda units: rnnjax.Jordan(units, units),
    "MinGRU": rnnjax.cells.MinGRU,
    "MinimalGatedUnit": MinimalGatedUnit,
    "RHN": rnnjax.cells.RHN,
}


@dataclass(frozen=True)
class Case:
    """A network of recurrent layers over a batch of sequences.

    Attributes:
        cell: a key of `CELLS` or `OTHERS`.
        batch: number of sequences B.
        steps: number of steps T.
        inputs: number of input features I.
        hidden: number of units H.
        layers: number of layers, one on top of the other.
        bidirectional: whether every layer runs in both directions.
        lengths: whether the sequences end at different steps, from T / 2 to T.
        members: number of networks in an ensemble; 0 for a single network.
        shared: whether all members have the same inputs.
    """

    cell: str
    batch: int
    steps: int
    inputs: int
    hidden: int
    layers: int = 1
    bidirectional: bool = False
    lengths: bool = False
    members: int = 0
    shared: bool = False

    def __str__(self) -> str:
        features = f"I={self.inputs} H={self.hidden}"
        if self.inputs == self.hidden:
            features = f"I=H={self.hidden}"
        words = [
            f"{self.cell} B={self.batch} T={self.steps} {features}",
            f"{self.layers} layers" * (self.layers > 1),
            "both directions" * self.bidirectional,
            "lengths" * self.lengths,
            f"{self.members} members, {'the same' if self.shared else 'own'} inputs"
            * (self.members > 0),
        ]
        return ", ".join(filter(None, words))

    @property
    def ours(self) -> Any:
        """The cell of this library."""
        return {**CELLS, **OTHERS}[self.cell](self.hidden)

    def network(self, method: Any = None) -> Sequential:
        """The layers of this library."""
        layer = (Bidirectional if self.bidirectional else RNN)(self.ours, method=method)
        return Sequential((layer,) * self.layers)

    def joined(self, params: Any) -> tuple[Any, ...]:
        """The parameters of `network`, from the parameters of its cells."""
        return tuple(Directions(*layer) if self.bidirectional else layer[0] for layer in params)

    def row(self) -> dict[str, Any]:
        """The fields that are not at their defaults, for a record."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}


class Problem(NamedTuple):
    """The numbers of a case.

    Attributes:
        params: parameters of cells, `params[layer][direction]`; biases are random, too.
        carry: a carry in the middle of a sequence, for a single step.
        xs: inputs `[T, B, I]`; `[members, T, B, I]` where every member has its own.
        lengths: number of valid steps `[B]`, or `None`.
    """

    params: tuple[tuple[Any, ...], ...]
    carry: Any
    xs: jax.Array
    lengths: jax.Array | None


@lru_cache(maxsize=2)
@partial(jax.jit, static_argnums=0)
def problem(case: Case) -> Problem:
    """The same random numbers whenever the case is the same."""
    key_params, key_carry, key_xs = jax.random.split(jax.random.key(0), 3)
    directions = 2 if case.bidirectional else 1

    def params(key):
        keys = jax.random.split(key, (case.layers, directions))
        sizes = [case.inputs, *[directions * case.hidden] * (case.layers - 1)]
        return tuple(
            tuple(_params(case.ours, key, size) for key in layer)
            for layer, size in zip(keys, sizes, strict=True)
        )

    own = (case.members,) if case.members and not case.shared else ()
    members = jax.random.split(key_params, case.members or 1)
    carry = case.ours.init_carry(params(key_params)[0][0], (case.batch,))
    lengths = jnp.linspace(case.steps / 2, case.steps, case.batch).astype(int)
    return Problem(
        jax.vmap(params)(members) if case.members else params(key_params),
        _random(key_carry, carry),
        jax.random.normal(key_xs, (*own, case.steps, case.batch, case.inputs)),
        lengths if case.lengths else None,
    )


def _params(cell: Any, key: jax.Array, inputs: int) -> Any:
    """Initial parameters, with random biases in the place of those that would be zero.

    Only `b_hn` of a GRU is zero, since not every library has it; its gradient is not.
    """
    key, key_biases = jax.random.split(key)
    params = cell.init(key, inputs)
    biases = _random(key_biases, params)
    params = jax.tree.map(lambda w, b: b if w.ndim == 1 else w, params, biases)
    return params._replace(b_hn=0 * params.b_hn) if hasattr(params, "b_hn") else params


def _random(key: jax.Array, like: Any) -> Any:
    leaves, structure = jax.tree.flatten(like)
    keys = jax.random.split(key, len(leaves))
    return structure.unflatten(
        [jax.random.normal(k, a.shape, a.dtype) for k, a in zip(keys, leaves, strict=True)]
    )
