"""Cells made of cells. They say how to run over time, so that their parts stay fast."""

from typing import Any

import jax
import jax.numpy as jnp

from .._core import Cell, check_cell, frozen


@frozen
class Stack(Cell[tuple, tuple]):
    """Cells on top of each other: a deep recurrent network that is itself a cell.

        x_1 = x,  (carry_k', x_{k+1}) = cell_k(carry_k, x_k),  y = x_{K+1}

    Parameters and carries are tuples with an entry for each cell, the lowest first.

    Args:
        cells: the cells, the lowest first.

    Example:
        >>> import rnnjax
        >>> cell = rnnjax.Stack((rnnjax.LSTM(8), rnnjax.GRU(4)))
        >>> params = cell.init(jax.random.key(0), 3)
        >>> (lstm_carry, h), y = cell.step(params, cell.init_carry(params), jnp.ones(3))
        >>> y.shape
        (4,)

    Reference:
        R. Pascanu et al., How to construct deep recurrent neural networks, ICLR 2014.
    """

    cells: tuple[Cell, ...]

    def __post_init__(self):
        if not isinstance(self.cells, tuple) or not self.cells:
            raise ValueError(
                f"expected cells to be a tuple of at least one cell, got {self.cells!r}"
            )
        for cell in self.cells:
            check_cell(cell)

    @property
    def output_size(self) -> int:
        return self.cells[-1].output_size

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> tuple:
        keys = jax.random.split(key, len(self.cells))
        sizes = (input_size, *(cell.output_size for cell in self.cells[:-1]))
        return tuple(
            cell.init(k, size, dtype=dtype)
            for cell, k, size in zip(self.cells, keys, sizes, strict=True)
        )

    def init_carry(self, params, batch_shape=()) -> tuple:
        return tuple(
            cell.init_carry(p, batch_shape) for cell, p in zip(self.cells, params, strict=True)
        )

    def step(self, params, carry, x):
        carries = []
        for cell, p, c in zip(self.cells, params, carry, strict=True):
            c, x = cell.step(p, c, x)
            carries.append(c)
        return tuple(carries), x

    def over_time(self, run, params, carry, xs):
        finals, histories = [], []
        for cell, p, c in zip(self.cells, params, carry, strict=True):
            final, xs, history = cell.over_time(run, p, c, xs)
            finals.append(final)
            histories.append(history)
        return tuple(finals), xs, tuple(histories)


@frozen
class Residual(Cell):
    """A cell whose input is added to its output: `y = x + cell(x)`.

    Gradients reach the lower cells of a deep stack past the gates of the upper ones.

    Args:
        cell: a cell with as many output features as it has input features.

    Example:
        >>> import rnnjax
        >>> cell = rnnjax.Stack((rnnjax.GRU(4), rnnjax.Residual(rnnjax.GRU(4))))
        >>> params = cell.init(jax.random.key(0), 3)
        >>> cell.output_size
        4

    Reference:
        Y. Wu et al., Google's neural machine translation system, 2016, section 3.1.
    """

    cell: Cell

    def __post_init__(self):
        check_cell(self.cell)

    @property
    def output_size(self) -> int:
        return self.cell.output_size

    def init(self, key, input_size, *, dtype: Any = jnp.float32):
        if input_size != self.output_size:
            raise ValueError(
                f"expected inputs of {self.output_size} features, as many as {self.cell} puts "
                f"out, got {input_size}; a residual connection needs equal sizes"
            )
        return self.cell.init(key, input_size, dtype=dtype)

    def init_carry(self, params, batch_shape=()):
        return self.cell.init_carry(params, batch_shape)

    def step(self, params, carry, x):
        carry, y = self.cell.step(params, carry, x)
        return carry, x + y

    def over_time(self, run, params, carry, xs):
        carry, ys, carries = self.cell.over_time(run, params, carry, xs)
        return carry, xs + ys, carries
