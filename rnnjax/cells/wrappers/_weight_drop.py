"""DropConnect on the recurrent weights."""

import jax
import jax.numpy as jnp

from ..._checks import Rate
from ..._trees import leaf_names
from ..._wrapper import Wrapper
from ._noise import dropout_mask, split_key


class WeightDrop(Wrapper):
    """DropConnect: single recurrent weights are zero for a whole sequence.

    One mask is drawn a sequence, for all rows of the batch, from the `key` that `scan` is given;
    the other weights are divided by `1 - rate`. Without a key nothing is dropped. The loop is
    the loop of the cell inside, and as fast.

    Args:
        cell: the cell inside, a stack as well; its recurrent weights are the parameters whose
            name begins with `w_h`.
        rate: probability of dropping a weight, at least 0 and below 1.

    Raises:
        ValueError: if the cell has no recurrent weights.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.cells.WeightDrop(rnnjax.LSTM(8), rate=0.5)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> carry, ys = rnnjax.scan(cell, params, jnp.ones((10, 3)), key=jax.random.key(1))
        >>> dropped = cell.prepare(params, key=jax.random.key(1)).w_h == 0
        >>> bool(0.4 < dropped.mean() < 0.6)
        True

    Reference:
        S. Merity, N. S. Keskar, R. Socher, Regularizing and optimizing LSTM language models,
        ICLR 2018.
    """

    rate: Rate

    def prepare(self, params, *, context=None, key=None, batch_shape=()):
        mine, inner = split_key(key, 2)
        names, structure = jax.tree.flatten(leaf_names(params))
        if not any(name.startswith("w_h") for name in names):
            raise ValueError(
                f"expected a cell with recurrent weights w_h…, got {self.cell} with {names}"
            )
        keys = structure.unflatten(split_key(mine, len(names)))
        if key is not None:
            params = jax.tree.map(self._drop, leaf_names(params), keys, params)
        return super().prepare(params, context=context, key=inner, batch_shape=batch_shape)

    def _drop(self, name, key, weight):
        if not name.startswith("w_h"):
            return weight
        return weight * dropout_mask(key, self.rate, jnp.shape(weight), weight.dtype)
