"""Dropout without loss of memory."""

import jax

from ..._checks import Rate
from ._named import with_named
from ._noise import StepNoise, dropout_mask, given


class RecurrentDropout(StepNoise):
    """Dropout of the candidate, which is what a step adds to the memory of a gated cell.

        c' = f c + i drop(g)           LSTM
        h' = (1 - z) drop(n) + z h     GRU

    The memory itself is never dropped, so that it does not fade over many steps. A mask is drawn
    for each step; kept candidates are divided by `1 - rate`. Without a key nothing is dropped.

    The mask acts on the value that a cell names "candidate"
    (`checkpoint_name(tanh(g), "candidate")`), so that cells need no code for it and their
    equations stay as they are. Dropout of the pre-activation is no substitute: `tanh` of it loses
    the factor `1 / (1 - rate)`.

    Args:
        cell: a cell that names its candidate; around a linear cell, this one is linear.
        rate: probability of dropping a value, at least 0 and below 1.

    Raises:
        ValueError: when it runs with a key, if the cell names no candidate.

    Examples:
        >>> import jax.numpy as jnp, rnnjax
        >>> cell = rnnjax.cells.RecurrentDropout(rnnjax.LSTM(8), rate=0.25)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> carry, ys = rnnjax.scan(cell, params, jnp.ones((10, 3)), key=jax.random.key(1))
        >>> cell.staged, ys.shape
        (True, (10, 8))

    Reference:
        S. Semeniuta, A. Severyn, E. Barth, Recurrent dropout without memory loss, COLING 2016.
    """

    rate: Rate

    def draw(self, weights, key, lead):
        # The memory is last in a carry, and the candidate is as large.
        *_, memory = jax.tree.leaves(jax.eval_shape(lambda w: self.init_carry(w), weights))
        return dropout_mask(key, self.rate, (*lead, *memory.shape), memory.dtype)

    def noisy_update(self, weights, carry, noise, *s):
        return self._dropped(self.cell.update, noise)(self.inner(weights), carry, *s)

    def elements(self, weights, xs, noise=(None, None)):
        mask, inner = noise
        return self._dropped(self.cell.elements, mask)(self.inner(weights), xs, *given(inner))

    def _dropped(self, equations, mask):
        if mask is None:
            return equations

        def drop(candidate):
            if candidate.shape != mask.shape:
                raise ValueError(
                    f"expected a candidate like the memory of {self.cell}, {list(mask.shape)}, "
                    f"got {list(candidate.shape)}"
                )
            return candidate * mask.astype(candidate.dtype)

        return with_named(equations, "candidate", drop)
