"""This library: the engine for one layer, `rnnjax.layers` for more."""

from collections.abc import Iterator
from typing import Any

from _case import Case

import rnnjax
from rnnjax.layers import RNN, Bidirectional, Directions, Sequential

from . import Peer


def peers(case: Case, name: str = "", method: Any = None) -> Iterator[Peer]:
    """The cell as it comes, or as `method` says."""
    cell = case.ours

    def run(params, xs, lengths, reverse):
        return rnnjax.scan(cell, params, xs, lengths=lengths, reverse=reverse, method=method)[1]

    def step(params, carry, x):
        return cell.step(params, carry, x)[0]

    def network(params, xs, lengths):
        layer = (Bidirectional if case.both else RNN)(cell, method=method)
        params = tuple(Directions(*layer) if case.both else layer[0] for layer in params)
        model = Sequential((layer,) * case.layers)
        # The layers are batch-major; XLA drops the transposition, which they undo.
        return model.apply(params, xs.swapaxes(0, 1), lengths=lengths)[1].swapaxes(0, 1)

    deep = case.layers > 1 or case.both
    yield Peer(name or type(cell).__name__, run, step, network=network if deep else None)
