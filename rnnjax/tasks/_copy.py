"""The copy task: symbols must be carried over a stretch of blanks."""

from dataclasses import KW_ONLY
from math import log

import jax
import jax.numpy as jnp

from .._checks import check_key, check_positive
from .._static import Static
from ..data import Batch


class CopyMemory(Static):
    """Repeats some symbols after a delay; classification at the last steps.

    A sequence of tokens: `length` symbols `1 … symbols`, then `delay` blanks (0), then
    `length` cues (`symbols + 1`), at each of which the next symbol is due. T is
    `2 * length + delay`; only the cued steps count.

    Args:
        delay: number of blanks between the last symbol and the first cue.
        length: number of symbols to carry.
        symbols: number of different symbols.

    Examples:
        >>> task = CopyMemory(delay=3, length=2, symbols=4)
        >>> batch = task.sample(jax.random.key(0), 1)
        >>> batch.inputs[0, 2:].tolist(), batch.loss_mask[0].astype(int).tolist()
        ([0, 0, 0, 5, 5], [0, 0, 0, 0, 0, 1, 1])

    Reference:
        S. Hochreiter, J. Schmidhuber, Long short-term memory, Neural Computation 9, 1997; in
        the form of M. Arjovsky, A. Shah, Y. Bengio, Unitary evolution recurrent neural
        networks, ICML 2016, with a cue for every symbol.
    """

    delay: int
    _: KW_ONLY
    length: int = 10
    symbols: int = 8

    @property
    def vocabulary(self) -> int:
        """Number of tokens: the symbols, the blank and the cue."""
        return self.symbols + 2

    @property
    def trivial_loss(self) -> float:
        """Cross-entropy at a cued step, in nats, of guessing evenly: `log(symbols)`."""
        return log(self.symbols)

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """Draws `batch_size` examples."""
        check_key("key", key)
        batch_size = check_positive("batch_size", batch_size)
        symbols = jax.random.randint(key, (batch_size, self.length), 1, self.symbols + 1)
        blanks = jnp.zeros((batch_size, self.delay), symbols.dtype)
        cues = jnp.full_like(symbols, self.symbols + 1)
        inputs = jnp.concatenate([symbols, blanks, cues], axis=1)
        waiting = jnp.zeros((batch_size, self.length + self.delay), symbols.dtype)
        targets = jnp.concatenate([waiting, symbols], axis=1)
        return Batch(inputs, targets, loss_mask=targets > 0)
