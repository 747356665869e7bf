"""Cells on top of each other."""

from dataclasses import KW_ONLY
from typing import Any

import jax
import jax.numpy as jnp

from ..._core import Cell
from ..._static import derived
from ._noise import given, split_key


class Stack(Cell[tuple, tuple]):
    """Parts on top of each other: a deep recurrent network that is itself a cell.

        x_1 = x,  (carry_k', x_{k+1}) = part_k(carry_k, x_k),  y = x_{K+1}

    A part is a cell, a layer that works on each step by itself, such as `Dense`, or a function of
    features, such as `jax.nn.relu`. Parameters are a tuple with an entry for each part, the lowest
    first, `()` for functions; the carry has an entry for each cell. A context goes to every cell
    that takes one.

    Args:
        parts: the parts, the lowest first.
        skip: whether each cell after the first also sees `x`, in front of `x_k`, and `y` is the
            outputs of all cells side by side; then all parts are cells.

    Raises:
        ValueError: if there is no cell, or a part is none of the three.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.Stack((rnnjax.LSTM(8), jax.nn.relu, rnnjax.GRU(4)))
        >>> params = cell.init(jax.random.key(0), 3)
        >>> (lstm_carry, h), ys = rnnjax.scan(cell, params, jnp.ones((10, 3)))
        >>> ys.shape
        (10, 4)

    Reference:
        R. Pascanu et al., How to construct deep recurrent neural networks, ICLR 2014; A. Graves,
        Generating sequences with recurrent neural networks, 2013, for the skips.
    """

    parts: tuple[Any, ...]
    _: KW_ONLY
    skip: bool = False

    staged = False
    num_products = 0
    num_feature_axes = derived(lambda self: getattr(self.parts[0], "num_feature_axes", 1))
    takes_context = derived(lambda self: any(cell.takes_context for cell in self._cells))

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.parts, tuple) or not self._cells:
            raise ValueError(f"expected a tuple of parts with a cell in it, got {self.parts!r}")
        for part in self.parts:
            if not isinstance(part, Cell) and (self.skip or not _is_pointwise(part)):
                raise ValueError(
                    f"expected {'cells' if self.skip else 'cells, functions or layers of a step'} "
                    f"as parts, got {part!r}"
                )

    @property
    def _cells(self) -> tuple[Cell, ...]:
        return tuple(part for part in self.parts if isinstance(part, Cell))

    @property
    def output_size(self) -> Any:
        if self.skip:
            return sum(cell.output_size for cell in self._cells)
        size = None
        for part in self.parts:
            size = _output_size(part, size)
        return size

    def init(self, key, input_size, *, dtype: Any = jnp.float32) -> tuple:
        params, size = [], input_size
        for part, k in zip(self.parts, split_key(key, len(self.parts)), strict=True):
            size = size + input_size if self.skip and params else size
            params.append(part.init(k, size, dtype=dtype) if hasattr(part, "init") else ())
            size = _output_size(part, size)
        return tuple(params)

    def prepare(self, params, *, context=None, key=None, batch_shape=()) -> tuple:
        def prepared(part, p, key):
            if not isinstance(part, Cell):
                return p
            mine = context if part.takes_context else None
            return part.prepare(p, context=mine, key=key, batch_shape=batch_shape)

        return tuple(map(prepared, self.parts, params, split_key(key, len(self.parts))))

    def init_carry(self, weights, batch_shape=()) -> tuple:
        return tuple(
            part.init_carry(w, batch_shape)
            for part, w in zip(self.parts, weights, strict=True)
            if isinstance(part, Cell)
        )

    def noise(self, weights, key, lead):
        drawn = tuple(
            part.noise(w, k, lead)
            for part, w, k in zip(self.parts, weights, split_key(key, len(self.parts)), strict=True)
            if isinstance(part, Cell)
        )
        return None if all(each is None for each in drawn) else drawn

    def project(self, weights, xs, noise=None):
        return xs, noise

    def update(self, weights, carry, z) -> tuple:
        x, noise = z

        def step(cell, w, c, x, *noise):
            return cell.step(w, c, x, *noise)

        return self._fold(step, weights, carry, x, noise)[0]

    def readout(self, weights, carry, x):
        return self._fold(lambda cell, w, c, x: (c, cell.readout(w, c, x)), weights, carry, x)[1]

    def unroll(self, run, weights, carry, xs, *noise):
        def part(cell, w, c, xs, *noise):
            return cell.unroll(run, w, c, xs, *noise)

        return self._fold(part, weights, carry, xs, *noise)

    def _fold(self, apply, weights, carry, x, noise=None):
        """The carries and the output, given what `apply(cell, weights, carry, x, *noise)` does."""
        carries, outputs, y = [], [], x
        rest = iter(zip(carry, noise or (None,) * len(carry), strict=True))
        for i, (part, w) in enumerate(zip(self.parts, weights, strict=True)):
            if not isinstance(part, Cell):
                y = _pointwise(part, w, y)
                continue
            c, mine = next(rest)
            c, y = apply(part, w, c, _concat(x, y) if self.skip and i else y, *given(mine))
            carries.append(c)
            outputs.append(y)
        return tuple(carries), _concat(*outputs) if self.skip else y


def _is_pointwise(part: Any) -> bool:
    return hasattr(part, "transform") or (callable(part) and not hasattr(part, "init"))


def _pointwise(part: Any, params: Any, x: Any) -> Any:
    """A layer's or a function's work on any number of steps."""
    return part.transform(params, x) if hasattr(part, "transform") else part(x)


def _output_size(part: Any, size: Any) -> Any:
    """The output size of a part; the size of its input where it has none."""
    known = getattr(part, "output_size", None)
    if known is not None or size is None or hasattr(part, "transform"):
        return size if known is None else known
    return jax.eval_shape(part, jax.ShapeDtypeStruct((size,), jnp.float32)).shape[-1]


def _concat(*arrays: Any) -> Any:
    """Features side by side, in the dtype of the last."""
    return jnp.concatenate([a.astype(arrays[-1].dtype) for a in arrays], axis=-1)
