"""The table of a model: its layers, their outputs and their parameters."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from rich import box
from rich.table import Table

from .._core import Cell
from .._tables import as_text
from ._layer import Layer, check_layer
from ._rnn import RNN
from ._sequential import Sequential


class LayerSummary(NamedTuple):
    """A row of a `Summary`."""

    name: str  # as in the parameters: a place or a name, in nested models "encoder.rnn"
    layer: Layer  # the layer itself
    output: str  # the shape of the outputs, such as "[B, T, 8]"
    parameters: int  # number of parameters
    size: int  # bytes of the parameters
    depth: int  # number of models around the layer


class Summary(NamedTuple):
    """A table of a model's layers, which `print` and notebooks show."""

    input: str  # the shape of the inputs
    rows: tuple[LayerSummary, ...]  # a nested model is followed by its layers

    @property
    def parameters(self) -> int:
        """Number of parameters of the model."""
        return sum(row.parameters for row in self.rows if row.depth == 0)

    @property
    def size(self) -> int:
        """Bytes of the parameters of the model."""
        return sum(row.size for row in self.rows if row.depth == 0)

    def __repr__(self) -> str:
        table = Table("", "layer", "output", box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
        table.add_column("parameters", f"{self.parameters:,}", justify="right")
        table.add_column("bytes", f"{self.size:,}", justify="right")
        table.columns[0].footer = "total"
        for column in table.columns:
            column.no_wrap = column.header != "layer"
        table.add_row("input", "", self.input)
        for row in self.rows:
            name = "  " * row.depth + row.name.rpartition(".")[2]
            layer = "Sequential" if isinstance(row.layer, Sequential) else repr(row.layer)
            table.add_row(name, layer, row.output, f"{row.parameters:,}", f"{row.size:,}")
        return as_text(table)


def summary(model: Layer | Cell, input_size: Any = None, *, dtype: Any = jnp.float32) -> Summary:
    """Describe a model by a table of its layers; nothing is computed.

    Args:
        model: a layer; a cell is described as `RNN(cell)`.
        input_size: number of input features, as for `Layer.init`; `None` for a model of tokens.
        dtype: dtype of the parameters.

    Raises:
        ValueError: if the model is neither a layer nor a cell, or where `init` raises one.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN, Dense, Embedding, Sequential
        >>> model = Sequential(embed=Embedding(50, 8), rnn=RNN(rnnjax.GRU(16)), head=Dense(50))
        >>> summary(model).parameters
        2466
    """
    model = RNN(model) if isinstance(model, Cell) else model
    check_layer("model", model)
    if input_size is None and model.num_feature_axes:
        raise ValueError(
            f"expected an input_size for {model}, got None; only a model of tokens, such as one "
            "that starts with an Embedding, can do without"
        )
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), input_size, dtype=dtype))
    layers = model.parts(params) if isinstance(model, Sequential) else [("", model, params)]
    rows = tuple(_rows(layers, input_size, ("B", "T"), "", 0))
    return Summary(_shape(("B", "T"), input_size), rows)


def _rows(layers: list, size: Any, axes: tuple, prefix: str, depth: int) -> Iterator[LayerSummary]:
    for key, layer, params in layers:
        before = size, axes
        size = layer.output_size_of(size)
        axes = axes if layer.keeps_time else ("B",)
        arrays = jax.tree.leaves(params)
        count = sum(math.prod(a.shape) for a in arrays)
        memory = sum(math.prod(a.shape) * a.dtype.itemsize for a in arrays)
        yield LayerSummary(prefix + key, layer, _shape(axes, size), count, memory, depth)
        if isinstance(layer, Sequential):
            yield from _rows(layer.parts(params), *before, f"{prefix}{key}.", depth + 1)


def _shape(axes: tuple[str, ...], size: Any) -> str:
    """A shape as a text, of every array where the features are a pytree."""
    if size is None or isinstance(size, int):
        size = () if size is None else (size,)
    if isinstance(size, tuple) and all(isinstance(n, int) for n in size):
        return f"[{', '.join(map(str, (*axes, *size)))}]"
    return str(jax.tree.map(lambda n: _shape(axes, n), size)).replace("'", "")
